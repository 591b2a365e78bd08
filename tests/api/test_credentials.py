"""Credentials over the wire: who they let in, and for how long."""

import logging

import pytest
from django.test import Client
from pytest_django import Settings

from accounts.models import User
from repositories.access import Principal
from tests.api.doors import Caller, basic, environment, through_wsgi
from tests.people import user_of

HEADERS = {
    "a wrong password": basic("reader", "wrong"),
    "an unknown user": basic("nobody", "reader-password"),
    "no colon": "Basic cmVhZGVy",
    "no UTF-8": "Basic cmVhZGVyOv8=",
    "bad base64": "Basic ***",
    "a bearer token": "Bearer abc.def.ghi",
    "a lower-case bearer token": "bearer abc.def.ghi",
    "another scheme": 'Digest username="reader"',
    "junk": "\xff\xfe",
    "8 KiB": "Basic " + "A" * 8186,
    "two headers": f"{basic('reader', 'reader-password')}, {basic('reader', 'reader-password')}",
}


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_bad_credentials_are_refused_with_a_challenge(header: str, call: Caller) -> None:
    answer = call("GET", "/v2/", headers={"Authorization": header})

    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")


def test_bad_credentials_are_refused_also_where_nobody_needs_any(
    call: Caller, reader: Principal, settings: Settings
) -> None:
    """Who mistypes a password should not find out later, by what is missing."""
    settings.ANONYMOUS_ACCESS = "pull"
    answer = call("GET", "/v2/", headers={"Authorization": basic("reader", "wrong")})

    assert answer.status == 401


def test_a_disabled_user_is_out_at_once(call: Caller, reader: Principal) -> None:
    assert call("GET", "/v2/", by=reader).status == 200
    User.objects.filter(username="reader").update(is_active=False)

    assert call("GET", "/v2/", by=reader).status == 401


def test_a_changed_password_counts_at_once(call: Caller, reader: Principal) -> None:
    assert call("GET", "/v2/", by=reader).status == 200
    user = user_of(reader)
    user.set_password("another")
    user.save()

    assert call("GET", "/v2/", by=reader).status == 401
    answer = call("GET", "/v2/", headers={"Authorization": basic("reader", "another")})
    assert answer.status == 200


def test_a_lost_membership_counts_at_once(call: Caller, reader: Principal) -> None:
    path = "/v2/payments/app/referrers/sha256:" + "0" * 64
    assert call("GET", path, by=reader).status == 200
    user_of(reader).memberships.all().delete()

    assert call("GET", path, by=reader).status == 404


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_session_cookie_never_authenticates(
    method: str, administrator: Principal, settings: Settings
) -> None:
    """S26: else any page could push and delete with the cookie of whoever looks at it."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(user_of(administrator))
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].OutputString()
    path = {
        "GET": "/v2/_catalog",
        "POST": "/v2/app/blobs/uploads/",
        "PUT": "/v2/app/manifests/latest",
        "DELETE": "/v2/app/manifests/latest",
        "PATCH": "/v2/app/blobs/uploads/0",
    }[method]

    assert client.generic(method, path).status_code == 401
    assert through_wsgi(environment(method, path, headers={"Cookie": cookie})).status == 401


def test_clients_of_the_api_need_no_csrf_token(administrator: Principal) -> None:
    client = Client(enforce_csrf_checks=True)
    response = client.post(
        "/v2/app/blobs/uploads/", headers={"Authorization": basic("root", "root-password")}
    )

    assert response.status_code == 202


@pytest.mark.parametrize("password", ["canary-password", "reader-password"])
def test_a_password_is_in_no_answer_and_no_log(
    password: str, call: Caller, reader: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    """S12."""
    caplog.set_level(logging.DEBUG)
    header = basic("reader", password)
    answers = [
        call(method, path, headers={"Authorization": header})
        for method in ("GET", "DELETE")
        for path in ("/v2/", "/v2/payments/app/manifests/x", "/v2/nowhere")
    ]
    seen = caplog.text + "".join(f"{dict(found.headers)}{found.body!r}" for found in answers)

    assert password not in seen
    assert header.split()[1] not in seen
