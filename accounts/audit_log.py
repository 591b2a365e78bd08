"""The audit log as administrators read it. `accounts/audit.py` writes it."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from accounts.models import AuditEvent
from accounts.people import record
from accounts.permissions import require_admin
from repositories.access import Principal


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
    if action:
        is_kind = action.endswith(".")
        found = found.filter(**{"action__startswith" if is_kind else "action": action})
    if target:
        found = found.filter(target__startswith=target)
    if outcome:
        found = found.filter(outcome=outcome)
    if since:
        found = found.filter(at__gte=since)
    if until:
        found = found.filter(at__lt=until)
    return found


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
