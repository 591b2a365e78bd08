"""Guessing is slowed down, for who guesses and for nobody else; what a proxy says counts only where
the proxy is trusted (S29: Gitea CVE-2026-20896)."""

from collections.abc import Iterator

import pytest
import time_machine
from pytest_django import Settings

from accounts import throttle
from accounts.models import AuditEvent, SignInFailure
from tests.security.client import Answer, ask_token, basic, post_token, send
from tests.security.conftest import World

GUESSER, OTHER, PROXY = "198.51.100.7", "203.0.113.9", "10.0.0.1"


@pytest.fixture
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel("2031-05-01T12:00:00Z", tick=False) as traveller:
        yield traveller


def guess(
    name: str = "owner", *, address: str = GUESSER, forwarded: str = "", path: str = "/token"
) -> Answer:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    by = basic(name, "a guess")
    return send("GET", path, by=by, address=address, headers=headers)


def right(name: str = "owner", *, address: str = GUESSER, forwarded: str = "") -> Answer:
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    by = basic(name, f"{name}-password")
    return send("GET", "/token", by=by, address=address, headers=headers)


def use_up(**options: str) -> None:
    for _ in range(throttle.FREE_FAILURES):
        assert guess(**options).status == 401


def test_ten_are_free_and_then_each_waits_twice_as_long(
    world: World, clock: time_machine.Traveller
) -> None:
    use_up()
    waits = []
    for _ in range(12):
        refused = guess()
        assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
        waits.append(int(refused.headers["Retry-After"]))
        clock.shift(waits[-1] - 1)
        assert guess().status == 429
        clock.shift(1)
        assert guess().status == 401
    assert waits == [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_the_right_password_has_to_wait_as_well(
    world: World, clock: time_machine.Traveller
) -> None:
    """Else the answer would tell which guess was right."""
    use_up()
    assert right().status == 429
    clock.shift(3)
    assert right().status == 200


@pytest.mark.parametrize("path", ["/token", "/v2/", "/v2/_catalog", "/api/v1/me"])
def test_all_doors_count_together(world: World, clock: time_machine.Traveller, path: str) -> None:
    use_up(path=path)
    for door in ("/token", "/v2/", "/api/v1/me"):
        assert guess(path=door).status == 429
    form = {"grant_type": "password", "username": "owner", "password": "a guess"}
    assert post_token(**form).status == 401  # from another address


def test_neither_another_account_nor_another_address_is_affected(
    world: World, clock: time_machine.Traveller
) -> None:
    use_up()
    assert guess().status == 429
    assert right("owner", address=OTHER).status == 200
    assert right("reader", address=GUESSER).status == 200
    assert guess("reader", address=GUESSER).status == 401
    assert right("owner", address=OTHER).status == 200
    assert guess().status == 429


def test_a_token_is_never_kept_waiting(world: World, clock: time_machine.Traveller) -> None:
    """Nobody guesses 190 random bits; and a robot shares its address with others."""
    use_up()
    by = world.by("scoped")
    assert send("GET", "/v2/", by=by, address=GUESSER).status == 200


def test_success_forgets_the_failures(world: World, clock: time_machine.Traveller) -> None:
    for _ in range(throttle.FREE_FAILURES - 1):
        guess()
    assert right().status == 200
    use_up()
    assert guess().status == 429


def test_somebody_s_success_elsewhere_does_not_help_the_guesser(
    world: World, clock: time_machine.Traveller
) -> None:
    use_up()
    assert right("owner", address=OTHER).status == 200
    assert guess().status == 429


def test_failures_are_forgotten_after_a_while(world: World, clock: time_machine.Traveller) -> None:
    use_up()
    clock.shift(throttle.WINDOW.total_seconds() + 1)
    use_up()
    assert guess().status == 429
    clock.shift(3600)
    throttle.purge()
    assert not SignInFailure.objects.exists()


def test_names_that_mean_one_account_are_counted_as_one(
    world: World, clock: time_machine.Traveller
) -> None:
    for name in ("owner", "OWNER", "Owner", "owner ", " owner", "owner\t"):
        assert right().status == 200
        assert send("GET", "/token", by=basic(name, "owner-password")).status in (
            (200, 401) if name == "owner" else (401,)
        )


def test_an_address_of_the_sixth_version_is_its_network(
    world: World, clock: time_machine.Traveller
) -> None:
    """A household has 2^64 addresses: each guess from a new one would be free."""
    for number in range(throttle.FREE_FAILURES):
        assert guess(address=f"2001:db8:1:2::{number:x}").status == 401
    assert guess(address="2001:db8:1:2:ffff::1").status == 429
    assert right(address="2001:db8:1:3::1").status == 200


def test_an_address_that_is_written_as_one_of_the_sixth_version_is_the_same_one(
    world: World, clock: time_machine.Traveller
) -> None:
    """As a server that listens on [::] sees the callers of the fourth version."""
    use_up(address=f"::ffff:{GUESSER}")
    assert guess(address=GUESSER).status == 429
    assert right(address=f"::ffff:{OTHER}").status == 200


def test_an_address_with_a_zone_is_taken(world: World, clock: time_machine.Traveller) -> None:
    assert guess(address="fe80::1%eth0").status == 401
    assert guess(address="").status == 401


def test_through_a_trusted_proxy_the_client_counts(
    world: World, clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = [PROXY]
    use_up(address=PROXY, forwarded=GUESSER)
    assert guess(address=PROXY, forwarded=GUESSER).status == 429
    assert guess(address=PROXY, forwarded=OTHER).status == 401
    assert right(address=PROXY, forwarded=OTHER).status == 200
    # What the client wrote itself stands before what the proxy adds.
    assert guess(address=PROXY, forwarded=f"{OTHER}, {GUESSER}").status == 429
    assert guess(address=PROXY, forwarded=f"junk, , {GUESSER}").status == 429
    # A client of an earlier trusted proxy is the one before it.
    assert guess(address=PROXY, forwarded=f"{GUESSER}, {PROXY}").status == 429
    assert AuditEvent.objects.filter(address=PROXY).count() == 0


def test_from_an_untrusted_peer_the_header_changes_nothing(
    world: World, clock: time_machine.Traveller, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = [PROXY]
    for number in range(throttle.FREE_FAILURES):
        assert guess(address=GUESSER, forwarded=f"203.0.113.{number}").status == 401
    assert guess(address=GUESSER, forwarded=OTHER).status == 429
    assert right(address=OTHER).status == 200
    addresses = AuditEvent.objects.filter(action="sign-in").values_list("address", flat=True)
    assert set(addresses) <= {GUESSER, OTHER}


HEADERS = {
    "X-Forwarded-For": "127.0.0.1",
    "X-Real-IP": "127.0.0.1",
    "Forwarded": 'for=127.0.0.1;proto=https;host="evil.example"',
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Server": "evil.example",
    "X-Forwarded-Port": "666",
    "X-Original-URL": "/admin/",
    "X-Rewrite-URL": "/admin/",
    "X-Remote-User": "admin",
    "Remote-User": "admin",
    "REMOTE_USER": "admin",
    "X-Forwarded-User": "admin",
    "X-Auth-Request-User": "admin",
    "X-WEBAUTH-USER": "admin",
}


@pytest.mark.parametrize("name", HEADERS)
def test_no_header_of_a_stranger_s_signs_in_or_moves_the_realm(
    world: World, settings: Settings, name: str
) -> None:
    settings.TRUSTED_PROXIES = [PROXY]
    headers = {name: HEADERS[name]}
    for path in ("/v2/", "/v2/_catalog", "/api/v1/me"):
        plain, spoofed = send("GET", path), send("GET", path, headers=headers)
        assert (spoofed.status, spoofed.body) == (plain.status, plain.body)
        assert spoofed.headers == plain.headers
        assert "evil.example" not in spoofed.text
    for path in ("/admin/", "/settings/profile"):
        answer = send("GET", path, headers=headers)
        assert answer.status == 302
        assert "evil.example" not in answer.text
    home = send("GET", "/", headers=headers)
    assert "evil.example" not in home.text
    assert b"admin" not in home.body


def test_from_a_trusted_proxy_the_realm_is_what_the_client_called(
    world: World, settings: Settings
) -> None:
    settings.TRUSTED_PROXIES = [PROXY]
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "hub.example.org"}
    answer = send("GET", "/v2/", address=PROXY, headers=headers)
    assert 'realm="https://hub.example.org/token"' in answer.headers["WWW-Authenticate"]


def test_the_token_service_has_a_rate_for_each_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = throttle.RateLimit(burst=20, per_second=5.0)
    monkeypatch.setattr(throttle, "token_requests", limit)
    now = [1000.0]
    monkeypatch.setattr("accounts.throttle.time.monotonic", lambda: now[0])
    by = world.by("scoped")
    for _ in range(20):
        assert ask_token(by=by).status == 200
    refused = ask_token(by=by)
    assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
    assert int(refused.headers["Retry-After"]) >= 1
    assert post_token(grant_type="password", username="x", password="y").status == 429
    assert send("GET", "/token", by=by, address=OTHER).status == 200
    now[0] += 1.0
    for _ in range(4):  # the refusals count as one
        assert ask_token(by=by).status == 200
    assert ask_token(by=by).status == 429


def test_one_guess_at_each_of_many_accounts_is_slowed_down_as_well(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each costs a slow hash, whether or not somebody has the name."""
    now = [1000.0]
    monkeypatch.setattr("accounts.throttle.time.monotonic", lambda: now[0])
    for number in range(throttle.FAILURES_BURST + 1):
        assert guess(f"user{number}", path="/v2/").status == 401
    refused = guess("another", path="/v2/")
    assert (refused.status, refused.code) == (429, "TOOMANYREQUESTS")
    assert int(refused.headers["Retry-After"]) == 5
    assert guess("another", path="/v2/", address=OTHER).status == 401
    assert send("GET", "/v2/", by=world.by("robot"), address=GUESSER).status == 200
    now[0] += 5.1
    assert guess("another", path="/v2/").status == 401
    assert guess("another", path="/v2/").status == 429


def test_the_rate_s_memory_is_bounded() -> None:
    limit = throttle.RateLimit(burst=1, per_second=1.0, most_addresses=100)
    for number in range(1000):
        limit.take(f"10.0.{number // 250}.{number % 250}")
    assert len(limit._buckets) == 100
