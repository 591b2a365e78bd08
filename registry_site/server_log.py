"""gunicorn's log, without what every container client writes into it.

`docker`, `podman` and others try TLS first wherever they may fall back to plain HTTP, so each of
their calls would leave a warning of an invalid request.
"""

from typing import Any

from gunicorn.glogging import Logger


class ServerLogger(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Writes requests that are no HTTP down for those who debug."""

    def warning(self, msg: Any, *args: Any, **kwargs: Any) -> None:
        if str(msg).startswith("Invalid request from"):
            self.debug(msg, *args, **kwargs)
        else:
            super().warning(msg, *args, **kwargs)
