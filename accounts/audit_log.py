"""The audit log as administrators read it. `accounts/audit.py` writes it."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BooleanField, QuerySet
from django.db.models.expressions import RawSQL

from accounts.models import AuditEvent
from accounts.people import record
from accounts.permissions import require_admin
from repositories.access import Principal
from repositories.database import fetch

# Events that match, beyond which their ids are too many to write into a query.
_FEW = 1_000
_LAST = "\U0010ffff"
_IS_DENIED = RawSQL("accounts_auditevent.outcome = 'denied'", [], BooleanField())
_ACTIONS = """
WITH RECURSIVE known(action) AS (
    SELECT MIN(action) FROM accounts_auditevent
  UNION ALL
    SELECT (SELECT MIN(action) FROM accounts_auditevent WHERE action > known.action)
    FROM known WHERE known.action IS NOT NULL
)
SELECT action FROM known
"""


def events(
    *,
    principal: Principal,
    actor: str = "",
    action: str = "",
    target: str = "",
    outcome: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> QuerySet[AuditEvent]:
    """The events that match, the newest first. Administrators only. Raises PermissionDenied.

    `actor` is a whole name; `action` a whole one, or a kind such as `team.`; `target` the beginning
    of one; `until` is excluded.
    """
    require_admin(principal)
    found = AuditEvent.objects.order_by("-pk")
    if actor:
        found = found.filter(actor=actor)
    if action.endswith("."):
        found = found.filter(action__in=_actions(action))
    elif action:
        found = found.filter(action=action)
    if target:
        found = found.filter(_beginning_with(target))
    if outcome == AuditEvent.Outcome.DENIED:
        # Written out: a database that does not know the value does not take the index of these.
        found = found.filter(_IS_DENIED)
    elif outcome:
        found = found.filter(outcome=outcome)
    if since:
        found = found.filter(at__gte=since)
    if until:
        found = found.filter(at__lt=until)
    is_ordered = not (action.endswith(".") or target or since or until)
    return found if is_ordered else _by_ids_if_few(found)


def _beginning_with(target: str) -> RawSQL:
    """As a range of the index, by bytes: `LIKE` of a value is none for SQLite."""
    at_least, below = ("~>=~", "~<~") if connection.vendor == "postgresql" else (">=", "<")
    column = "accounts_auditevent.target"
    sql = f"{column} {at_least} %s AND {column} {below} %s"
    return RawSQL(sql, [target, target + _LAST], BooleanField())  # noqa: S611


def _by_ids_if_few(found: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
    """The same events, given by their ids if they are few.

    No index has them in the order of the list. Of very many there is soon a page.
    """
    ids = list(found.order_by().values_list("pk", flat=True)[: _FEW + 1])
    return found if len(ids) > _FEW else AuditEvent.objects.filter(pk__in=ids).order_by("-pk")


def _actions(kind: str) -> list[str]:
    """The actions of a kind that there are events of: the index is skipped through for them."""
    return [action for (action,) in fetch(_ACTIONS, []) if action and action.startswith(kind)]


def as_json(event: AuditEvent) -> dict[str, Any]:
    """An event as the export and the API give it."""
    return {
        "id": event.pk,
        "at": event.at.isoformat().replace("+00:00", "Z"),
        "actor": event.actor,
        "action": event.action,
        "target": event.target,
        "outcome": event.outcome,
        "address": event.address,
        "credential": event.credential,
        "detail": event.detail,
    }


def export(*, principal: Principal, found: QuerySet[AuditEvent]) -> Iterator[str]:
    """The events as JSON lines, read a piece at a time. Administrators only."""
    require_admin(principal)
    record(principal, "audit.export", "")
    return (json.dumps(as_json(event), ensure_ascii=False) + "\n" for event in _in_pieces(found))


def _in_pieces(found: QuerySet[AuditEvent], size: int = 1000) -> Iterator[AuditEvent]:
    """By id, in short queries: no cursor stays open while a client reads slowly."""
    last: int | None = None
    while True:
        rest = found if last is None else found.filter(pk__lt=last)
        piece = list(rest[:size])
        yield from piece
        if len(piece) < size:
            return
        last = piece[-1].pk
