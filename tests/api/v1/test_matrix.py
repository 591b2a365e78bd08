"""Who may do what at each address: generated from the URLconf, so that none is forgotten."""

import re
import uuid
from typing import NamedTuple

import pytest
from django.conf import settings
from django.db import transaction
from django.test import override_settings
from django.urls import URLPattern

from api.v1.endpoint import Endpoint
from api.v1.urls import urlpatterns
from repositories.layers import merged
from repositories.layers.merged import Image
from repositories.oci.digests import Digest
from repositories.oci.manifests import Descriptor
from tests.api.v1.conftest import CAST, LAYER, Cast, World
from tests.oci.documents import LAYER_TYPE, encode, image
from tests.repositories.layers.conftest import put

ROLE = {"role": "writer"}
RULE = {
    "name": "new",
    "issuer": "https://gitlab.com",
    "audience": "berth",
    "claims": {"sub": "project_path:a/b"},
    "scopes": ["{team}/*:push"],
}
RULES = {"rules": [{"rule": "newest", "count": 3}]}
ONLY_LAYER, ONLY_IMAGE = str(Digest.of(LAYER)), str(Digest.of(encode(image(LAYER))))
MISSING = {
    "layer": ONLY_LAYER,
    "image": ONLY_IMAGE,
    "team": "nowhere",
    "member": "reader",
    "robot": "robot-nowhere-ci",
    "token": 999_999,
    "rule": 999_999,
    "invitation": 999_999,
    "secret": "nowhere-secret",
    "digest": "sha256:" + 64 * "0",
    "upload": uuid.UUID(int=1),
    "deletion": 999_999,
    "gone": 999_999,
}


class Row(NamedTuple):
    """An operation: the statuses for CAST in their own team, and in a foreign one.

    `foreign` is empty where there is no such difference.
    """

    path: str
    body: object
    own: str
    foreign: str = ""


EVERYBODY = "200 200 200 200 200 200 200 200 200"
SIGNED_IN = "401 200 200 200 200 200 200 200 200"
# Robots and tokens with scopes manage nothing: they are told so, whatever there is.
USERS = "401 {0} {0} {0} {0} {0} 403 403 {0}"
ADMINS = "401 403 403 403 403 403 403 403 {0}"
OWNERS = "401 404 403 403 403 {0} 403 403 {0}"
MAINTAINERS = "401 404 403 403 {0} {0} 403 403 {0}"
MEMBERS = "401 404 {0} {0} {0} {0} 403 403 {0}"
FOREIGN = "401 404 404 404 404 404 403 403 {0}"


def _of_owners(path: str, ok: int, body: object = None) -> Row:
    return Row(path, body, OWNERS.format(ok), FOREIGN.format(ok))


def _of_maintainers(path: str, ok: int, body: object = None) -> Row:
    return Row(path, body, MAINTAINERS.format(ok), FOREIGN.format(ok))


def _of_readers(path: str) -> Row:
    return Row(
        path,
        None,
        "401 404 200 200 200 200 200 200 200",
        "401 404 404 404 404 404 404 404 200",
    )


def _of_deleters(path: str, body: object = None) -> Row:
    """Robots and tokens that may delete are among them."""
    return Row(
        f"repositories/{{team}}/app/-/{path}",
        body,
        "401 404 403 403 200 200 200 200 200",
        "401 404 404 404 404 404 404 404 200",
    )


ROWS = {
    ("root", "GET"): Row("", None, "302 302 302 302 302 302 302 302 302"),
    ("schema", "GET"): Row("schema/", None, EVERYBODY),
    ("docs", "GET"): Row("docs/", None, EVERYBODY),
    ("no-such-address", "GET"): Row("nothing", None, "404 404 404 404 404 404 404 404 404"),
    ("me", "GET"): Row("me", None, SIGNED_IN),
    ("me", "PATCH"): Row("me", {"email": "me@example.com"}, USERS.format(200)),
    ("my-password", "POST"): Row(
        "me/password", {"old_password": "x", "new_password": "y"}, USERS.format(400)
    ),
    ("my-sessions", "DELETE"): Row("me/sessions", None, USERS.format(200)),
    ("my-second-factor", "GET"): Row("me/second-factor", None, USERS.format(200)),
    # Nobody of the cast has a password, so none is asked for.
    ("my-second-factor-setup", "POST"): Row("me/second-factor/setup", {}, USERS.format(200)),
    ("my-second-factor", "POST"): Row(
        "me/second-factor", {"setup": "x", "code": "000000"}, USERS.format(400)
    ),
    ("my-recovery-codes", "POST"): Row("me/second-factor/recovery-codes", {}, USERS.format(400)),
    ("my-second-factor-removal", "POST"): Row("me/second-factor/remove", {}, USERS.format(400)),
    ("users", "GET"): Row("users", None, ADMINS.format(200)),
    ("users", "POST"): Row("users", {"name": "new"}, ADMINS.format(201)),
    ("user", "GET"): Row("users/{member}", None, ADMINS.format(200)),
    ("user", "PATCH"): Row("users/{member}", {"is_active": False}, ADMINS.format(200)),
    ("user-password", "POST"): Row("users/{member}/reset-password", None, ADMINS.format(200)),
    ("user-sessions", "DELETE"): Row("users/{member}/sessions", None, ADMINS.format(200)),
    ("user-second-factor", "DELETE"): Row("users/{member}/second-factor", None, ADMINS.format(204)),
    ("teams", "GET"): Row("teams", None, USERS.format(200)),
    ("teams", "POST"): Row("teams", {"name": "new"}, USERS.format(201)),
    ("team", "GET"): Row("teams/{team}", None, MEMBERS.format(200), FOREIGN.format(200)),
    # Both teams own a repository.
    ("team", "DELETE"): _of_owners("teams/{team}", 400),
    ("members", "GET"): Row("teams/{team}/members", None, MEMBERS.format(200), FOREIGN.format(200)),
    ("member", "PUT"): _of_owners("teams/{team}/members/guest", 200, ROLE),
    # Everybody may leave, the reader too; the last owner of `vault` may not.
    ("member", "DELETE"): Row(
        "teams/{team}/members/{member}",
        None,
        "401 404 204 403 403 204 403 403 204",
        FOREIGN.format(400),
    ),
    ("invitations", "GET"): _of_owners("teams/{team}/invitations", 200),
    ("invitations", "POST"): _of_owners("teams/{team}/invitations", 201, ROLE),
    ("invitation", "DELETE"): _of_owners("teams/{team}/invitations/{invitation}", 204),
    # Whoever has the link may use it.
    ("acceptance", "POST"): Row("invitations/accept", {"secret": "{secret}"}, USERS.format(200)),
    ("robots", "GET"): _of_owners("teams/{team}/robots", 200),
    ("robots", "POST"): _of_owners("teams/{team}/robots", 201, {"name": "new"}),
    ("robot", "GET"): _of_owners("teams/{team}/robots/{robot}", 200),
    ("robot", "PATCH"): _of_owners("teams/{team}/robots/{robot}", 200, {"is_active": False}),
    ("robot", "DELETE"): _of_owners("teams/{team}/robots/{robot}", 204),
    ("robot-tokens", "GET"): _of_owners("teams/{team}/robots/{robot}/tokens", 200),
    ("robot-tokens", "POST"): _of_owners(
        "teams/{team}/robots/{robot}/tokens", 201, {"name": "new"}
    ),
    ("trust-rules", "GET"): _of_owners("teams/{team}/trust-rules", 200),
    ("trust-rules", "POST"): _of_owners("teams/{team}/trust-rules", 201, RULE),
    ("trust-rule", "GET"): _of_owners("teams/{team}/trust-rules/{rule}", 200),
    ("trust-rule", "PATCH"): _of_owners(
        "teams/{team}/trust-rules/{rule}", 200, {"is_active": False}
    ),
    ("trust-rule", "DELETE"): _of_owners("teams/{team}/trust-rules/{rule}", 204),
    ("tokens", "GET"): Row("tokens", None, USERS.format(200)),
    ("tokens", "POST"): Row("tokens", {"name": "new"}, USERS.format(201)),
    # A robot's token: its team's owners see it.
    ("token", "GET"): Row(
        "tokens/{token}", None, "401 404 404 404 404 200 403 403 200", FOREIGN.format(200)
    ),
    ("token", "DELETE"): Row(
        "tokens/{token}", None, "401 404 404 404 404 204 403 403 204", FOREIGN.format(204)
    ),
    ("repositories", "GET"): Row("repositories", None, SIGNED_IN),
    ("repository", "GET"): _of_readers("repositories/{team}/app"),
    ("tags", "GET"): _of_readers("repositories/{team}/app/-/tags"),
    ("tag-changes", "GET"): _of_readers("repositories/{team}/app/-/tags/v1/changes"),
    ("image", "GET"): _of_readers("repositories/{team}/app/-/images/v1"),
    ("referrer-tree", "GET"): _of_readers("repositories/{team}/app/-/images/{digest}/referrers"),
    ("comparison", "GET"): _of_readers(
        "repositories/{team}/app/-/comparison?before=v1&after={digest}"
    ),
    ("layer-content", "GET"): _of_readers("repositories/{team}/app/-/layers/{layer}/files"),
    ("image-content", "GET"): _of_readers("repositories/{team}/app/-/manifests/{image}/files"),
    ("repository", "PATCH"): _of_maintainers(
        "repositories/{team}/app", 200, {"visibility": "internal"}
    ),
    ("repository", "DELETE"): _of_maintainers("repositories/{team}/app", 200),
    ("deletion-preview", "POST"): _of_deleters("deletions/preview", {"tags": ["v1"]}),
    ("deletions", "POST"): _of_deleters("deletions", {"tags": ["v1"], "digests": ["{digest}"]}),
    ("deletions", "GET"): _of_deleters("deletions"),
    ("undo", "POST"): _of_deleters("deletions/{deletion}/undo", {"rest": True}),
    ("deleted-repositories", "GET"): _of_maintainers("teams/{team}/deletions", 200),
    ("repository-undo", "POST"): _of_maintainers("teams/{team}/deletions/{gone}/undo", 200, {}),
    # Refused as nothing that the tag has named, where one may ask at all.
    ("tag-rollback", "POST"): Row(
        "repositories/{team}/app/-/tags/v1/rollback",
        {"digest": "{digest}"},
        "401 404 403 400 400 400 400 400 400",
        "401 404 404 404 404 404 404 404 400",
    ),
    ("retention", "GET"): _of_maintainers("repositories/{team}/app/-/retention", 200),
    ("retention", "PUT"): _of_maintainers("repositories/{team}/app/-/retention", 200, RULES),
    ("retention", "DELETE"): _of_maintainers("repositories/{team}/app/-/retention", 204),
    ("retention-preview", "POST"): _of_maintainers(
        "repositories/{team}/app/-/retention/preview", 200, RULES
    ),
    ("team-retention", "GET"): _of_owners("teams/{team}/retention", 200),
    ("team-retention", "PUT"): _of_owners("teams/{team}/retention", 200, RULES),
    ("team-retention", "DELETE"): _of_owners("teams/{team}/retention", 204),
    ("team-retention-preview", "POST"): _of_owners("teams/{team}/retention/preview", 200, RULES),
    ("grants", "GET"): _of_maintainers("repositories/{team}/app/-/grants", 200),
    ("grant", "PUT"): _of_maintainers("repositories/{team}/app/-/grants/stranger", 200, ROLE),
    ("grant", "DELETE"): _of_maintainers("repositories/{team}/app/-/grants/guest", 204),
    ("repository-limits", "GET"): _of_readers("repositories/{team}/app/-/limits"),
    ("repository-limits", "PATCH"): _of_maintainers(
        "repositories/{team}/app/-/limits", 200, {"immutable_tags": ["v*"], "is_archived": True}
    ),
    ("team-limits", "GET"): Row(
        "teams/{team}/limits", None, MEMBERS.format(200), FOREIGN.format(200)
    ),
    ("team-limits", "PATCH"): _of_owners("teams/{team}/limits", 200, {"immutable_tags": ["v*"]}),
    ("read-only", "GET"): Row("read-only", None, USERS.format(200)),
    ("read-only", "PUT"): Row("read-only", {"enabled": True}, ADMINS.format(200)),
    ("proxy", "GET"): Row("proxy", None, ADMINS.format(200)),
    ("search", "GET"): Row("search?q=app", None, SIGNED_IN),
    ("activity", "GET"): Row(
        "activity?repository={team}/app",
        None,
        "401 404 200 200 200 200 200 200 200",
        "401 404 404 404 404 404 404 404 200",
    ),
    ("uploads", "GET"): Row("uploads", None, SIGNED_IN),
    # Nobody of these started it: it is left to who may delete in the repository.
    ("upload", "DELETE"): Row(
        "uploads/{upload}",
        None,
        "401 404 404 403 204 204 204 204 204",
        "401 404 404 404 404 404 404 404 204",
    ),
    ("usage", "GET"): Row("usage?team={team}", None, MEMBERS.format(200), FOREIGN.format(200)),
    ("repository-sizes", "GET"): Row("usage/repositories", None, SIGNED_IN),
    ("team-sizes", "GET"): Row("usage/teams", None, SIGNED_IN),
    ("scrub", "GET"): Row("scrub", None, ADMINS.format(200)),
    ("scrub-findings", "GET"): Row("scrub/findings", None, ADMINS.format(200)),
    ("audit", "GET"): Row("audit", None, ADMINS.format(200)),
    ("audit-export", "GET"): Row("audit/export", None, ADMINS.format(200)),
    ("keys", "GET"): Row("keys", None, ADMINS.format(200)),
    ("key-rotation", "POST"): Row("keys/rotate", {"now": False}, ADMINS.format(201)),
}


# Addresses that are no operations of the API.
UNDESCRIBED = frozenset({"root", "schema", "docs", "no-such-address"})


def _operations() -> set[tuple[str, str]]:
    found = set()
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "view_class", None)
        is_endpoint = isinstance(view, type) and issubclass(view, Endpoint)
        names = view.http_method_names if is_endpoint and view else ["get"]
        methods = [name for name in names if not is_endpoint or hasattr(view, name)]
        found |= {(str(pattern.name), method.upper()) for method in methods}
    return found


def test_every_operation_has_a_row() -> None:
    assert _operations() == set(ROWS)


def _filled(template: object, values: dict[str, object]) -> object:
    if isinstance(template, str):
        return re.sub(r"\{(\w+)\}", lambda match: str(values[match[1]]), template)
    if isinstance(template, dict):
        return {key: _filled(value, values) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    return template


def _statuses(row: Row, method: str, cast: Cast, values: dict[str, object]) -> str:
    """What each of the cast is answered, each in the same untouched world."""
    found = []
    for name in CAST:
        with transaction.atomic():
            response = cast[name].call(
                method, str(_filled(row.path, values)), _filled(row.body, values)
            )
            transaction.set_rollback(True)
        found.append(str(response.status_code))
    return " ".join(found)


@pytest.fixture(autouse=True, scope="module")
def _files_are_listed(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Else the first to ask would get another answer than who comes next."""
    storage = {**settings.BLOB_STORAGE, "OPTIONS": {"root": tmp_path_factory.mktemp("storage")}}
    with override_settings(BLOB_STORAGE=storage):
        digest = put(LAYER)
        descriptor = Descriptor(LAYER_TYPE, digest, len(LAYER))
        tree = Image(Digest.parse(ONLY_IMAGE), (descriptor,))
        assert merged.wait(image=tree, seconds=300).is_done


@pytest.mark.parametrize(("name", "method"), sorted(ROWS))
def test_each_may_do_what_the_table_says_and_no_more(
    name: str, method: str, world: World, cast: Cast
) -> None:
    row = ROWS[name, method]
    assert _statuses(row, method, cast, world.ids["payments"]) == row.own
    if row.foreign:
        assert _statuses(row, method, cast, world.ids["vault"]) == row.foreign


HIDDEN = sorted(key for key, row in ROWS.items() if row.foreign)


@pytest.mark.parametrize(("name", "method"), HIDDEN)
@pytest.mark.parametrize("who", ["anonymous", "stranger", "owner", "robot", "scoped"])
def test_what_is_hidden_answers_as_what_does_not_exist(
    name: str, method: str, who: str, world: World, cast: Cast
) -> None:
    row = ROWS[name, method]
    answers = [
        cast[who].call(method, str(_filled(row.path, values)), _filled(row.body, values))
        for values in (world.ids["vault"], MISSING)
    ]
    hidden, missing = [(a.status_code, a.content, dict(a.headers)) for a in answers]
    assert hidden == missing


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_whether_a_user_exists_is_not_told_to_who_may_not_ask(
    who: str, world: World, cast: Cast
) -> None:
    for method, path in (
        ("GET", "users/{}"),
        ("PATCH", "users/{}"),
        ("POST", "users/{}/reset-password"),
        ("DELETE", "users/{}/sessions"),
        ("DELETE", "users/{}/second-factor"),
    ):
        body = {"is_active": True} if method == "PATCH" else None
        known, unknown = [cast[who].call(method, path.format(n), body) for n in ("guest", "who")]
        assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
        assert known.status_code == 403


@pytest.mark.parametrize(
    "path", ["teams/payments/members/{}", "repositories/payments/app/-/grants/{}"]
)
def test_nor_to_a_member_who_may_not_add_anybody(path: str, world: World, cast: Cast) -> None:
    known, unknown = [
        cast["reader"].call("PUT", path.format(name), ROLE) for name in ("stranger", "who")
    ]
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content)
    assert known.status_code == 403
