"""The WSGI application: `/v2/` goes straight to its own door, everything else to Django."""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
_django = get_wsgi_application()

from api.v2 import mount  # noqa: E402  (Django has to be set up before its models are imported)


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request (PEP 3333)."""
    if mount.is_ours(environ.get("PATH_INFO", "")):
        return mount.wsgi(environ, start_response)
    return _django(environ, start_response)
