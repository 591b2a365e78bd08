"""S7: every address there is, for everybody, at home and abroad.

The routes are read from the tables that serve them, so a new one fails here until it has a row.
Pages and the management API have their own tables, which this one makes sure of.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from django.contrib import admin
from django.db import transaction
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts.web import sign_on_urls
from api.token import endpoint as token_endpoint
from api.v1 import urls as api_urls
from api.v2.routes import ROUTES
from repositories import uploads
from repositories.access import principal_of
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.web import urls as repository_urls
from tests.accounts.web import test_who_may as pages
from tests.api.v1 import test_matrix as api
from tests.api.v1.conftest import CAST as CAST_OF_THE_API
from tests.security.client import (
    Answer,
    ask_token,
    bearer,
    encode_image,
    granted,
    send,
    token_for,
)
from tests.security.conftest import APP, CONFIG, PRIVATE, Pushed, World

CAST = (
    *("anonymous", "stranger", "reader", "writer", "maintainer", "owner"),
    *("robot", "scoped", "admin"),
)
READ = {"pull"}
WRITE = READ | {"push"}
ALL = WRITE | {"delete"}
# What each may do in the own team's repository. In the other team's, only the administrator may.
MAY: dict[str, set[str]] = {
    "anonymous": set(),
    "stranger": set(),
    "reader": READ,
    "writer": WRITE,
    "maintainer": ALL,
    "owner": ALL,
    "robot": ALL,
    "scoped": WRITE,
    "admin": ALL,
}

Sent = tuple[str, bytes, dict[str, str]]


class Row(NamedTuple):
    """An operation of `/v2/`: what it needs, what it answers, and a request that does it."""

    action: str  # empty: to have signed in
    ok: int
    request: Callable[[World, Pushed], Sent]


def _plain(path: str) -> Callable[[World, Pushed], Sent]:
    return lambda _world, pushed: (path.format(pushed=pushed), b"", {})


def _manifest(world: World, pushed: Pushed) -> Sent:
    payload = encode_image(CONFIG, f"the only layer of {pushed.repository}".encode())
    kind = {"Content-Type": media_types.OCI_MANIFEST}
    return f"/v2/{pushed.repository}/manifests/2", payload, kind


def _upload(query: str = "", body: bytes = b"") -> Callable[[World, Pushed], Sent]:
    """A request on a session that somebody has opened in the repository."""

    def request(world: World, pushed: Pushed) -> Sent:
        principal = principal_of(world.people["admin"])
        session = uploads.start(principal=principal, repository=pushed.repository)
        return f"/v2/{pushed.repository}/blobs/uploads/{session.id}{query}", body, {}

    return request


def _loose_blob(world: World, pushed: Pushed) -> Sent:
    """A blob that no manifest is made of, so that it may be deleted."""
    digest = Digest.of(b"loose")
    principal = principal_of(world.people["admin"])
    uploads.push_whole(
        principal=principal, repository=pushed.repository, digest=digest, content=[b"loose"]
    )
    return f"/v2/{pushed.repository}/blobs/{digest}", b"", {}


_PREFIX = "/v2/{pushed.repository}"
_BASE, _CATALOG = "/v2/?", "/v2/_catalog"
_MANIFESTS, _TAGS = "/v2/(.*)/manifests/([^/]*)", "/v2/(.*)/tags/list"
_START, _SESSION = "/v2/(.*)/blobs/uploads/?", "/v2/(.*)/blobs/uploads/([^/]+)"
_BLOBS, _REFERRERS = "/v2/(.*)/blobs/([^/]*)", "/v2/(.*)/referrers/([^/]*)"
V2_ROWS: dict[tuple[str, str], Row] = {
    (_BASE, "GET"): Row("", 200, _plain("/v2/")),
    (_CATALOG, "GET"): Row("", 200, _plain("/v2/_catalog")),
    (_MANIFESTS, "GET"): Row("pull", 200, _plain(_PREFIX + "/manifests/{pushed.tag}")),
    (_MANIFESTS, "PUT"): Row("push", 201, _manifest),
    (_MANIFESTS, "DELETE"): Row("delete", 202, _plain(_PREFIX + "/manifests/{pushed.manifest}")),
    (_START, "POST"): Row("push", 202, _plain(_PREFIX + "/blobs/uploads/")),
    (_SESSION, "PATCH"): Row("push", 202, _upload(body=b"some bytes")),
    (_SESSION, "PUT"): Row("push", 201, _upload(f"?digest={Digest.of(b'all')}", b"all")),
    (_SESSION, "GET"): Row("push", 204, _upload()),
    (_SESSION, "DELETE"): Row("push", 204, _upload()),
    (_BLOBS, "GET"): Row("pull", 200, _plain(_PREFIX + "/blobs/{pushed.layer}")),
    (_BLOBS, "DELETE"): Row("delete", 202, _loose_blob),
    (_TAGS, "GET"): Row("pull", 200, _plain(_PREFIX + "/tags/list")),
    (_REFERRERS, "GET"): Row("pull", 200, _plain(_PREFIX + "/referrers/{pushed.manifest}")),
}
V2_ROWS |= {(path, "HEAD"): row for (path, method), row in V2_ROWS.items() if method == "GET"}
EVERYTHING = [f"repository:{name}:pull,push,delete" for name in (APP, PRIVATE)]


def expected(row: Row, who: str, *, is_own: bool) -> int:
    may = ALL if who == "admin" else MAY[who] if is_own else set()
    if row.action in may or (not row.action and who != "anonymous"):
        return row.ok
    if who == "anonymous":
        return 401
    return 404 if row.action == "pull" else 403


def _undone(request: Callable[[], Answer]) -> Answer:
    with transaction.atomic():
        answer = request()
        transaction.set_rollback(True)
    return answer


@pytest.mark.parametrize("who", CAST)
@pytest.mark.parametrize("form", ["credentials", "bearer"])
def test_each_may_do_on_v2_what_the_table_says_and_no_more(
    world: World, who: str, form: str
) -> None:
    header = world.by(who)
    if form == "bearer":
        header = bearer(token_for(*EVERYTHING, "registry:catalog:*", by=header))
    for (path, method), row in V2_ROWS.items():
        for pushed in (world.own, world.foreign):

            def request(row: Row = row, pushed: Pushed = pushed, method: str = method) -> Answer:
                target, body, headers = row.request(world, pushed)
                return send(method, target, body, by=header, headers=headers)

            answer = _undone(request)
            wanted = expected(row, who, is_own=pushed is world.own)
            assert answer.status == wanted, (method, path, pushed.repository, answer.text)


def test_every_operation_of_v2_has_a_row() -> None:
    served = {(route.pattern.pattern, method) for route in ROUTES for method in route.operations}
    assert served == set(V2_ROWS)
    for route in ROUTES:
        for method, operation in route.operations.items():
            row = V2_ROWS[route.pattern.pattern, method]
            assert (operation.action or "") == row.action


TOKEN_ROWS = {token_endpoint.TOKEN, token_endpoint.JWKS, token_endpoint.CERTIFICATES}


@pytest.mark.parametrize("who", CAST)
def test_each_is_given_by_the_token_service_what_the_table_says(world: World, who: str) -> None:
    answer = ask_token(*EVERYTHING, "registry:catalog:*", by=world.by(who))
    assert answer.status == 200
    given = granted(answer.json()["token"])
    assert given[f"repository:{APP}"] == MAY[who]
    assert given[f"repository:{PRIVATE}"] == (ALL if who == "admin" else set())
    assert ("registry:catalog" in given) is (who != "anonymous")
    for path in (token_endpoint.JWKS, token_endpoint.CERTIFICATES):
        assert send("GET", path, by=world.by(who)).status == 200
        assert send("POST", path, by=world.by(who)).status == 405


def test_every_address_of_the_token_service_has_a_row() -> None:
    assert set(token_endpoint.PATHS) == TOKEN_ROWS


# The addresses of the second factor and of single sign-on that are for who has signed in, then
# those for who has not. Without a provider there is no single sign-on.
OF_THE_SIGNED_IN = {
    "socialaccount_connections",
    "account_reauthenticate",
    "mfa_reauthenticate",
    "mfa_index",
    "mfa_activate_totp",
    "mfa_deactivate_totp",
    "mfa_view_recovery_codes",
    "mfa_generate_recovery_codes",
}
OF_NOBODY = {
    "oidc-sign-in": 404,
    "oidc-callback": 404,
    "account_login": 302,
    "socialaccount_login_cancelled": 302,
    "mfa_authenticate": 302,
}
OF_EVERYBODY = {"": 200, "healthz": 200, "readyz": 200}


@pytest.mark.parametrize("who", CAST)
def test_credentials_of_v2_open_no_page(world: World, who: str) -> None:
    """Pages are for browsers, and a browser signs in by its session."""
    header = world.by(who)
    for name in OF_THE_SIGNED_IN:
        answer = send("GET", reverse(name), by=header)
        assert answer.status == 302, name
        assert "/sign-in" in answer.headers["Location"]
    for name, status in OF_NOBODY.items():
        assert send("GET", reverse(name), by=header).status == status, name
    for path, status in OF_EVERYBODY.items():
        assert send("GET", f"/{path}", by=header).status == status, path
    for row in pages.ROWS:
        if row.name in ("sign-in", "sign-out", "appearance"):
            continue
        pattern = next(p for p in _page_patterns() if p.name == row.name)
        answer = send("GET", _an_address_of(pattern), by=header)
        assert answer.status in (302, 405), row.name
    assert send("GET", "/admin/", by=header).status == 302


def _page_patterns() -> list[URLPattern]:
    names = {row.name for row in pages.ROWS}
    return [pattern for _, pattern in patterns(get_resolver()) if pattern.name in names]


EXAMPLES = {
    "name": "payments",
    "member": "writer",
    "secret": "0" * 32,
    "token_id": "1",
    "robot_id": "1",
    "rule_id": "1",
    "invitation_id": "1",
    "deletion": "1",
    "reference": "v1",
    "digest": f"sha256:{'0' * 64}",
    "upload": "00000000-0000-4000-8000-000000000000",
}


def _an_address_of(pattern: URLPattern) -> str:
    assert pattern.name is not None
    wanted = pattern.pattern.regex.groupindex
    values = {name: EXAMPLES[name] for name in wanted}
    if pattern in repository_urls.urlpatterns:
        values["name"] = APP
    return reverse(pattern.name, kwargs=values)


def patterns(resolver: URLResolver, prefix: str = "") -> Iterator[tuple[str, URLPattern]]:
    """Every address of the site, with what stands before it."""
    for entry in resolver.url_patterns:
        if isinstance(entry, URLResolver):
            yield from patterns(entry, prefix + str(entry.pattern))
        else:
            yield prefix + str(entry.pattern), entry


def test_every_address_of_the_site_is_in_some_table() -> None:
    """The last row of `api/v1` and the one of the admin site stand for what is not there."""
    tables: dict[str, set[Any]] = {
        "pages": set(_page_patterns()),
        "sign-on": {
            pattern
            for pattern in sign_on_urls.urlpatterns
            if pattern.name in OF_THE_SIGNED_IN | OF_NOBODY.keys()
        },
        "api": {p for p in api_urls.urlpatterns if p.name in {name for name, _ in api.ROWS}},
        "others": set(OF_EVERYBODY),
    }
    known = set().union(*tables.values())
    missing = [
        path
        for path, pattern in patterns(get_resolver())
        if path not in known and pattern not in known and not path.startswith("admin/")
    ]
    assert missing == []


def test_the_admin_site_is_closed_to_all_but_administrators(world: World) -> None:
    """Each of its addresses, by each browser, with ids that are there."""
    for path in admin_addresses():
        assert send("GET", path).status == 302, path
        for who in CAST[1:]:
            assert send("GET", path, by=world.by(who)).status == 302, path


def admin_addresses() -> list[str]:
    found = []
    for path, _ in patterns(get_resolver()):
        if path.startswith("admin/") and "login" not in path and "logout" not in path:
            plain = path.replace("<path:object_id>", "1").replace("<int:content_type_id>", "1")
            if "(" not in plain and "<" not in plain and "^" not in plain:
                found.append(f"/{plain}")
    assert len(found) > 3 * len(admin.site._registry)
    return found


def test_how_many_cells_the_tables_have() -> None:
    """The figure. It shrinks only when something was taken away."""
    forms, places = 2, 2
    cells = {
        "v2": len(V2_ROWS) * len(CAST) * forms * places,
        "token": len(TOKEN_ROWS) * len(CAST) * places,
        "pages": sum(len(row.expected) for row in pages.ROWS) + len(pages.ROWS) * len(CAST),
        "sign-on": len(OF_THE_SIGNED_IN | OF_NOBODY.keys()) * len(CAST),
        "admin": len(admin_addresses()) * len(CAST),
        "api": sum(len(CAST_OF_THE_API) * (2 if row.foreign else 1) for row in api.ROWS.values()),
    }
    print(f"authorization matrix: {sum(cells.values())} cells: {cells}")
    assert sum(cells.values()) > 2500
