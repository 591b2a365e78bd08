"""The WSGI application: `/v2/` and `/token` go straight to their own doors, the rest to Django.

With REGISTRY_HTTP_PREFIX all of them are below it; only the health checks stay where they are.
"""

import os
from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "registry_site.settings")
_django = get_wsgi_application()

from api import mount  # noqa: E402  (Django has to be set up before its models are imported)

# Whoever asks comes from within, past the proxy that the prefix is for.
HEALTH_PATHS = ("/healthz", "/readyz")


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer one request (PEP 3333)."""
    if settings.HTTP_PREFIX and not _enter(environ, settings.HTTP_PREFIX):
        start_response("404 Not Found", [("Content-Length", "0")])
        return ()
    door = mount.door_of(environ.get("PATH_INFO", ""))
    if door is not None:
        return mount.wsgi(door, environ, start_response)
    return _django(environ, start_response)


def _enter(environ: dict[str, Any], prefix: str) -> bool:
    """Make the path one below the prefix; whether it was."""
    path = environ.get("PATH_INFO", "")
    if path in HEALTH_PATHS:
        return True
    if path != prefix and not path.startswith(f"{prefix}/"):
        return False
    environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path.removeprefix(prefix) or "/"
    return True
