"""Every page and form for everybody: who gets an answer, who a reason, and who nothing at all."""

from collections.abc import Callable
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from django.urls import reverse

from accounts.web.urls import urlpatterns as accounts_urls
from repositories import deletion
from repositories.access import principal_of
from repositories.models import Upload
from repositories.storage import storage
from repositories.web.site_urls import urlpatterns as site_urls
from repositories.web.urls import urlpatterns as repository_urls
from tests.accounts.web.conftest import World
from tests.repositories.web.images import push

CAST = ("anonymous", "stranger", "reader", "writer", "maintainer", "owner", "admin")
# What each of the cast gets, in that order; 302 for anonymous is the sign-in page.
EVERYONE = (302, 200, 200, 200, 200, 200, 200)
MEMBERS = (302, 404, 200, 200, 200, 200, 200)
OWNERS = (302, 404, 403, 403, 403, 200, 200)
OWNERS_DO = (302, 404, 403, 403, 403, 302, 302)
MAINTAINERS = (302, 404, 403, 403, 200, 200, 200)
MAINTAINERS_DO = (302, 404, 403, 403, 302, 302, 302)
ADMINS = (302, 403, 403, 403, 403, 403, 200)
ADMINS_DO = (302, 403, 403, 403, 403, 403, 302)

Arguments = Callable[[World], dict[str, Any]]


class Row(NamedTuple):
    """One request, and the status that each of the cast gets."""

    name: str
    expected: tuple[int, ...]
    data: dict[str, str] | None = None  # a form that is sent; without one, a page that is opened
    arguments: Arguments = lambda _world: {}


def team(world: World) -> dict[str, Any]:
    return {"name": "payments"}


def member(world: World) -> dict[str, Any]:
    return {"name": "payments", "member": "writer"}


def robot(world: World) -> dict[str, Any]:
    return {"name": "payments", "robot_id": world.robot.pk}


def rule(world: World) -> dict[str, Any]:
    return {"name": "payments", "rule_id": world.rule.pk}


def invitation(world: World) -> dict[str, Any]:
    return {"name": "payments", "invitation_id": world.invitation_id}


def secret(world: World) -> dict[str, Any]:
    return {"secret": world.invitation_secret}


def guest(world: World) -> dict[str, Any]:
    return {"name": "guest"}


def repository(world: World) -> dict[str, Any]:
    return {"name": "payments/api"}


def a_layer(world: World) -> dict[str, Any]:
    return {"name": "payments/api", "digest": world.layer}


def files(world: World) -> dict[str, Any]:
    return {"name": "payments/api", "digest": world.image}


def an_image(world: World) -> dict[str, Any]:
    push(world, "v1", b"layer")
    return {"name": "payments/api", "reference": "v1"}


def grantee(world: World) -> dict[str, Any]:
    return {"name": "payments/api", "member": "guest"}


def upload(world: World) -> dict[str, Any]:
    row = Upload.objects.create(repository=world.repository, started_by="somebody")
    storage().create_upload(str(row.pk))
    return {"upload": row.pk}


def readers_token(world: World) -> dict[str, Any]:
    return {"token_id": world.token.pk}


def robots_token(world: World) -> dict[str, Any]:
    return {"token_id": world.robot_token.pk}


def a_digest(world: World) -> dict[str, Any]:
    pushed = push(world, "v1", b"layer")
    return {"name": "payments/api", "digest": str(pushed.digest)}


def a_deletion(world: World) -> dict[str, Any]:
    push(world, "v2", b"layer")
    owner = principal_of(world.users["owner"])
    done = deletion.delete(principal=owner, repository="payments/api", names=["v2"])
    return {"name": "payments/api", "deletion": done.deletion}


def a_deleted_repository(world: World) -> dict[str, Any]:
    push(world, "v1", b"layer", name="payments/gone")
    owner = principal_of(world.users["owner"])
    done = deletion.delete_repository(principal=owner, repository="payments/gone")
    return {"name": "payments", "deletion": done.deletion}


TOKEN = {"name": "t", "scopes": "payments/*:pull", "expires": "30"}
RULE = {
    "name": "gitlab",
    "issuer": "https://gitlab.com",
    "audience": "berth",
    "claims": "project_path=acme/api",
    "scopes": "payments/*:push",
}
RULES = {
    "form-TOTAL_FORMS": "1",
    "form-INITIAL_FORMS": "0",
    "form-0-rule": "newest",
    "form-0-count": "3",
}
SAVED = RULES | {
    "save": "yes",
    "previewed": '[{"rule": "newest", "count": 3, "pattern": "*"}]',
}
ROWS = [
    Row("sign-in", (200, 302, 302, 302, 302, 302, 302)),
    Row("sign-out", (302,) * 7, {}),
    Row("appearance", (302,) * 7, {"theme": "dark"}),
    Row("profile", EVERYONE),
    Row("profile", (302,) * 7, {"email": "a@example.com"}),
    Row("password", EVERYONE),
    Row("password", EVERYONE, {"old_password": "wrong", "new_password": "x", "repeated": "x"}),
    Row("sessions", EVERYONE),
    Row("sessions-end", (302,) * 7, {}),
    Row("tokens", EVERYONE),
    Row("token-create", EVERYONE),
    Row("token-create", EVERYONE, TOKEN),
    Row("token-revoke", (302, 404, 302, 404, 404, 404, 302), {}, readers_token),
    Row("token-revoke", (302, 404, 404, 404, 404, 302, 302), {}, robots_token),
    Row("invitation", EVERYONE, None, secret),
    Row("invitation", (302,) * 7, {}, secret),
    Row("teams", EVERYONE),
    Row("teams", (302,) * 7, {"name": "new-team"}),
    Row("team", MEMBERS, None, team),
    Row("members", MEMBERS, None, team),
    Row("members", OWNERS_DO, {"username": "guest", "role": "10"}, team),
    Row("member-role", OWNERS_DO, {"role": "30"}, member),
    Row("member-remove", OWNERS_DO, {}, member),
    Row("team-settings", MEMBERS, None, team),
    Row("team-settings", (302, 404, 403, 403, 403, 200, 200), {}, team),  # it has a repository
    Row("team-quota", (302, 404, 403, 403, 403, 403, 302), {"amount": "5", "unit": "GiB"}, team),
    Row("team-immutable-tags", OWNERS_DO, {"immutable_tags": "v*"}, team),
    Row("team-leave", (302, 404, 302, 302, 302, 302, 302), {}, team),
    Row("invitations", OWNERS, None, team),
    Row("invitations", OWNERS, {"role": "20"}, team),
    Row("invitation-withdraw", OWNERS_DO, {}, invitation),
    Row("robots", OWNERS, None, team),
    Row("robots", OWNERS_DO, {"name": "deploy", "description": ""}, team),
    Row("robot", OWNERS, None, robot),
    Row("robot", OWNERS, TOKEN, robot),
    Row("robot-switch", OWNERS_DO, {"active": "no"}, robot),
    Row("robot-delete", OWNERS_DO, {}, robot),
    Row("trust-rules", OWNERS, None, team),
    Row("trust-rules", OWNERS_DO, RULE, team),
    Row("trust-rule-switch", OWNERS_DO, {"active": "no"}, rule),
    Row("trust-rule-delete", OWNERS_DO, {}, rule),
    Row("manage-users", ADMINS),
    Row("manage-user-create", ADMINS),
    Row("manage-user-create", ADMINS_DO, {"username": "new"}),
    Row("manage-user", ADMINS, None, guest),
    Row("manage-user-switch", ADMINS_DO, {"active": "no"}, guest),
    Row("manage-user-reset-password", ADMINS, {}, guest),
    Row("manage-user-end-sessions", ADMINS_DO, {}, guest),
    Row("manage-user-remove-second-factor", ADMINS_DO, {}, guest),
    Row("manage-teams", ADMINS),
    Row("manage-tokens", ADMINS),
    Row("manage-read-only", ADMINS),
    Row("manage-read-only", ADMINS_DO, {"state": "on"}),
    Row("manage-keys", ADMINS),
    Row("manage-keys", ADMINS_DO, {"now": "yes"}),
    Row("manage-proxy", ADMINS),
    Row("manage-scrub", ADMINS),
    Row("manage-audit", ADMINS),
    Row("manage-audit-export", ADMINS),
    Row("repository", MEMBERS, None, repository),
    Row("repository-untagged", MEMBERS, None, repository),
    Row("repository-compare", (302, 404, 302, 302, 302, 302, 302), None, repository),
    Row("repository-tags-delete", (302, 404, 403, 403, 302, 302, 302), {"tag": "v1"}, repository),
    Row("repository-delete", MAINTAINERS, None, repository),
    Row("repository-delete", MAINTAINERS, {"name": "payments"}, repository),
    Row("repository-delete", MAINTAINERS_DO, {"name": "payments/api"}, repository),
    Row("repository-deleted", MAINTAINERS, None, repository),
    Row("repository-deletion", MAINTAINERS, None, a_deletion),
    Row("repository-deletion", MAINTAINERS_DO, {}, a_deletion),
    Row("team-deleted", MAINTAINERS, None, team),
    Row("team-deletion", MAINTAINERS, None, a_deleted_repository),
    Row("team-deletion", MAINTAINERS_DO, {}, a_deleted_repository),
    Row("image-delete", MAINTAINERS, None, a_digest),
    Row("image-delete", MAINTAINERS_DO, {}, a_digest),
    Row("image-rollback", (302, 404, 403, 302, 302, 302, 302), {"digest": "x"}, an_image),
    Row("image", MEMBERS, None, an_image),
    Row("image-referrers", MEMBERS, None, an_image),
    Row("image-history", MEMBERS, None, an_image),
    Row("image-manifest", MEMBERS, None, an_image),
    Row("image-manifest-raw", MEMBERS, None, an_image),
    Row("repository-description", MAINTAINERS_DO, {"description": "new"}, repository),
    Row("compare", EVERYONE),
    Row("search", EVERYONE),
    Row("activity", EVERYONE),
    Row("storage", EVERYONE),
    Row("upload-cancel", (302, 404, 404, 200, 200, 200, 200), None, upload),
    Row("upload-cancel", (302, 404, 404, 403, 302, 302, 302), {}, upload),
    Row("repository-activity", MEMBERS, None, repository),
    Row("repository-storage", MEMBERS, None, repository),
    Row("repository-settings", MAINTAINERS, None, repository),
    Row("repository-settings", MAINTAINERS_DO, {"visibility": "public"}, repository),
    Row("repository-retention", MAINTAINERS, None, repository),
    Row("repository-retention", MAINTAINERS, RULES, repository),
    Row("repository-retention", MAINTAINERS_DO, SAVED, repository),
    Row("team-retention", OWNERS, None, team),
    Row("team-retention", OWNERS, RULES, team),
    Row("team-retention", OWNERS_DO, SAVED, team),
    Row("repository-grant", MAINTAINERS_DO, {"username": "stranger", "role": "20"}, repository),
    Row("repository-immutable-tags", MAINTAINERS_DO, {"immutable_tags": "v*"}, repository),
    Row("repository-archive", MAINTAINERS_DO, {"archived": "yes"}, repository),
    Row(
        "repository-quota",
        (302, 404, 403, 403, 403, 302, 302),
        {"amount": "", "unit": "GiB"},
        repository,
    ),
    Row("repository-layer", MEMBERS, None, a_layer),
    Row("repository-files", MEMBERS, None, files),
    Row("repository-grant-withdraw", MAINTAINERS_DO, {}, grantee),
]


def cells() -> list[Any]:
    return [
        pytest.param(row, who, status, id=f"{row.name}{'' if row.data is None else '!'}-{who}")
        for row in ROWS
        for who, status in zip(CAST, row.expected, strict=True)
    ]


@pytest.mark.parametrize(("row", "who", "expected"), cells())
def test_everybody_gets_what_is_theirs(world: World, row: Row, who: str, expected: int) -> None:
    address = reverse(row.name, kwargs=row.arguments(world))
    client = world.client(who)
    answer = client.get(address) if row.data is None else client.post(address, row.data)
    assert answer.status_code == expected, answer.content.decode()[:2000]
    if who == "anonymous" and row.name not in ("sign-in", "sign-out", "appearance"):
        assert answer.headers["Location"].startswith(reverse("sign-in"))


def test_every_address_has_a_row() -> None:
    names = {pattern.name for pattern in [*accounts_urls, *site_urls, *repository_urls]}
    assert names == {row.name for row in ROWS}


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.data is not None], ids=lambda row: row.name
)
def test_forms_need_their_token(world: World, row: Row) -> None:
    client = world.client("owner")
    client.handler.enforce_csrf_checks = True
    answer = client.post(reverse(row.name, kwargs=row.arguments(world)), row.data)
    assert answer.status_code == 403
    assert "reload the page" in answer.content.decode()


HIDDEN = [row for row in ROWS if row.data is None and row.expected[1] == 404]


@pytest.mark.parametrize("row", HIDDEN, ids=lambda row: row.name)
def test_what_is_not_there_looks_like_what_is_hidden(world: World, row: Row) -> None:
    there = row.arguments(world)
    nowhere = {name: _nowhere(name, value) for name, value in there.items()}
    client = world.client("stranger")
    hidden = client.get(reverse(row.name, kwargs=there))
    missing = client.get(reverse(row.name, kwargs=nowhere))
    assert hidden.status_code == missing.status_code == 404
    # The address itself is in the page's form for light and dark, as is that form's own token.
    assert _plain(hidden.content) == _plain(missing.content)


def _nowhere(name: str, value: Any) -> Any:
    if name == "upload":
        return UUID(int=1)
    if name != "name":
        return value
    return "nowhere/api" if "/" in value else "nowhere"


def _plain(content: bytes) -> str:
    lines = content.decode().splitlines()
    return "\n".join(line for line in lines if 'type="hidden"' not in line)
