"""Paging of lists: `n`, `last` and `Link` (distribution-spec, end-8b)."""

import re

from api.v2.request import Request
from repositories.oci.errors import PaginationNumberInvalid

_NUMBER = re.compile(r"[0-9]{1,30}", re.ASCII)


def page_size(request: Request, *, default: int, most: int) -> int:
    """How many entries to give: `n`, at most `most`. Raises PaginationNumberInvalid.

    `int()` would also take `1_000`, `+5` and other scripts' digits.
    """
    text = request.parameter("n")
    if text is None:
        return min(default, most)
    if not _NUMBER.fullmatch(text):
        raise PaginationNumberInvalid(
            "n is how many entries to list, such as n=100", detail={"n": text[:100]}
        )
    return min(int(text), most)


def start_after(request: Request) -> str:
    """`last`: the position that the list starts behind. It need not name anything."""
    return request.parameter("last") or ""
