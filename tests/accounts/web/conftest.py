"""A small world with one of everything that the pages show, and a browser for each of the cast."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoDbBlocker

from accounts import signing, teams, tokens, trust_rules
from accounts.models import AccessToken, Membership, Robot, Team, TrustRule, User
from repositories.access import principal_of
from repositories.models import Repository, RepositoryGrant
from repositories.oci.digests import Digest
from repositories.oci.scopes import parse_token_scopes
from tests.repositories.content import push_image
from tests.repositories.layers.archives import layer
from tests.shared_rows import SharedRows, shared_rows

Role = Membership.Role
LAYER = layer({"etc/passwd": b"root", "etc/hosts": b"", "bin/sh": "dash"})
PASSWORD = "correct horse battery staple"


@dataclass
class World:
    """`users` by what they are in the team `payments`; `strangers` have nothing to do with it."""

    team: Team
    users: dict[str, User]
    robot: Robot
    robot_token: AccessToken
    token: AccessToken  # the reader's
    login: AccessToken  # the reader's
    rule: TrustRule
    invitation_id: int
    invitation_secret: str
    repository: Repository
    layer: str
    image: str
    clients: dict[str, Client] = field(default_factory=dict)

    def client(self, who: str) -> Client:
        """A browser in which `who` has signed in; nobody, for `anonymous`."""
        client = Client()
        if who != "anonymous":
            client.force_login(self.users[who])
        return client


def _user(name: str, *, is_admin: bool = False) -> User:
    # Unusable: hashing a password for each of the cast in each test would take most of the time.
    user = User(username=name, is_superuser=is_admin, is_staff=is_admin)
    user.set_unusable_password()
    user.save()
    return user


@pytest.fixture(scope="module")
def shared_world(
    django_db_setup: None,
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[SharedRows[World]]:
    files = tmp_path_factory.mktemp("world")
    with shared_rows(make_world, files=files, blocker=django_db_blocker) as shared:
        yield shared


@pytest.fixture
def world(shared_world: SharedRows[World], db: None) -> World:
    return shared_world.for_test()


def make_world() -> World:
    """The world, in whatever database there is: the browser's tests fill a server's with it."""
    users = {name: _user(name) for name in ("stranger", "guest", "reader", "writer", "maintainer")}
    users["owner"] = _user("owner")
    users["admin"] = _user("admin", is_admin=True)
    team = Team.objects.create(name="payments")
    for role in Role:
        Membership.objects.create(team=team, user=users[role.label.lower()], role=role)
    owner = principal_of(users["owner"])
    robot = teams.create_robot(principal=owner, team="payments", name="ci")
    in_a_month = timezone.now() + timedelta(days=30)
    scopes = parse_token_scopes("payments/*:pull,push")
    robot_token, _ = tokens.create(owner=robot, name="build", scopes=scopes)
    token, _ = tokens.create(owner=users["reader"], name="laptop", expires_at=in_a_month)
    login, _ = tokens.create(
        owner=users["reader"], name="docker login", kind=AccessToken.Kind.SESSION
    )
    invitation, secret = teams.invite(principal=owner, team="payments", role=Role.WRITER)
    rule = trust_rules.create_trust_rule(
        principal=owner,
        team="payments",
        name="github",
        issuer="https://token.actions.githubusercontent.com",
        audience="https://registry.example.com",
        claims={"repository": "acme/payments"},
        scopes=scopes,
    )
    repository = Repository.objects.create(name="payments/api", team=team)
    RepositoryGrant.objects.create(repository=repository, user=users["guest"], role=Role.READER)
    image = push_image(owner, LAYER, repository=repository.name)
    signing.rotate()
    return World(
        team=team,
        users=users,
        robot=robot,
        robot_token=robot_token,
        token=token,
        login=login,
        rule=rule,
        invitation_id=invitation.pk,
        invitation_secret=secret,
        repository=repository,
        layer=str(Digest.of(LAYER)),
        image=str(image.digest),
    )
