"""What runs out is removed, and what has not is kept."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts import audit, throttle, tokens
from accounts.models import (
    AccessToken,
    AuditEvent,
    BrowserSession,
    Invitation,
    Robot,
    SignInFailure,
    Team,
    User,
)
from repositories import jobs
from repositories.models import Job

NOW = timezone.now()
LONG_AGO, SOON = NOW - timedelta(days=400), NOW + timedelta(days=1)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create(username="alice")


def test_old_events_go_and_young_ones_stay(db: None, settings: Settings) -> None:
    settings.AUDIT_RETENTION = 365 * 24 * 3600.0
    AuditEvent.objects.bulk_create(
        AuditEvent(action="test", actor=str(number), at=NOW - timedelta(days=number))
        for number in range(360, 370)
    )
    assert jobs.purge_audit_log() == "5 events removed"
    kept = AuditEvent.objects.order_by("-at").values_list("actor", flat=True)
    assert list(kept) == ["360", "361", "362", "363", "364"]


def test_many_events_are_removed_in_pieces(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("accounts.audit._PIECE", 3)
    AuditEvent.objects.bulk_create(AuditEvent(action="test", at=LONG_AGO) for _ in range(10))
    assert audit.purge(age=timedelta(days=1)) == 10
    assert not AuditEvent.objects.exists()


def test_without_a_retention_the_log_is_kept_for_ever(db: None, settings: Settings) -> None:
    settings.AUDIT_RETENTION = 0.0
    assert "purge-audit-log" not in {work.name for work in jobs.periodic()}
    settings.AUDIT_RETENTION = 1.0
    assert "purge-audit-log" in {work.name for work in jobs.periodic()}


def test_only_expired_logins_are_removed(alice: User, team: Team) -> None:
    robot = Robot.objects.create(team=team, name="robot-payments-ci")
    session = AccessToken.Kind.SESSION
    tokens.create(owner=alice, name="old login", kind=session, expires_at=LONG_AGO)
    tokens.create(owner=alice, name="login", kind=session, expires_at=SOON)
    tokens.create(owner=alice, name="old token", expires_at=LONG_AGO)
    tokens.create(owner=robot, name="old robot's", expires_at=LONG_AGO)
    tokens.create(owner=robot, name="for ever")
    assert "1 logins" in jobs.purge_accounts()
    kept = AccessToken.objects.values_list("name", flat=True)
    assert set(kept) == {"login", "old token", "old robot's", "for ever"}


def test_invitations_that_nobody_can_use_are_removed(alice: User, team: Team) -> None:
    for number, (expires, used) in enumerate(((LONG_AGO, None), (SOON, NOW), (SOON, None))):
        Invitation.objects.create(
            team=team,
            role=10,
            secret_hash=bytes([number]) * 32,
            created_by=alice,
            expires_at=expires,
            used_at=used,
        )
    assert "2 invitations" in jobs.purge_accounts()
    assert bytes(Invitation.objects.get().secret_hash) == bytes([2]) * 32


def test_sessions_and_counts_of_failures_that_are_over_are_removed(alice: User) -> None:
    for key, moment in (("old", LONG_AGO), ("new", SOON)):
        BrowserSession.objects.create(session_key=key, session_data="", expire_date=moment)
    for account in ("old", "new"):
        throttle.failed(account=account, address="192.0.2.1")
    SignInFailure.objects.filter(pk=SignInFailure.objects.latest("pk").pk).update(last_at=LONG_AGO)
    assert "1 failure counts" in jobs.purge_accounts()
    assert BrowserSession.objects.get().session_key == "new"
    assert SignInFailure.objects.count() == 1


def test_the_work_is_among_what_the_loop_runs(db: None) -> None:
    assert jobs.run_due() == len(jobs.periodic())
    assert not Job.objects.exclude(error="").exists()
    names = set(Job.objects.values_list("name", flat=True))
    assert {"purge-accounts", "purge-audit-log"} <= names
