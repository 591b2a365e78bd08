"""Slowing down whoever guesses passwords, without locking anybody else out.

Failures are counted for an account *and* an address together: somebody who guesses from one
address slows down that address only, whatever account they try, and the account's owner signs in
from theirs as ever. Ten failures within a quarter of an hour are free; each further one doubles the
wait. Who tries one password at each of many accounts is slowed down by address alone, in this
process. Codes of a second factor are counted wherever they come from (`ANYWHERE`): whoever guesses
those has the password already.
"""

import contextlib
import hmac
import math
import threading
import time
from collections import OrderedDict
from datetime import timedelta

from django.conf import settings
from django.db.models import F
from django.utils import timezone

from accounts.addresses import household
from accounts.models import SignInFailure
from repositories.oci.errors import TooManyRequests

FREE_FAILURES = 10
WINDOW = timedelta(minutes=15)
FIRST_DELAY_SECONDS = 2
LONGEST_DELAY_SECONDS = 900

# In place of an address; no client has it (RFC 4291, 2.5.2).
ANYWHERE = "::"

# The token service: a burst, then so many a second for one address, behind which a whole cluster
# may be. Some clients ask for a token before each request.
BURST = 1000
PER_SECOND = 50.0
# Wrong passwords from one address, whatever the accounts: each costs a slow hash.
FAILURES_BURST = 100
FAILURES_PER_SECOND = 0.2


def check(*, account: str, address: str) -> None:
    """Return when another attempt may be made. Raises TooManyRequests with `Retry-After`."""
    if address != ANYWHERE:
        _failures.check(address)
    row = SignInFailure.objects.filter(**_key(account, address)).first()
    if row is None or row.count < FREE_FAILURES:
        return
    passed = timezone.now() - row.last_at
    doublings = min(row.count - FREE_FAILURES, 20)
    wait = min(FIRST_DELAY_SECONDS * 2.0**doublings, LONGEST_DELAY_SECONDS)
    left = math.ceil(wait - passed.total_seconds())
    if left > 0:
        raise TooManyRequests(
            f"too many failed attempts to sign in: wait {left} seconds",
            headers={"Retry-After": str(left)},
        )


def failed(*, account: str, address: str) -> None:
    """Count a failure."""
    if address != ANYWHERE:
        with contextlib.suppress(TooManyRequests):
            _failures.take(address)
    now = timezone.now()
    key = _key(account, address)
    SignInFailure.objects.filter(**key, last_at__lt=now - WINDOW).delete()
    SignInFailure.objects.bulk_create([SignInFailure(**key)], ignore_conflicts=True)
    SignInFailure.objects.filter(**key).update(count=F("count") + 1, last_at=now)


def succeeded(*, account: str, address: str) -> None:
    """Forget the failures of an account from its owner's address."""
    SignInFailure.objects.filter(**_key(account, address)).delete()


def purge() -> int:
    """Remove counts that no longer matter; how many."""
    deleted, _ = SignInFailure.objects.filter(
        last_at__lt=timezone.now() - WINDOW - timedelta(seconds=LONGEST_DELAY_SECONDS)
    ).delete()
    return deleted


def _key(account: str, address: str) -> dict[str, str]:
    """The account as a digest: a password that was typed as the name is kept nowhere."""
    name = account.encode("utf-8", "surrogatepass")
    digest = hmac.digest(settings.SECRET_KEY.encode(), b"account\0" + name, "sha256")
    return {"account": digest.hex(), "address": household(address)}


class RateLimit:
    """A token bucket for each address, in this process."""

    def __init__(self, *, burst: int, per_second: float, most_addresses: int = 10_000) -> None:
        self._burst = burst
        self._per_second = per_second
        self._most = most_addresses
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, address: str) -> None:
        """Count a request. Raises TooManyRequests when the address sends too many."""
        now, address = time.monotonic(), household(address)
        with self._lock:
            left, since = self._buckets.pop(address, (float(self._burst), now))
            left = min(left + (now - since) * self._per_second, self._burst) - 1
            self._buckets[address] = (max(left, -1.0), now)
            while len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._refuse_below_zero(left)

    def check(self, address: str) -> None:
        """As `take`, without counting."""
        with self._lock:
            left, since = self._buckets.get(household(address), (float(self._burst), 0.0))
        self._refuse_below_zero(left + (time.monotonic() - since) * self._per_second)

    def _refuse_below_zero(self, left: float) -> None:
        if left < 0:
            seconds = math.ceil(-left / self._per_second)
            raise TooManyRequests(
                f"too many requests from your address: wait {seconds} seconds",
                headers={"Retry-After": str(seconds)},
            )

    def forget_everything(self) -> None:
        """Start anew."""
        with self._lock:
            self._buckets.clear()


token_requests = RateLimit(burst=BURST, per_second=PER_SECOND)
_failures = RateLimit(burst=FAILURES_BURST, per_second=FAILURES_PER_SECOND)


def forget_everything() -> None:
    """Drop what this process remembers of addresses."""
    token_requests.forget_everything()
    _failures.forget_everything()
