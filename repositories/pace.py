"""How fast bytes are read in the background: a token bucket, and how its rate is written."""

import re
import time
from collections.abc import Callable

LEAST = 100_000

_SIZE = re.compile(r"([0-9]{1,9})(?:\.([0-9]{1,3}))?\s?([kKMGT]?)(i?)B", re.ASCII)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


class Bucket:
    """Lets `rate` bytes pass in a second, on the long run; without a rate all of them at once.

    Whoever takes more than there is waits until it would have been there. What was not taken is
    saved up for a second, and no longer.
    """

    def __init__(
        self,
        rate: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._rate = rate
        self._clock, self._sleep = clock, sleep
        self._level = 0.0  # bytes that may pass at once; below zero they have passed already
        self._at = clock()

    def take(self, count: int) -> None:
        """Return when `count` bytes more may have passed."""
        if self._rate is None:
            return
        now = self._clock()
        self._level = min(self._level + (now - self._at) * self._rate, self._rate) - count
        self._at = now
        if self._level < 0:
            self._sleep(-self._level / self._rate)


def rate_of(text: str) -> int:
    """Bytes in a second: `200MB/s`, `1.5 GB/s`, `64MiB`; at least `LEAST`. Raises ValueError."""
    try:
        rate = bytes_of(text.removesuffix("/s"))
    except ValueError as error:
        raise ValueError(f"{text!r} is not a rate; write one such as 20MB/s or 64MiB/s") from error
    if rate < LEAST:
        raise ValueError(f"{text!r} would never end; write 100kB/s or more")
    return rate


def bytes_of(text: str) -> int:
    """How many bytes `200MB`, `1.5 GB` or `64MiB` are. Raises ValueError."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write one such as 200MB or 64MiB")
    whole, part, prefix, binary = match.groups(default="")
    base = 1024 if binary else 1000
    thousandths = int(whole) * 1000 + int(part.ljust(3, "0") or "0")
    size: int = thousandths * base ** _POWERS[prefix.lower()] // 1000
    return size
