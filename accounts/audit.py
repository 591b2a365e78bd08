"""The audit log: written where things happen, read by administrators.

Never a secret: credentials are named by their kind and hint. Who reads it is decided in the pages
and the API, both by administrators only.
"""

import json
from datetime import timedelta

from django.utils import timezone

from accounts.models import AuditEvent
from repositories import database

_PIECE = 1000


def record(
    action: str,
    *,
    actor: str,
    target: str = "",
    address: str = "",
    credential: str = "",
    detail: dict[str, object] | None = None,
    outcome: AuditEvent.Outcome = AuditEvent.Outcome.DONE,
) -> None:
    """Write down that `actor` did `action` to `target`."""
    database.insert_later(
        "accounts_auditevent",
        [
            {
                "at": database.now(),
                "action": action,
                "actor": _clean(actor, 128),
                "target": _clean(target, 400),
                "address": address or None,
                "credential": _clean(credential, 120),
                "detail": json.dumps(detail or {}),
                "outcome": outcome.value,
            }
        ],
    )


def denied(
    action: str, *, actor: str, target: str = "", address: str = "", credential: str = ""
) -> None:
    """Write down that somebody was refused."""
    record(
        action,
        actor=actor,
        target=target,
        address=address,
        credential=credential,
        outcome=AuditEvent.Outcome.DENIED,
    )


def purge(*, age: timedelta) -> int:
    """Remove events older than `age`; how many. In pieces: nobody should wait for the whole."""
    old = AuditEvent.objects.filter(at__lt=timezone.now() - age).order_by("at")
    count = 0
    while piece := list(old.values_list("pk", flat=True)[:_PIECE]):
        count += AuditEvent.objects.filter(pk__in=piece).delete()[0]
    return count


def _clean(text: str, most: int) -> str:
    """PostgreSQL takes no NUL in a text; and a log is read by people."""
    if text.isprintable():
        return text[:most]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)[:most]
