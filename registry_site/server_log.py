"""gunicorn's log, without what every container client writes into it, and without secrets.

`docker`, `podman` and others try TLS first wherever they may fall back to plain HTTP, so each of
their calls would leave a warning of an invalid request.
"""

import re
from typing import Any

from gunicorn.glogging import Logger

from registry_site import log_format

# The address of an invitation is its secret.
_INVITATION = re.compile(r"(invitations(?:/|%2F))[A-Za-z0-9_-]{16,}", re.IGNORECASE)

# What Docker's registry calls the parts of a line of the access log.
_FIELDS = {
    "http.request.remoteaddr": "h",
    "http.request.method": "m",
    "http.request.uri": "uri",
    "http.request.referer": "f",
    "http.request.useragent": "a",
    "http.response.written": "B",
}


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes requests that are no HTTP down for those who debug."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self._is_structured = log_format.is_structured()
        if self._is_structured:
            for handler in {*self.error_log.handlers, *self.access_log.handlers}:
                handler.setFormatter(log_format.formatter())

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> None:
        """A line in the form that browsers' servers have, or what it is made of."""
        if not self._is_structured:
            super().access(resp, req, environ, request_time)
        elif self.access_log_enabled:
            found = self.atoms(resp, req, environ, request_time)
            fields = {key: found[atom] for key, atom in _FIELDS.items()}
            fields["http.request.host"] = environ.get("HTTP_HOST", "-")
            fields["http.response.duration"] = f"{request_time.total_seconds() * 1000:.3f}ms"
            fields["http.response.status"] = int(found["s"])
            self.access_log.info("response completed", extra={"fields": fields})

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        if str(msg).startswith("Invalid request from"):
            self.debug(msg, *args, **kwargs)
        else:
            super().warning(msg, *args, **kwargs)

    def atoms(self, *args: Any) -> dict[str, Any]:
        """What a line of the access log is made of."""
        found: dict[str, Any] = super().atoms(*args)
        if sent := getattr(getattr(args[0], "sock", None), "sent_of_files", 0):
            found["B"] += sent
            found["b"] = str(found["B"])
        found["u"] = "-"  # some clients send a token as the user name
        found["uri"] = args[2].get("RAW_URI", "-")
        for name in ("r", "U", "q", "f", "uri"):
            found[name] = _INVITATION.sub(r"\1...", str(found[name]))
        return found
