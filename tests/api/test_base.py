"""end-1, and what holds for every path: unknown ones, wrong methods, OPTIONS."""

import pytest
from pytest_django import Settings

from api.v2.routes import ROUTES
from repositories.access import Principal
from tests.api.doors import Caller


@pytest.mark.parametrize("path", ["/v2/", "/v2"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_who_may_be_here_is_told_so(
    path: str, method: str, call: Caller, stranger: Principal
) -> None:
    answer = call(method, path, by=stranger)

    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert answer.headers["Content-Length"] == "2"


@pytest.mark.parametrize("path", ["/v2/", "/v2", "/v2/_catalog", "/v2/team/app/tags/list"])
def test_who_has_not_signed_in_is_asked_to(path: str, call: Caller) -> None:
    answer = call("GET", path)

    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.startswith('Bearer realm="http://registry.example.com/token",service="berth"')
    assert "docker login" in answer.message


@pytest.mark.parametrize("setting", ["pull", "push"])
def test_where_anonymous_access_is_on_a_client_still_learns_where_to_sign_in(
    setting: str, call: Caller, settings: Settings
) -> None:
    """Docker asks nowhere else: after a 200 here it would never use its credentials."""
    settings.ANONYMOUS_ACCESS = setting

    assert call("GET", "/v2/").status == 401
    assert call("GET", "/v2/_catalog").status == 200


def test_in_open_mode_credentials_are_not_looked_at(call: Caller, settings: Settings) -> None:
    settings.OPEN_ACCESS = True

    assert call("GET", "/v2/").status == 200
    assert call("GET", "/v2/", headers={"Authorization": "Basic junk"}).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/v2/x",
        "/v2/team/app",
        "/v2/team/app/tags",
        "/v2/team/app/tags/list/",
        "/v2/team/app/tags/lists",
        "/v2/team/app/manifests",
        "/v2/team/app/blobs",
        "/v2/team/app/referrers",
        "/v2/_catalog/",
        "/v2/tags/list",
        "/v2//",
        "/v2/%0a",
        "/v2/team%0a/app",
        "/v2/%00",
        "/v2/%ff",
        "/v2/<script>",
        "/v2/" + "x/" * 2000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
def test_an_unknown_path_is_answered_in_json(path: str, method: str, call: Caller) -> None:
    answer = call(method, path)

    assert (answer.status, answer.code) == (404, "UNSUPPORTED")
    assert len(answer.body) < 2500


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/v2/", "GET, HEAD, OPTIONS"),
        ("/v2/_catalog", "GET, HEAD, OPTIONS"),
        ("/v2/team/app/tags/list", "GET, HEAD, OPTIONS"),
        ("/v2/team/app/referrers/sha256:x", "GET, HEAD, OPTIONS"),
        ("/v2/team/app/manifests/latest", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/v2/team/app/blobs/sha256:x", "DELETE, GET, HEAD, OPTIONS"),
        ("/v2/team/app/blobs/uploads/", "OPTIONS, POST"),
        ("/v2/team/app/blobs/uploads", "OPTIONS, POST"),
        ("/v2/team/app/blobs/uploads/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
    ],
)
class TestMethods:
    def test_options_lists_them_to_everybody(self, path: str, allow: str, call: Caller) -> None:
        """Browsers ask without credentials, and take 401 for a no."""
        answer = call("OPTIONS", path)

        assert (answer.status, answer.headers["Allow"]) == (204, allow)

    def test_options_with_bad_credentials_is_answered_all_the_same(
        self, path: str, allow: str, call: Caller
    ) -> None:
        assert call("OPTIONS", path, headers={"Authorization": "Basic junk"}).status == 204

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "get"])
    def test_any_other_is_refused_with_the_list(
        self, method: str, path: str, allow: str, call: Caller
    ) -> None:
        if method in allow.split(", "):
            assert call(method, path).status != 405
            return
        answer = call(method, path)

        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert answer.headers["Allow"] == allow
        assert allow in answer.message


def test_every_route_is_in_the_table_of_methods() -> None:
    """So that a new one cannot be forgotten above."""
    assert len(ROUTES) == 8


@pytest.mark.parametrize(
    "name", ["A", "a//b", "-a", "a_", "a%2f..%2fb", "%d0%b0", "a%0a", "%0aa", "x" * 256]
)
@pytest.mark.parametrize(
    "rest", ["tags/list", "manifests/latest", "blobs/sha256:x", "blobs/uploads/", "referrers/x"]
)
def test_a_name_that_is_none_is_refused_whoever_asks(name: str, rest: str, call: Caller) -> None:
    method = "POST" if rest == "blobs/uploads/" else "GET"
    answer = call(method, f"/v2/{name}/{rest}")

    assert (answer.status, answer.code) == (400, "NAME_INVALID")


@pytest.mark.parametrize(
    "query", ["n=%ff", "n=%00", "last=%ed%a0%80", "&".join("x=1" for _ in range(65)), "n=1&n=2"]
)
def test_a_query_that_cannot_be_read_is_refused(
    query: str, call: Caller, administrator: Principal
) -> None:
    answer = call("GET", f"/v2/_catalog?{query}", by=administrator)

    assert (answer.status, answer.code) == (400, "UNSUPPORTED")


def test_a_query_field_that_nobody_knows_is_no_error(
    call: Caller, administrator: Principal
) -> None:
    assert call("GET", "/v2/_catalog?x=1&x=2&&=&y", by=administrator).status == 200
