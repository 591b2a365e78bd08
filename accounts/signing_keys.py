"""The token service's keys as administrators manage them. `accounts/signing.py` uses them."""

from django.db import transaction
from django.db.models import QuerySet

from accounts import signing
from accounts.models import SigningKey
from accounts.people import record
from accounts.permissions import require_admin
from repositories.access import Principal


def signing_keys(*, principal: Principal) -> QuerySet[SigningKey]:
    """All keys, the newest first. Administrators only. Raises PermissionDenied."""
    require_admin(principal)
    return SigningKey.objects.order_by("-pk")


def rotate(*, principal: Principal, now: bool = False) -> SigningKey:
    """Make a new key, which signs from here on. Administrators only. Raises PermissionDenied.

    With `now` the others are distrusted at once, and with them every bearer token that is out;
    other processes notice within a minute.
    """
    require_admin(principal)
    with transaction.atomic():
        key = signing.rotate(now=now)
        record(principal, "key.rotate", key.kid, now=now)
    if now:
        signing.forget_everything()
    return key
