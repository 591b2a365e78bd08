"""Who may do what over the wire: every route, every method, every role.

The matrix is checked against `api/v2/routes.py`: a route or a method without a row fails.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from accounts.models import Team
from api.v2.routes import ROUTES, match
from repositories import uploads
from repositories.access import Principal
from repositories.models import Repository
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.api.doors import Answer, Caller
from tests.oci.documents import encode, index
from tests.repositories.content import push_blob, push_document, push_image

BLOB = Digest.of(b"blob")
EMPTY = Digest.of(b"")
MANIFEST = encode(index(annotations={"pushed": "by the test"}))
UPLOAD = "00000000-0000-4000-8000-000000000000"  # replaced by that of an upload that is open

ROLES = ["nobody", "stranger", "reader", "writer", "maintainer", "administrator"]


@dataclass(frozen=True)
class Row:
    """A request, and its status for whoever may make it.

    `found` is the status in the private repository, where everything is; `missing` in one that
    does not exist, for those who might have been its members.
    """

    method: str
    path: str
    action: str
    found: int
    missing: int
    query: str = ""
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD")


def rows() -> Iterator[Row]:
    for method in ("GET", "HEAD"):
        yield Row(method, "/v2/", "presence", 200, 200)
        yield Row(method, "/v2/_catalog", "presence", 200, 200)
        yield Row(method, "/v2/NAME/manifests/v1", "pull", 200, 404)
        yield Row(method, f"/v2/NAME/blobs/{BLOB}", "pull", 200, 404)
        yield Row(method, "/v2/NAME/tags/list", "pull", 200, 404)
        yield Row(method, f"/v2/NAME/referrers/{BLOB}", "pull", 200, 200)
        yield Row(method, f"/v2/NAME/blobs/uploads/{UPLOAD}", "push", 204, 404)
    yield Row("PUT", "/v2/NAME/manifests/v2", "push", 201, 201, body=MANIFEST)
    yield Row("DELETE", "/v2/NAME/manifests/v1", "delete", 202, 404)
    yield Row("POST", "/v2/NAME/blobs/uploads/", "push", 202, 202)
    yield Row("PATCH", f"/v2/NAME/blobs/uploads/{UPLOAD}", "push", 202, 404, body=b"x")
    yield Row("PUT", f"/v2/NAME/blobs/uploads/{UPLOAD}", "push", 201, 404, f"?digest={EMPTY}")
    yield Row("DELETE", f"/v2/NAME/blobs/uploads/{UPLOAD}", "push", 204, 404)
    yield Row("DELETE", f"/v2/NAME/blobs/{BLOB}", "delete", 202, 404)


MATRIX = list(rows())
# What each role may do in the team's repositories; who is signed in may always be present.
MAY = {
    "nobody": "",
    "stranger": "presence",
    "reader": "presence pull",
    "writer": "presence pull push",
    "maintainer": "presence pull push delete",
    "administrator": "presence pull push delete",
}


@pytest.fixture
def upload(writer: Principal, administrator: Principal) -> str:
    """A private repository that holds what the matrix asks for; the id of its open upload."""
    push_document(administrator, index(), repository="payments/secret", tags=["v1"])
    push_blob(administrator, b"blob", repository="payments/secret")
    return uploads.start(principal=writer, repository="payments/secret").id


def send(row: Row, name: str, upload: str, call: Caller, principal: Principal) -> Answer:
    path = row.path.replace("NAME", name).replace(UPLOAD, upload)
    headers = {"Content-Type": media_types.OCI_INDEX} if row.body == MANIFEST else {}
    return call(row.method, path + row.query, row.body, by=principal, headers=headers)


def refusal(row: Row, role: str) -> tuple[int, str]:
    """How a request is refused to a role that may not make it."""
    if role == "nobody":
        return 401, "UNAUTHORIZED"
    return (404, "NAME_UNKNOWN") if row.action == "pull" else (403, "DENIED")


def test_every_route_and_method_has_a_row() -> None:
    """S7."""
    routes = {(route.pattern, method) for route in ROUTES for method in route.operations}
    covered = {(match(row.path)[0].pattern, row.method) for row in MATRIX}

    assert covered == routes


def may(role: str, row: Row) -> bool:
    return row.action in MAY[role].split()


CHANGES = [(role, row) for role in ROLES for row in MATRIX if may(role, row) and not row.is_read]


@pytest.mark.parametrize("role", ROLES[1:])
def test_who_may_read_reads(
    role: str, upload: str, call: Caller, request: pytest.FixtureRequest
) -> None:
    principal: Principal = request.getfixturevalue(role)
    for row in MATRIX:
        if row.is_read and may(role, row):
            private = send(row, "payments/secret", upload, call, principal)
            missing = send(row, "payments/absent", upload, call, principal)
            assert (str(row), private.status) == (str(row), row.found)
            assert (str(row), missing.status) == (str(row), row.missing)


@pytest.mark.parametrize(("role", "row"), CHANGES, ids=str)
def test_who_may_change_changes(
    role: str, row: Row, upload: str, call: Caller, request: pytest.FixtureRequest
) -> None:
    principal: Principal = request.getfixturevalue(role)
    private = send(row, "payments/secret", upload, call, principal)
    missing = send(row, "payments/absent", upload, call, principal)

    assert (private.status, missing.status) == (row.found, row.missing)


@pytest.mark.parametrize("role", ["nobody", "stranger", "reader", "writer"])
def test_who_may_not_is_refused_in_the_words_for_what_does_not_exist(
    role: str, upload: str, call: Caller, request: pytest.FixtureRequest
) -> None:
    """I3: not even a header or a word tells private and missing apart."""
    principal: Principal = request.getfixturevalue(role)
    refused = [row for row in MATRIX if not may(role, row)]
    for row in refused:
        private = send(row, "payments/secret", upload, call, principal)
        missing = send(row, "payments/absent", upload, call, principal)
        status, code = refusal(row, role)
        assert (str(row), private.status) == (str(row), status)
        assert row.method == "HEAD" or private.code == code
        assert private.body.replace(b"secret", b"absent") == missing.body
        headers = {key: value.replace("secret", "absent") for key, value in private.headers.items()}
        assert (missing.status, dict(missing.headers)) == (status, headers)
        assert ("WWW-Authenticate" in private.headers) == (role == "nobody")


@pytest.mark.parametrize("role", ["nobody", "stranger", "reader"])
def test_whoever_is_refused_changes_nothing(
    role: str, upload: str, call: Caller, request: pytest.FixtureRequest
) -> None:
    principal: Principal = request.getfixturevalue(role)
    before = state()
    for row in MATRIX:
        if row.action in ("push", "delete"):
            assert send(row, "payments/secret", upload, call, principal).status in (401, 403)

    assert state() == before
    assert uploads.status(repository="payments/secret", upload=upload).size == 0


def state() -> list[tuple[object, ...]]:
    """What the repositories hold."""
    fields = ("name", "manifests__digest", "tags__name", "blob_links__id", "uploads__id")
    return sorted(Repository.objects.values_list(*fields), key=str)


@pytest.mark.parametrize("role", ["nobody", "stranger"])
@pytest.mark.parametrize("visibility", ["internal", "public"])
def test_what_everybody_may_pull_can_be_pulled_by_a_stranger_and_not_pushed(
    visibility: str, role: str, upload: str, call: Caller, request: pytest.FixtureRequest
) -> None:
    Repository.objects.update(visibility=visibility)
    principal: Principal = request.getfixturevalue(role)
    for row in MATRIX:
        answer = send(row, "payments/secret", upload, call, principal)
        if role == "nobody":
            assert answer.status == 401
        else:
            assert answer.status == (403 if row.action in ("push", "delete") else row.found)


def test_a_blob_of_a_private_repository_is_out_of_a_strangers_reach(
    call: Caller, writer: Principal, stranger: Principal
) -> None:
    """S13: by digest, by mount, by a manifest that names it."""
    pushed = push_image(writer, b"secret layer", repository="payments/secret")
    layer = Digest.of(b"secret layer")
    blobs = "/v2/stranger/app/blobs"
    mounted = call("POST", f"{blobs}/uploads/?mount={layer}&from=payments/secret", by=stranger)
    manifest = call("GET", f"/v2/payments/secret/manifests/{pushed.digest}", by=writer)
    copied = call(
        "PUT",
        "/v2/stranger/app/manifests/v1",
        manifest.body,
        by=stranger,
        headers={"Content-Type": media_types.OCI_MANIFEST},
    )

    assert mounted.status == 202
    assert (copied.status, copied.code) == (404, "MANIFEST_BLOB_UNKNOWN")
    for method in ("HEAD", "GET"):
        assert call(method, f"{blobs}/{layer}", by=stranger).status == 404


def test_a_role_in_another_team_gives_nothing_here(
    call: Caller, maintainer: Principal, administrator: Principal
) -> None:
    Team.objects.create(name="marketing")
    push_document(administrator, index(), repository="marketing/app", tags=["v1"])
    refused = call("GET", "/v2/marketing/app/manifests/v1", by=maintainer)

    assert (refused.status, refused.code) == (404, "NAME_UNKNOWN")
    assert call("DELETE", "/v2/marketing/app/manifests/v1", by=maintainer).code == "DENIED"


def test_a_route_without_an_action_is_one_of_the_two_that_name_no_repository() -> None:
    """So that no new route is left open by leaving its action out."""
    free = {
        route.pattern.pattern
        for route in ROUTES
        for operation in route.operations.values()
        if operation.action is None
    }

    assert free == {r"/v2/?", r"/v2/_catalog"}
