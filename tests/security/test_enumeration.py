"""S9, I3: what is private looks like what is missing, in words, in headers, and in the work done.

Harbor listed private names (CVE-2020-29662).
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from accounts.models import User
from repositories.access import principal_of
from repositories.models import Repository
from repositories.oci.digests import Digest
from tests.security.client import (
    Answer,
    ask_token,
    basic,
    bearer,
    claims_of,
    post_token,
    send,
    token_for,
)
from tests.security.conftest import APP, FOREIGN, PRIVATE, World, push

# Of the same length, so that lengths can be compared as well.
MISSING = f"{FOREIGN}/inexistentx"
assert len(MISSING) == len(PRIVATE)
OUTSIDERS = ["anonymous", "stranger", "owner", "robot", "scoped"]
CANARY = PRIVATE.partition("/")[2]


def without_name(text: str, name: str) -> str:
    """An answer may repeat the name that was asked for, and must not differ in anything else."""
    return text.replace(name, "NAME").replace(name.replace("/", "%2F"), "NAME")


def requests_about(world: World, name: str) -> list[tuple[str, str, bytes]]:
    blob, manifest = world.foreign.layer, world.foreign.manifest
    upload = "00000000-0000-4000-8000-000000000000"
    return [
        *(("GET", f"/v2/{name}/manifests/{ref}", b"") for ref in ("1", "latest", manifest)),
        ("HEAD", f"/v2/{name}/manifests/1", b""),
        ("PUT", f"/v2/{name}/manifests/1", b"{}"),
        ("DELETE", f"/v2/{name}/manifests/1", b""),
        ("GET", f"/v2/{name}/blobs/{blob}", b""),
        ("HEAD", f"/v2/{name}/blobs/{blob}", b""),
        ("DELETE", f"/v2/{name}/blobs/{blob}", b""),
        ("GET", f"/v2/{name}/tags/list", b""),
        ("GET", f"/v2/{name}/tags/list?n=1&last=0", b""),
        ("GET", f"/v2/{name}/referrers/{manifest}", b""),
        ("POST", f"/v2/{name}/blobs/uploads/", b""),
        ("POST", f"/v2/{name}/blobs/uploads/?mount={blob}&from={APP}", b""),
        ("GET", f"/v2/{name}/blobs/uploads/{upload}", b""),
        ("PATCH", f"/v2/{name}/blobs/uploads/{upload}", b"x"),
        ("PUT", f"/v2/{name}/blobs/uploads/{upload}?digest={blob}", b"x"),
        ("DELETE", f"/v2/{name}/blobs/uploads/{upload}", b""),
    ]


def headers_of(world: World, who: str) -> list[str | None]:
    """The credentials, and a token that was asked for both names."""
    own = world.by(who)
    scopes = [f"repository:{name}:pull,push,delete" for name in (PRIVATE, MISSING)]
    return [own, bearer(token_for(*scopes, by=own))]


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("access", ["none", "pull"])
def test_private_and_missing_answer_alike(
    world: World, settings: Settings, who: str, access: str
) -> None:
    settings.ANONYMOUS_ACCESS = access
    for header in headers_of(world, who):
        both = (requests_about(world, name) for name in (PRIVATE, MISSING))
        for (method, private, body), (_, missing, _) in zip(*both, strict=True):
            first = send(method, private, body, by=header)
            second = send(method, missing, body, by=header)
            assert first.status in (401, 403, 404)
            assert first.status == second.status, private
            assert without_name(first.text, PRIVATE) == without_name(second.text, MISSING)


@pytest.mark.parametrize("who", OUTSIDERS)
def test_private_and_missing_cost_the_same_work(world: World, settings: Settings, who: str) -> None:
    """Counted in queries: seconds would depend on the machine."""
    settings.ANONYMOUS_ACCESS = "pull"
    for header in headers_of(world, who):
        both = (requests_about(world, name) for name in (PRIVATE, MISSING))
        for (method, private, body), (_, missing, _) in zip(*both, strict=True):
            counts = []
            for path in (private, private, missing):  # the first one warms up
                with CaptureQueriesContext(connection) as queries:
                    send(method, path, body, by=header)
                counts.append(len(queries))
            assert counts[1] == counts[2], (method, private, counts)


def readable(answer: Answer) -> dict[str, Any]:
    """A token answer without its opaque parts."""
    content = dict(answer.json())
    claims = claims_of(content.pop("token"))
    content.pop("access_token")
    content.pop("issued_at")
    for name in ("exp", "nbf", "iat", "jti"):
        claims.pop(name)
    return content | {"claims": claims, "length": None}


@pytest.mark.parametrize("who", OUTSIDERS)
@pytest.mark.parametrize("actions", ["pull", "pull,push", "*", "delete", ""])
@pytest.mark.parametrize("access", ["none", "pull"])
def test_the_token_service_does_not_tell_private_from_missing(
    world: World, settings: Settings, who: str, actions: str, access: str
) -> None:
    settings.ANONYMOUS_ACCESS = access
    said = []
    ask_token(by=world.by(who))  # reads the signing key, notes the use of the token
    for name in (PRIVATE, MISSING):
        scope = f"repository:{name}:{actions}"
        with CaptureQueriesContext(connection) as queries:
            answer = ask_token(scope, by=world.by(who))
        assert answer.status == 200
        text = without_name(str((readable(answer), answer.headers.keys())), name)
        said.append((text, len(answer.body), len(queries)))
    assert said[0] == said[1]


@pytest.mark.parametrize("who", OUTSIDERS)
def test_the_canary_sings_nowhere(world: World, who: str) -> None:
    header = world.by(who)
    for shown in (header, bearer(token_for("registry:catalog:*", by=header))):
        for query in ("", "?n=1", "?n=1000", f"?last={FOREIGN}", f"?n=1&last={PRIVATE[:-1]}"):
            answer = send("GET", f"/v2/_catalog{query}", by=shown)
            assert answer.status == (401 if who == "anonymous" else 200)
            assert CANARY not in without_name(answer.text, PRIVATE[:-1])
            assert "Link" not in answer.headers or CANARY not in answer.headers["Link"]
    for path in ("", "api/v1/repositories", f"api/v1/repositories?search={FOREIGN}", "api/v1/me"):
        assert CANARY not in send("GET", f"/{path}", by=header).text
    missing = send("GET", f"/v2/{FOREIGN}/nothing/tags/list", by=header)
    assert CANARY not in missing.text
    digest = world.foreign.layer
    mounted = send("POST", f"/v2/{APP}/blobs/uploads/?mount={digest}", by=header)
    assert CANARY not in mounted.text


@pytest.mark.parametrize("who", ["stranger", "owner"])
def test_the_canary_sings_on_no_page(world: World, who: str) -> None:
    browser = Client()
    browser.force_login(world.people[who])
    paths = ["/", "/teams", "/settings/profile", "/settings/tokens", f"/teams/{FOREIGN}"]
    paths += ["/teams?q=research", f"/repositories/{PRIVATE}/-/settings", "/manage/teams"]
    for path in paths:
        answer = browser.get(path)
        text = without_name(answer.content.decode(), path) if PRIVATE in path else ""
        assert CANARY not in (text or answer.content.decode()), path


def test_a_page_of_the_catalog_is_full_whatever_is_hidden_in_between(world: World) -> None:
    """A short page or a link past a hidden name would tell that something is there."""
    admin = principal_of(world.people["admin"])
    for name in ("aaa/hidden", "payments/zzz", "zzz/hidden"):
        push(admin, name)
    header = world.by("reader")
    first = send("GET", "/v2/_catalog?n=1", by=header)
    assert first.json() == {"repositories": [APP]}
    last = send("GET", "/v2/_catalog?n=1&last=payments/app", by=header)
    assert last.json() == {"repositories": ["payments/zzz"]}
    assert "Link" not in last.headers


def test_internal_and_public_repositories_are_seen_by_whom_they_are_for(
    world: World, settings: Settings
) -> None:
    settings.ANONYMOUS_ACCESS = "pull"
    for visibility, seen in (
        ("private", {"anonymous": 401, "stranger": 404}),
        ("internal", {"anonymous": 401, "stranger": 200}),
        ("public", {"anonymous": 200, "stranger": 200}),
    ):
        Repository.objects.filter(name=PRIVATE).update(visibility=visibility)
        for who, status in seen.items():
            answer = send("GET", f"/v2/{PRIVATE}/tags/list", by=world.by(who))
            assert answer.status == status, (visibility, who)


class CountingHasher(MD5PasswordHasher):
    """Counts what would take a quarter of a second each."""

    algorithm = "counting"
    calls = 0

    def encode(self, password: str, salt: str) -> str:
        CountingHasher.calls += 1
        return super().encode(password, salt)


Attempt = Callable[[str, str], int]


def by_basic(name: str, password: str) -> int:
    return send("GET", "/v2/", by=basic(name, password)).status


def by_token_service(name: str, password: str) -> int:
    return ask_token(by=basic(name, password)).status


def by_grant(name: str, password: str) -> int:
    return post_token(grant_type="password", username=name, password=password).status


def by_api(name: str, password: str) -> int:
    return send("GET", "/api/v1/me", by=basic(name, password)).status


def by_page(name: str, password: str) -> int:
    form = {"username": name, "password": password}
    return 401 if b"do not go together" in Client().post("/sign-in", form).content else 200


@pytest.mark.parametrize("attempt", [by_basic, by_token_service, by_grant, by_api, by_page])
def test_an_unknown_user_takes_as_long_as_a_wrong_password(
    world: World, settings: Settings, attempt: Attempt
) -> None:
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    for name in ("reader", "writer", "maintainer"):
        world.people[name].set_password(f"{name}-password")
        world.people[name].save()
    User.objects.filter(username="writer").update(is_active=False)
    world.people["owner"].set_unusable_password()
    world.people["owner"].save()
    costs = {}
    for name, password in (
        ("reader", "wrong"),
        ("nobody", "wrong"),
        ("writer", "wrong"),
        ("writer", "writer-password"),  # right, and disabled
        ("owner", "wrong"),  # has none
        ("robot-payments-ci", "wrong"),
    ):
        CountingHasher.calls = 0
        with CaptureQueriesContext(connection) as queries:
            assert attempt(name, password) == 401, name
        costs[name, password] = CountingHasher.calls, len(queries)
    assert set(costs.values()) == {costs["reader", "wrong"]}, costs
    assert costs["reader", "wrong"][0] == 1


@pytest.mark.parametrize("attempt", [by_basic, by_token_service, by_grant, by_api])
def test_the_words_are_the_same_whatever_was_wrong(world: World, attempt: Attempt) -> None:
    User.objects.filter(username="writer").update(is_active=False)
    said = set()
    for name, password in (
        ("reader", "wrong"),
        ("nobody", "wrong"),
        ("writer", "writer-password"),
        ("reader", "berth_pat_" + "0" * 32),
        ("nobody", "berth_pat_" + "0" * 32),
        ("reader", world.secrets["scoped"]),
    ):
        answer = send("GET", "/v2/", by=basic(name, password))
        said.add((answer.status, answer.text))
        assert attempt(name, password) == 401
    assert len(said) == 1


def test_digests_of_a_private_repository_are_unknown_elsewhere(world: World) -> None:
    header = world.by("owner")
    known, unknown = world.foreign.layer, Digest.of(b"never pushed")
    for path in ("blobs", "manifests"):
        said = {
            send("GET", f"/v2/{APP}/{path}/{digest}", by=header).text.replace(str(digest), "D")
            for digest in (known, unknown)
        }
        assert len(said) == 1
