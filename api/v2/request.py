"""A request as the handlers see it: parsed once, and free of any framework."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any
from urllib.parse import parse_qs

from accounts.addresses import Origin, client_address, origin
from api.v2.body import Body
from repositories.access import ANONYMOUS, Principal
from repositories.oci.errors import RequestInvalid

MAX_QUERY_FIELDS = 64


def environ_key(header: str) -> str:
    """A header field's key in an environment (PEP 3333)."""
    key = header.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


_key_of = cache(environ_key)  # we ask for a dozen different ones


class Request:
    """What a client asks. `path` is decoded; `principal` is set once it is known."""

    def __init__(self, environ: Mapping[str, Any]) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        # WSGI hands bytes over as Latin-1 (PEP 3333). Names are ASCII, so they need no decoding,
        # and what is not ASCII matches no grammar.
        self.path: str = environ.get("PATH_INFO", "")
        self.principal: Principal = ANONYMOUS

    def header(self, name: str) -> str | None:
        """The value of a header; None when it was not sent."""
        value = self._environ.get(_key_of(name))
        return value if value is None or isinstance(value, str) else str(value)

    @property
    def address(self) -> str:
        """The client's address, beyond trusted proxies."""
        return client_address(self._environ)

    @property
    def origin(self) -> Origin:
        """The scheme and host that the client called, as trusted proxies tell it."""
        return origin(self._environ)

    @cached_property
    def body(self) -> Body:
        return Body(self._environ)

    @cached_property
    def query(self) -> Mapping[str, Sequence[str]]:
        """The query's values by name. Raises RequestInvalid when it cannot be read."""
        text = self._environ.get("QUERY_STRING", "")
        if not text:
            return {}
        try:
            query = parse_qs(
                text, keep_blank_values=True, errors="strict", max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError as error:
            raise RequestInvalid(
                f"the query cannot be read: send at most {MAX_QUERY_FIELDS} fields, in UTF-8, "
                "percent-encoded"
            ) from error
        # NUL means nothing in any field, and PostgreSQL takes none in a text.
        if any("\0" in value for values in query.values() for value in values):
            raise RequestInvalid("the query has a NUL character; leave it out")
        return query

    def parameter(self, name: str) -> str | None:
        """The only value of a query field; None when it was not sent. Raises RequestInvalid."""
        values = self.query.get(name, ())
        if len(values) > 1:
            raise RequestInvalid(f"the query has {len(values)} values of {name!r}; send one")
        return values[0] if values else None
