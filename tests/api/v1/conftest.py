"""The cast, and a small world with a team of their own and a foreign one."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts import tokens
from accounts.models import AuditEvent, Invitation, Membership, Robot, Team, TrustRule, User
from repositories import deletion
from repositories.access import principal_of
from repositories.models import Deletion, Repository, RepositoryGrant, TagChange, Upload
from repositories.oci.digests import Digest
from repositories.oci.scopes import TokenScope
from repositories.storage import storage
from tests.repositories.content import push_image
from tests.repositories.layers.archives import layer
from tests.shared_rows import SharedRows, shared_rows

ROOT = "/api/v1/"
LAYER = layer({"etc/passwd": b"root", "etc/hosts": b"", "bin/sh": "dash"})
CAST = (
    "anonymous",
    "stranger",
    "reader",
    "writer",
    "maintainer",
    "owner",
    "robot",
    "scoped",
    "admin",
)


# One for all: each new one would look up every static file there is.
_client = Client(enforce_csrf_checks=True)


@dataclass(frozen=True)
class Caller:
    """Somebody with a token, or nobody."""

    name: str
    secret: str = ""

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """The answer to a request for a path below `/api/v1/`."""
        headers = {"Host": "registry.example.com"} | headers
        if self.secret:
            headers = {"Authorization": f"Bearer {self.secret}"} | headers
        content = b"" if body is None else json.dumps(body).encode()
        _client.cookies.clear()
        return _client.generic(
            method, ROOT + path, content, "application/json", headers=dict(headers)
        )

    def get(self, path: str, **headers: str) -> Any:
        return self.call("GET", path, **headers)

    def post(self, path: str, body: object = None, **headers: str) -> Any:
        return self.call("POST", path, body, **headers)


Cast = Mapping[str, Caller]


class World:
    """A team `payments` with one member for each role, and `vault`, in which none of them is."""

    def __init__(self) -> None:
        self.payments = Team.objects.create(name="payments")
        self.vault = Team.objects.create(name="vault")
        self.users = {name: _user(name) for name in ("stranger", "guest", "keeper")}
        for role in Membership.Role:
            user = self.users[role.name.lower()] = _user(role.name.lower())
            Membership.objects.create(team=self.payments, user=user, role=role)
        self.users["admin"] = User.objects.create_superuser("admin")
        keeper = self.users["keeper"]
        Membership.objects.create(team=self.vault, user=keeper, role=Membership.Role.OWNER)
        self.ids = {
            team.name: self._furnish(team, owner)
            for team, owner in ((self.payments, self.users["owner"]), (self.vault, keeper))
        }
        # What was there before a test begins is no news in it.
        AuditEvent.objects.all().delete()
        TagChange.objects.all().delete()

    def _furnish(self, team: Team, owner: User) -> dict[str, Any]:
        robot = Robot.objects.create(team=team, name=f"robot-{team.name}-ci")
        token, secret = tokens.create(owner=robot, name="ci")
        rule = TrustRule.objects.create(
            name=f"{team.name}-ci",
            team=team,
            issuer="https://gitlab.com",
            audience="berth",
            claims={"sub": "x"},
            scopes=f"{team.name}/*:push",
        )
        invitation = Invitation.objects.create(
            team=team,
            role=Membership.Role.READER,
            secret_hash=tokens.hash_secret(f"{team.name}-secret"),
            created_by=owner,
            expires_at=timezone.now() + timedelta(days=1),
        )
        repository = Repository.objects.create(name=f"{team.name}/app", team=team)
        RepositoryGrant.objects.create(
            repository=repository, user=self.users["guest"], role=Membership.Role.READER
        )
        image = push_image(principal_of(owner), LAYER, repository=repository.name, tags=["v1"])
        self._delete(owner, repository)
        upload = Upload.objects.create(repository=repository, started_by="somebody")
        storage().create_upload(str(upload.pk))
        return {
            "team": team.name,
            "member": "reader" if team.name == "payments" else "keeper",
            "robot": robot.name,
            "robot_secret": secret,
            "token": token.pk,
            "rule": rule.pk,
            "invitation": invitation.pk,
            "secret": f"{team.name}-secret",
            "digest": str(image.digest),
            "layer": str(Digest.of(LAYER)),
            "image": str(image.digest),
            "upload": upload.pk,
            "deletion": Deletion.objects.get(repository=repository).pk,
            "gone": Deletion.objects.get(kind="repository", team=team).pk,
        }

    def _delete(self, owner: User, repository: Repository) -> None:
        """A tag and a repository that can be brought back."""
        principal = principal_of(owner)
        gone = f"{repository.name}-gone"
        for name in (repository.name, gone):
            push_image(principal, LAYER, repository=name, tags=["deleted"])
        deletion.delete_tags(principal=principal, repository=repository.name, names=["deleted"])
        deletion.delete_repository(principal=principal, repository=gone)


def _user(name: str) -> User:
    """Without a password: nobody here waits for a slow hash."""
    return User.objects.create_user(name)


@pytest.fixture(scope="module")
def shared_world(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedRows[World]]:
    files = tmp_path_factory.mktemp("world")
    with shared_rows(World, files=files, blocker=django_db_blocker) as shared:
        yield shared


@pytest.fixture
def world(shared_world: SharedRows[World], db: None) -> World:
    return shared_world.for_test()


@pytest.fixture
def cast(world: World) -> Cast:
    """Everybody who might call; `scoped` is the owner's token with scopes."""
    users = world.users
    found = {
        name: Caller(name, tokens.create(owner=users[name], name="all")[1])
        for name in ("stranger", "reader", "writer", "maintainer", "owner", "admin")
    }
    scopes = [TokenScope.parse("*:pull,push,delete")]
    found["scoped"] = Caller(
        "scoped", tokens.create(owner=users["owner"], name="some", scopes=scopes)[1]
    )
    found["robot"] = Caller("robot", world.ids["payments"]["robot_secret"])
    found["anonymous"] = Caller("anonymous")
    return found


def problem(response: Any) -> dict[str, Any]:
    """The problem details of an answer, checked for their form (RFC 9457)."""
    assert response["Content-Type"] == "application/problem+json", response.content
    content: dict[str, Any] = json.loads(response.content)
    assert {"type", "title", "status", "detail"} <= content.keys()
    assert content["status"] == response.status_code
    return content
