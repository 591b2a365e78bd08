"""JSON as the registry takes it: RFC 8259 read strictly, so that no two readers can disagree.

Python's `json` is lenient where it matters (CVE-2021-41190 lived on such differences): it takes
UTF-16, a byte order mark, NaN, duplicate keys and lone surrogates. Each of these is refused here.
"""

import json
import math
from collections import Counter
from threading import BoundedSemaphore
from typing import NoReturn

MAX_DEPTH = 64
# A 4 MiB document of nothing but small objects costs a hundred times its size once parsed. No
# manifest has this many; those that do are refused before they are parsed.
MAX_CONTAINERS = 100_000
_LARGE = 64 * 1024
_MAX_NUMBER_LENGTH = 40

_large_documents = BoundedSemaphore(2)


class StrictJSONError(ValueError):
    """What is wrong with the document."""


def loads(document: bytes) -> object:
    """The value that `document` spells. Raises StrictJSONError."""
    if document.count(b"{") + document.count(b"[") > MAX_CONTAINERS:
        raise StrictJSONError(f"it has more than {MAX_CONTAINERS} objects and lists")
    if document.startswith(b"\xef\xbb\xbf"):
        raise StrictJSONError("it starts with a byte order mark")
    if len(document) <= _LARGE:
        return _parse(document)
    with _large_documents:
        return _parse(document)


def _parse(document: bytes) -> object:
    try:
        value = json.loads(
            document.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_int=_integer,
            parse_float=_float,
        )
    except UnicodeDecodeError as error:
        raise StrictJSONError(f"it is not UTF-8 (byte {error.start})") from error
    except json.JSONDecodeError as error:
        raise StrictJSONError(f"it is not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError as error:
        raise StrictJSONError(f"it is nested deeper than {MAX_DEPTH} levels") from error
    _check_depth(value)
    if b"\\u" in document:
        _check_surrogates(value)
    return value


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise StrictJSONError(f"the key {twice[:100]!r} stands twice in one object")
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise StrictJSONError(f"{name} is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_LENGTH:
        raise StrictJSONError(f"it has a number of {len(digits)} digits")
    return int(digits)


def _float(text: str) -> float:
    value = float(text)
    if len(text) > _MAX_NUMBER_LENGTH or not math.isfinite(value):
        raise StrictJSONError(f"the number {text[:20]} is out of range")
    return value


def _check_depth(value: object) -> None:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise StrictJSONError(f"it is nested deeper than {MAX_DEPTH} levels")
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]


def _check_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise StrictJSONError("it has a lone surrogate, which is no character") from error
