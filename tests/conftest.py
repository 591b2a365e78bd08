"""What every test has: storage of its own, and the cast of people."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import override_settings

from accounts import authentication, signing, throttle
from accounts.models import Membership, Team, User
from repositories import configs, database, hosts, memory, presence, pulls, reviews
from repositories.access import ANONYMOUS, Principal, principal_of
from repositories.storage import storage
from repositories.storage.base import Storage
from tests import forgetting


@pytest.fixture(autouse=True)
def blob_storage(tmp_path: Path) -> Iterator[Storage]:
    """An empty storage for each test."""
    with override_settings(
        BLOB_STORAGE={
            **django_settings.BLOB_STORAGE,
            "OPTIONS": {"root": tmp_path / "storage"},
        }
    ):
        yield storage()


@pytest.fixture(scope="session", autouse=True)
def _pulls_wait() -> Iterator[None]:
    """A thread that writes counts of its own accord has no business in a test's transaction."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pulls, "FLUSH_SECONDS", 86_400.0)
        yield
    pulls.forget_everything()  # or the end of the process would write them


@pytest.fixture(autouse=True)
def _nothing_remembered() -> None:
    """What this process keeps of keys, passwords, callers and pulls would outlive its rows."""
    pulls.forget_everything()
    signing.forget_everything()
    authentication.forget_everything()
    throttle.forget_everything()
    configs.forget_everything()
    hosts.forget_everything()
    memory.forget_everything()
    presence.forget_everything()
    reviews.forget_policies()


@pytest.fixture(autouse=True)
def unannounced() -> Iterator[list[str]]:
    """Changes that our code made in the test and that remembered answers do not know of: none."""
    with forgetting.watch() as changes:
        yield changes
    assert not changes, "call memory.forget_on_commit in the same transaction:\n" + "\n".join(
        changes
    )


@pytest.fixture
def one_connection(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside of a test's transaction the connection stays, as with Django's own test client.

    For tests that call the endpoints themselves; a package of them asks for it in its conftest.
    """
    marker = request.node.get_closest_marker("django_db")
    if marker is None or not marker.kwargs.get("transaction"):
        monkeypatch.setattr(database, "refresh", lambda: None)


@pytest.fixture
def team(db: None) -> Team:
    """The team that owns what the tests push."""
    return Team.objects.create(name="payments")


def _member(team: Team, name: str, role: Membership.Role) -> Principal:
    user = User.objects.create_user(name, password=f"{name}-password")
    Membership.objects.create(team=team, user=user, role=role)
    return principal_of(user)


@pytest.fixture
def reader(team: Team) -> Principal:
    return _member(team, "reader", Membership.Role.READER)


@pytest.fixture
def writer(team: Team) -> Principal:
    return _member(team, "writer", Membership.Role.WRITER)


@pytest.fixture
def maintainer(team: Team) -> Principal:
    return _member(team, "maintainer", Membership.Role.MAINTAINER)


@pytest.fixture
def owner(team: Team) -> Principal:
    return _member(team, "owner", Membership.Role.OWNER)


@pytest.fixture
def stranger(db: None) -> Principal:
    """Signed in, and in no team."""
    return principal_of(User.objects.create_user("stranger", password="stranger-password"))


@pytest.fixture
def administrator(db: None) -> Principal:
    return principal_of(User.objects.create_superuser("root", password="root-password"))


@pytest.fixture
def nobody() -> Principal:
    """Not signed in."""
    return ANONYMOUS
