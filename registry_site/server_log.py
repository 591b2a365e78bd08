"""gunicorn's log, without what every container client writes into it, and without secrets.

`docker`, `podman` and others try TLS first wherever they may fall back to plain HTTP, so each of
their calls would leave a warning of an invalid request.
"""

import re
from typing import Any

from gunicorn.glogging import Logger

# The address of an invitation is its secret.
_INVITATION = re.compile(r"(invitations(?:/|%2F))[A-Za-z0-9_-]{16,}", re.IGNORECASE)


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes requests that are no HTTP down for those who debug."""

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        if str(msg).startswith("Invalid request from"):
            self.debug(msg, *args, **kwargs)
        else:
            super().warning(msg, *args, **kwargs)

    def atoms(self, *args: Any) -> dict[str, Any]:
        """What a line of the access log is made of."""
        found: dict[str, Any] = super().atoms(*args)
        found["u"] = "-"  # some clients send a token as the user name
        for name in ("r", "U", "q", "f"):
            found[name] = _INVITATION.sub(r"\1...", str(found[name]))
        return found
