"""S12: a secret that somebody shows is in no log, no audit row, no error and no process list.

zot logged tokens (CVE-2025-48374).
"""

import base64
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.test import Client

from accounts import tokens
from accounts.models import AccessToken, AuditEvent
from tests.live import LiveServer
from tests.security.client import Answer, basic, post_token, send, token_for
from tests.security.conftest import APP, World
from tests.security.live import get

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def canary(kind: str) -> str:
    """A secret that is nowhere yet, of the kind's form."""
    random = "".join(secrets.choice(LETTERS) for _ in range(32))
    if kind == "JWT":
        head = (
            base64.urlsafe_b64encode(b'{"alg":"ES256","typ":"JWT","kid":"x"}').decode().rstrip("=")
        )
        return f"{head}.{random}.{random[::-1]}"
    return {"token": f"berth_pat_{random}", "password": f"canary-{random.lower()}"}[kind]


def by_basic_password(value: str) -> list[Answer]:
    pairs = [basic(name, value) for name in ("owner", "nobody", "robot-payments-ci", "oidc", "")]
    return [send("GET", path, by=by) for by in pairs for path in ("/v2/", "/token", "/api/v1/me")]


def by_basic_name(value: str) -> list[Answer]:
    """As GitHub takes a token: for the user name, with no password or any."""
    pairs = [basic(value, password) for password in ("", "x-oauth-basic", value)]
    return [send("GET", path, by=by) for by in pairs for path in ("/v2/", "/token", "/api/v1/me")]


def by_header(value: str) -> list[Answer]:
    headers = [f"Bearer {value}", f"Token {value}", value, f"Basic {value}", f"Digest {value}"]
    return [send("GET", path, by=by) for by in headers for path in ("/v2/", "/token", "/api/v1/me")]


def by_other_header(value: str) -> list[Answer]:
    names = ("X-Api-Key", "PRIVATE-TOKEN", "X-Registry-Auth", "Cookie", "X-CSRFToken")
    paths = ("/v2/", "/token", "/api/v1/me", "/sign-in", "/admin/")
    return [send("GET", path, headers={name: value}) for name in names for path in paths]


def by_form(value: str) -> list[Answer]:
    fields = (
        "password",
        "refresh_token",
        "subject_token",
        "client_secret",
        "assertion",
        "username",
    )
    grants = ("password", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange", "x")
    answers = []
    for grant in grants:
        for name in fields:
            form = {"grant_type": grant, "username": "owner", "access_type": "offline", name: value}
            answers.append(post_token(**form))
    return answers


def by_page(value: str) -> list[Answer]:
    found = []
    for form in (
        {"username": "owner", "password": value},
        {"username": value, "password": "x"},
        {"username": value, "password": value},
        {"username": "", "password": value},
    ):
        answer = Client().post("/sign-in", form)
        kept = re.sub(
            rb'name="username"[^>]*', b"", answer.content
        )  # the form keeps what was typed
        found.append(Answer(answer.status_code, dict(answer.headers), kept))
    return found


def by_api(value: str) -> list[Answer]:
    kind = {"Content-Type": "application/json"}
    by = basic("owner", "owner-password")
    bodies: list[tuple[str, object]] = [
        ("me/password", {"old_password": value, "new_password": "short"}),
        ("me/password", {"old_password": "owner-password", "new_password": value[:5]}),
        ("invitations/accept", {"secret": value}),
    ]
    return [
        send("POST", f"/api/v1/{path}", json.dumps(body).encode(), by=by, headers=kind)
        for path, body in bodies
    ]


PLACES: list[Callable[[str], list[Answer]]] = [
    by_basic_password,
    by_basic_name,
    by_header,
    by_other_header,
    by_form,
    by_page,
    by_api,
]


def everything_stored() -> str:
    """Every row of every table, as text."""
    models = [m for m in apps.get_models() if m._meta.app_label in ("accounts", "repositories")]
    rows = [row for model in models for row in model._default_manager.values()]
    return "\n".join(map(str, rows))


@pytest.mark.parametrize("kind", ["password", "token", "JWT"])
@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_what_is_refused_is_not_written_down(
    world: World,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
    kind: str,
    place: Callable[[str], list[Answer]],
) -> None:
    caplog.set_level(logging.DEBUG)
    value = canary(kind)
    answers = place(value)
    assert all(answer.status < 500 for answer in answers)
    written = "".join(capfd.readouterr())
    for where, text in {
        "log": caplog.text,
        "output": written,
        "database": everything_stored(),
        "answers": "\n".join(answer.text for answer in answers),
    }.items():
        for part in (value, value.partition(".")[2] or value, value[10:40]):
            assert part not in text, where


def test_what_is_taken_is_not_written_down_either(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = {"password": "owner-password", "token": world.secrets["robot"]}
    scope = f"repository:{APP}:pull,push"
    shown["JWT"] = token_for(scope, by=world.by("robot"))
    form = {"grant_type": "password", "username": "owner", "password": "owner-password"}
    shown["refresh token"] = post_token(**form, access_type="offline").json()["refresh_token"]
    post_token(scope, grant_type="refresh_token", refresh_token=shown["refresh token"])
    for by in (basic("owner", "owner-password"), world.by("robot"), f"Bearer {shown['JWT']}"):
        send("GET", f"/v2/{APP}/manifests/1", by=by)
        send("POST", f"/v2/{APP}/blobs/uploads/", by=by)
        send("DELETE", f"/v2/{APP}/manifests/1", by=by)
        send("GET", "/v2/research/unannounced/tags/list", by=by)
        send("POST", "/v2/research/unannounced/blobs/uploads/", by=by)
    Client().post("/sign-in", {"username": "owner", "password": "owner-password"})
    kept = caplog.text + everything_stored()
    assert AuditEvent.objects.count() > 3
    for what, value in shown.items():
        assert value not in kept, what


def test_the_hint_is_all_that_is_told_of_a_token(world: World) -> None:
    told = "\n".join(str(row) for row in AuditEvent.objects.values())
    send("DELETE", f"/v2/{APP}/manifests/1", by=world.by("robot"))
    told += "\n".join(str(row) for row in AuditEvent.objects.values())
    secret = world.secrets["robot"]
    assert secret[-4:] in told
    assert secret[-5:] not in told
    assert "secret_hash" not in told


def test_who_guesses_at_whose_account_is_told(world: World) -> None:
    """A name that nobody has may be a password in the wrong field: it is left out."""
    for name in ("owner", "robot-payments-ci", "hunter2"):
        send("GET", "/v2/", by=basic(name, "wrong"))
    events = AuditEvent.objects.filter(action="sign-in", outcome="denied").order_by("pk")
    assert [(event.actor, event.address) for event in events] == [
        ("owner", "192.0.2.1"),
        ("robot-payments-ci", "192.0.2.1"),
        ("", "192.0.2.1"),
    ]


def test_a_mistake_of_ours_is_logged_without_what_was_sent(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With its traceback, in which Django's own error reports would show local variables."""

    def fail(*args: object, **options: object) -> None:
        raise ZeroDivisionError

    value = canary("password")
    monkeypatch.setattr("accounts.authentication.authenticate", fail)
    for path in ("/v2/", "/token"):
        answer = send("GET", path, by=basic("owner", value))
        assert answer.status == 500
        assert value not in answer.text
        assert "Traceback" not in answer.text
    browser = Client(raise_request_exception=False)
    answer_of_page = browser.post("/sign-in", {"username": "owner", "password": value})
    assert answer_of_page.status_code == 500
    assert value not in answer_of_page.content.decode()
    assert "ZeroDivisionError" in caplog.text
    assert value not in caplog.text


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[LiveServer, str]]:
    """A server whose first administrator has a password of the operator's."""
    password = canary("password")
    server = LiveServer(
        tmp_path / "data",
        open_access=False,
        env={"REGISTRY_ADMIN_PASSWORD": password, "REGISTRY_LOG_ACCESSLOG_DISABLED": "false"},
    )
    with server:
        yield server, password


def test_no_secret_is_in_the_process_list_or_the_log_of_a_server(
    live: tuple[LiveServer, str],
) -> None:
    server, password = live
    with_password = get(server, "/token?service=berth", basic("admin", password))
    assert '"token"' in with_password
    token = str(json.loads(with_password)["token"])
    get(server, "/v2/", f"Bearer {token}")
    get(server, "/v2/_catalog", basic(password, token))
    get(server, f"/invitations/{password}", "")
    get(server, f"/sign-in?next=/invitations/{password}", "")
    assert "GET /v2/_catalog" in server.log()
    commands = [" ".join(process.command) for process in server.members()]
    assert len(commands) >= 3
    for secret in (password, token):
        assert secret not in "\n".join(commands)
        assert secret not in server.log()
        assert basic("admin", secret).partition(" ")[2] not in server.log()
    # Neither do the server's own processes carry the password along.
    for pid in server.workers():
        assert password.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_tokens_are_kept_as_digests_only(world: World) -> None:
    for secret in world.secrets.values():
        assert secret not in everything_stored()
        assert secret[:-4][10:] not in everything_stored()
    token = AccessToken.objects.first()
    assert token is not None
    assert len(bytes(token.secret_hash)) == 32
    _, again = tokens.create(owner=world.robot, name="another")
    assert len(set(again)) > 10
