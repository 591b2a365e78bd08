"""What principals do to repositories, for the audit log."""

from accounts import audit
from repositories.access import Principal


def record(principal: Principal, action: str, target: str, **detail: object) -> None:
    """Write down that `principal` did `action` to `target`. Inside the transaction that does it."""
    audit.record(
        action,
        actor=principal.name,
        target=target,
        address=principal.address,
        credential=principal.credential,
        detail=detail,
    )
