"""The WSGI application: `/v2/` and `/token` go straight to their own doors, the rest to Django."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
_django = get_wsgi_application()

from api import mount  # noqa: E402  (Django has to be set up before its models are imported)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request (PEP 3333)."""
    door = mount.door_of(environ.get("PATH_INFO", ""))
    if door is not None:
        return mount.wsgi(door, environ, start_response)
    return _django(environ, start_response)
