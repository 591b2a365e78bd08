"""Every refusal is problem details (RFC 9457), whatever goes wrong."""

import json

import pytest
from django.db import IntegrityError, OperationalError
from django.test import Client

from accounts import people
from api.v1 import endpoint
from tests.api.v1.conftest import Cast, World, problem

MALFORMED = "urn:problem-type:berth:malformed"
REFUSED = "urn:problem-type:berth:refused"


def _post(cast: Cast, content: bytes, content_type: str = "application/json") -> object:
    headers = {"Authorization": f"Bearer {cast['admin'].secret}"}
    return Client().generic("POST", "/api/v1/users", content, content_type, headers=headers)


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"null", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b'{"name": "x", "name": "y"}', "application/json", 400),
        (b'{"name": NaN}', "application/json", 400),
        (b'\xef\xbb\xbf{"name": "x"}', "application/json", 400),
        ('{"name": "x"}'.encode("utf-16"), "application/json", 400),
        (b'{"name": "\\ud800"}', "application/json", 400),
        (b'{"name": "\\u0000"}', "application/json", 400),
        (b'{"email": "\\u0000", "name": "x"}', "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"name": 5}', "application/json", 400),
        (b'{"name": true}', "application/json", 400),
        (b'{"name": "x\\n"}', "application/json", 400),
        (b'{"name": "x", "is_admin": "true"}', "application/json", 400),
        (b'{"name": "x", "is_admin": 1}', "application/json", 400),
        (b'{"name": "Upper"}', "application/json", 400),
        (b"name=x", "application/x-www-form-urlencoded", 415),
        (b'{"name": "x"}', "text/plain", 415),
        (b'{"name": "x"}', "", 415),
        (b" " * (endpoint.MAX_BODY_BYTES + 1), "application/json", 413),
    ],
)
def test_a_body_that_is_not_taken(
    content: bytes, content_type: str, status: int, cast: Cast
) -> None:
    response = _post(cast, content, content_type)
    assert response.status_code == status  # type: ignore[attr-defined]
    problem(response)


def test_what_is_wrong_is_said_by_field(cast: Cast) -> None:
    answer = problem(cast["owner"].post("tokens", {"scopes": ["x:pull", "nonsense"]}))
    assert answer["type"] == MALFORMED
    assert set(answer["errors"]) == {"name", "scopes.1"}


def test_what_a_rule_forbids_is_told_from_what_is_malformed(cast: Cast) -> None:
    answer = problem(cast["admin"].post("users", {"name": "owner"}))
    assert answer["type"] == REFUSED
    assert answer["errors"] == {"name": ["That name is taken."]}
    answer = problem(cast["owner"].call("DELETE", "teams/payments"))
    assert (answer["type"], answer["status"]) == (REFUSED, 400)
    assert "repositories" in answer["detail"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?unknown=1", "unknown"),
        ("?limit=1&limit=2", "limit"),
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=1_0", "limit"),
        ("?limit=٣", "limit"),
        ("?limit=" + "9" * 5000, "limit"),
        ("?limit=", "limit"),
        ("?cursor=%00", "cursor"),
        ("?cursor=A", "cursor"),
        ("?search=%00", "search"),
        ("?search=" + "x" * 101, "search"),
        ("?username__startswith=a", "username__startswith"),
        ("?password__startswith=a", "password__startswith"),
        ("?ordering=password", "ordering"),
    ],
)
def test_a_query_that_is_not_taken(query: str, field: str, cast: Cast) -> None:
    """No lookups or ordering of the caller's choice (CVE-2025-30086), and nothing is ignored."""
    assert set(problem(cast["admin"].get(f"users{query}"))["errors"]) == {field}


@pytest.mark.parametrize(
    "path",
    [
        "users/%00",
        "users/A",
        "users/a%2Fb",
        "users/..",
        "users/%ff",
        "users/x%0a",
        "teams/%00/members",
        "repositories/%00",
        "repositories/a/../b",
        "repositories/a//b",
        "repositories/-/grants",
        "tokens/-1",
        "tokens/x",
        "tokens/" + "9" * 5000,
        "tokens/99999999999999999999",
        "teams/payments/trust-rules/99999999999999999999",
        "users/",
        "nothing",
        "/",
    ],
)
def test_an_address_that_there_is_not(path: str, cast: Cast) -> None:
    response = cast["admin"].get(path)
    assert response.status_code == 404
    problem(response)


def test_also_for_a_form_sent_there(world: World) -> None:
    response = Client(enforce_csrf_checks=True).post("/api/v1/nothing", {"a": "b"})
    assert response.status_code == 404
    problem(response)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "TRACE", "X"])
def test_a_method_that_is_not_possible(method: str, cast: Cast) -> None:
    response = cast["admin"].call(method, "users")
    assert response.status_code == 405
    assert response["Allow"] == "GET, POST, HEAD"
    problem(response)


def test_head_is_get_without_a_body(cast: Cast) -> None:
    response = cast["admin"].call("HEAD", "users")
    assert (response.status_code, response.content) == (200, b"")


def test_an_answer_in_another_type_is_not_to_be_had(cast: Cast) -> None:
    response = cast["admin"].get("users", Accept="text/html")
    assert response.status_code == 406
    problem(response)


def test_a_body_for_an_operation_that_takes_none(cast: Cast) -> None:
    response = cast["admin"].post("users/guest/reset-password", {"password": "mine"})
    assert set(problem(response)["errors"]) == {"password"}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError("secret-canary"), 500),
        (OperationalError("secret-canary"), 503),
        (IntegrityError("secret-canary"), 409),
    ],
)
def test_what_goes_wrong_inside_stays_inside(
    error: Exception, status: int, cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(people, "users", fail)
    monkeypatch.setattr("api.v1.errors.connection.close", lambda: None)
    response = cast["admin"].get("users")
    assert response.status_code == status
    assert b"canary" not in response.content
    problem(response)


def test_answers_are_in_no_cache(cast: Cast) -> None:
    for response in (
        cast["owner"].get("me"),
        cast["owner"].post("tokens", {"name": "new"}),
        cast["anonymous"].get("me"),
    ):
        assert response["Cache-Control"] == "no-store"
        assert response["X-Content-Type-Options"] == "nosniff"
    assert json.loads(response.content)["title"] == "Unauthorized"
