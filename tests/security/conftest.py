"""The cast, and two teams' repositories for them to be kept out of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import pytest
from django.test import override_settings
from pytest_django import DjangoDbBlocker, Settings

from accounts import tokens
from accounts.models import AccessToken, Membership, Robot, Team, User
from repositories import manifests, uploads
from repositories.access import Principal, principal_of
from repositories.models import Repository
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.scopes import TokenScope
from tests.security.client import basic, encode_image
from tests.shared_rows import SharedRows, shared_rows

OWN, FOREIGN = "payments", "research"
APP, PRIVATE = f"{OWN}/app", f"{FOREIGN}/unannounced"
CONFIG = b"{}"
ROLES = {
    "reader": Membership.Role.READER,
    "writer": Membership.Role.WRITER,
    "maintainer": Membership.Role.MAINTAINER,
    "owner": Membership.Role.OWNER,
}


@dataclass(frozen=True, slots=True)
class Pushed:
    """An image in a private repository."""

    repository: str
    layer: Digest
    manifest: Digest
    tag: str = "1"


@dataclass(slots=True)
class World:
    """Who there is, how each signs in, and what the two teams have pushed."""

    own: Pushed
    foreign: Pushed
    people: Mapping[str, User]
    robot: Robot
    headers: dict[str, str | None] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)

    def by(self, name: str) -> str | None:
        """The Authorization header of one of the cast."""
        return self.headers[name]


# The real hash takes a quarter of a second, by design.
FAST = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(autouse=True)
def _fast_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = FAST


@pytest.fixture(autouse=True)
def _one_connection(one_connection: None) -> None:
    pass


@pytest.fixture(scope="module")
def shared_world(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedRows[World]]:
    files = tmp_path_factory.mktemp("world")
    make = override_settings(PASSWORD_HASHERS=FAST)(make_world)
    with shared_rows(make, files=files, blocker=django_db_blocker) as shared:
        yield shared


@pytest.fixture
def world(shared_world: SharedRows[World], db: None) -> World:
    return shared_world.for_test()


def make_world() -> World:
    """Two teams; everybody of the cast who is in one is in the first."""
    admin = User.objects.create_superuser("admin", password="admin-password")
    teams = {name: Team.objects.create(name=name) for name in (OWN, FOREIGN)}
    own, foreign = (push(principal_of(admin), name) for name in (APP, PRIVATE))
    people = {name: User.objects.create_user(name, password=f"{name}-password") for name in ROLES}
    for name, role in ROLES.items():
        Membership.objects.create(team=teams[OWN], user=people[name], role=role)
    people["admin"] = admin
    people["stranger"] = User.objects.create_user("stranger", password="stranger-password")
    robot = Robot.objects.create(team=teams[OWN], name="robot-payments-ci")
    world = World(own, foreign, people, robot)
    world.headers = {name: basic(name, f"{name}-password") for name in people}
    world.headers["anonymous"] = None
    scoped = [TokenScope.parse(f"{OWN}/*:pull,push"), TokenScope.parse(f"{FOREIGN}/*:pull,push")]
    for who, owner, scopes in (("robot", robot, ()), ("scoped", people["owner"], scoped)):
        token, secret = tokens.create(owner=owner, name=who, scopes=scopes)
        world.tokens[who], world.secrets[who] = token, secret
        world.headers[who] = basic(token.owner_name, secret)
    return world


def push(principal: Principal, repository: str, *, tag: str = "1") -> Pushed:
    """Push an image whose layer no other repository has."""
    layer = f"the only layer of {repository}".encode()
    for content in (CONFIG, layer):
        uploads.push_whole(
            principal=principal,
            repository=repository,
            digest=Digest.of(content),
            content=[content],
        )
    pushed = manifests.push(
        principal=principal,
        repository=repository,
        digest=None,
        names=[tag],
        payload=encode_image(CONFIG, layer),
        content_type=media_types.OCI_MANIFEST,
    )
    return Pushed(repository, Digest.of(layer), pushed.digest, tag)


@pytest.fixture
def public(world: World) -> str:
    """The own team's repository, opened to everybody."""
    Repository.objects.filter(name=APP).update(visibility="public")
    return APP
