"""From an Authorization header to a principal, and what is remembered on the way."""

import base64
import time
from collections.abc import Callable

import pytest
from django.contrib.auth import authenticate

from accounts import authentication
from accounts.authentication import parse_basic
from accounts.models import User
from repositories.access import Principal
from repositories.oci.errors import Unauthorized
from tests.people import user_of


def encoded(text: str | bytes, scheme: str = "Basic") -> str:
    raw = text.encode() if isinstance(text, str) else text
    return f"{scheme} {base64.b64encode(raw).decode()}"


def sign_in(header: str) -> Principal:
    return authentication.sign_in(header, address="192.0.2.1")


GOOD = encoded("reader:reader-password")


@pytest.mark.parametrize(
    ("header", "pair"),
    [
        (encoded("name:password"), ("name", "password")),
        (encoded("name:pass:word"), ("name", "pass:word")),
        (encoded("name:"), ("name", "")),
        (encoded(":password"), ("", "password")),
        (encoded("na\u00efve:p\u00e4ssw\u00f6rd"), ("na\u00efve", "p\u00e4ssw\u00f6rd")),
        (encoded("name:password", "basic"), ("name", "password")),
        (encoded("name:password", "BASIC"), ("name", "password")),
        (encoded("name:password").replace(" ", "   "), ("name", "password")),
    ],
)
def test_basic_credentials_are_a_name_and_a_password(header: str, pair: tuple[str, str]) -> None:
    assert parse_basic(header) == pair


JUNK = {
    "empty": "",
    "no credentials": "Basic",
    "blank": "Basic ",
    "no base64": "Basic !!!",
    "half base64": "Basic YTp",
    "base64 with junk that Python would skip": "Basic YTpi\u00e9!*",
    "base64 of another alphabet": "Basic " + base64.urlsafe_b64encode(b"a:\xff\xfe\xfb").decode(),
    "no colon": encoded("name"),
    "no UTF-8": encoded(b"name:\xff"),
    "a NUL": encoded("name:pass\0word"),
    "a bearer token": encoded("name:password", "Bearer"),
    "a bearer token in lower case": "bearer x.y.z",
    "no scheme": base64.b64encode(b"name:password").decode(),
    "two headers joined": f"{encoded('a:b')}, {encoded('c:d')}",
    "too long": encoded("name:" + "x" * 8192),
}


@pytest.mark.parametrize("header", JUNK.values(), ids=JUNK)
def test_what_is_no_basic_credentials_is_refused(header: str) -> None:
    with pytest.raises(Unauthorized):
        parse_basic(header)


def test_the_right_password_signs_in(reader: Principal) -> None:
    for _ in range(2):
        principal = sign_in(GOOD)
        assert (principal.user_id, principal.name) == (reader.user_id, "reader")


@pytest.mark.parametrize(
    "text",
    [
        "reader:wrong",
        "reader:",
        "reader:reader-password ",
        "Reader:reader-password",
        "reader :reader-password",
        "nobody:reader-password",
        ":reader-password",
        "x" * 1000 + ":reader-password",
    ],
)
@pytest.mark.usefixtures("reader")
def test_anything_else_does_not(text: str) -> None:
    sign_in(GOOD)  # what is remembered must not help
    with pytest.raises(Unauthorized) as caught:
        sign_in(encoded(text))

    assert "reader-password" not in str(caught.value.message) + str(caught.value.detail)


def test_a_user_without_a_usable_password_cannot_sign_in(reader: Principal) -> None:
    user = user_of(reader)
    user.set_unusable_password()
    user.save()
    for password in ("", user.password, "reader-password"):
        with pytest.raises(Unauthorized):
            sign_in(encoded(f"reader:{password}"))


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names whose passwords were checked the slow way."""
    names: list[str] = []

    def counted(*, request: None, username: str, password: str) -> object:
        names.append(username)
        return authenticate(request=request, username=username, password=password)

    monkeypatch.setattr(authentication, "authenticate", counted)
    return names


@pytest.mark.usefixtures("reader")
def test_a_password_costs_its_hash_once(checks: list[str]) -> None:
    for _ in range(5):
        sign_in(GOOD)

    assert checks == ["reader"]


@pytest.mark.usefixtures("reader")
def test_a_wrong_password_costs_its_hash_each_time(checks: list[str]) -> None:
    """And so does an unknown name: neither may be told from the other by its time."""
    for header in (encoded("reader:wrong"), encoded("nobody:wrong")):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                sign_in(header)

    assert checks == ["reader", "reader", "nobody", "nobody"]


@pytest.mark.usefixtures("reader")
def test_after_a_minute_a_password_is_checked_again(
    checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    sign_in(GOOD)
    now += authentication.REMEMBER_SECONDS - 1
    sign_in(GOOD)
    now += 2
    sign_in(GOOD)

    assert authentication.REMEMBER_SECONDS <= 60
    assert checks == ["reader", "reader"]


def disable(user: User) -> None:
    user.is_active = False
    user.save()


def change_password(user: User) -> None:
    user.set_password("another-password")
    user.save()


def delete(user: User) -> None:
    user.delete()


@pytest.mark.parametrize("change", [disable, change_password, delete])
def test_who_was_remembered_is_out_at_once(
    change: Callable[[User], None], reader: Principal
) -> None:
    """S4."""
    sign_in(GOOD)
    change(user_of(reader))
    with pytest.raises(Unauthorized):
        sign_in(GOOD)


def test_a_new_password_is_in_at_once(reader: Principal) -> None:
    sign_in(GOOD)
    change_password(user_of(reader))

    assert sign_in(encoded("reader:another-password")).name == "reader"


def test_what_a_user_may_is_read_anew_each_time(reader: Principal) -> None:
    sign_in(GOOD)
    User.objects.update(is_superuser=True)

    assert sign_in(GOOD).is_unlimited


@pytest.mark.usefixtures("reader")
def test_nothing_that_was_shown_is_kept_in_memory() -> None:
    """S12: only a keyed hash of it."""
    sign_in(GOOD)
    kept = repr(dict(authentication._remembered._entries))

    assert len(authentication._remembered._entries) == 1
    assert "reader-password" not in kept
    assert GOOD.split()[1] not in kept


def test_only_so_many_are_remembered(
    reader: Principal, writer: Principal, checks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "MAX_REMEMBERED", 1)
    for header in (GOOD, encoded("writer:writer-password"), GOOD):
        sign_in(header)

    assert checks == ["reader", "writer", "reader"]
