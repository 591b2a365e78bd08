"""What the log says of requests that the client got wrong: one line, and no traceback."""

import io
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.test import Client

from accounts.models import User
from repositories.web import home


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What goes to the server's standard error."""
    (console,) = [
        handler
        for handler in logging.getLogger().handlers
        if type(handler) is logging.StreamHandler
    ]
    written = io.StringIO()
    before = console.setStream(written)
    yield written
    console.setStream(before or console.stream)


@pytest.fixture
def browser(db: None) -> Client:
    """Of somebody who may not do much."""
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_user("ada"))
    return client


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/manage/users", {}, 403),
        ("/nowhere", {}, 404),
        ("/teams/nothing", {}, 404),
        ("/", {"Host": "two words"}, 400),
        ("/manage/users\n2026 ERROR forged", {}, 404),
    ],
)
def test_a_refusal_is_one_line_and_a_warning(
    path: str, headers: dict[str, str], status: int, browser: Client, log: io.StringIO
) -> None:
    assert browser.get(path, headers=headers).status_code == status
    (line,) = log.getvalue().splitlines()
    assert " WARNING django." in line


def test_a_form_without_its_token_is_one_line(db: None, log: io.StringIO) -> None:
    browser = Client(enforce_csrf_checks=True)
    assert browser.post("/sign-in", {"username": "ada"}).status_code == 403
    (line,) = log.getvalue().splitlines()
    assert " WARNING django." in line


def test_our_own_mistake_is_told_with_all_that_led_to_it(
    browser: Client, log: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(home, "render", fail)
    assert browser.get("/").status_code == 500
    assert " ERROR django.request: " in log.getvalue()
    assert "ZeroDivisionError" in log.getvalue()


def test_what_is_no_request_keeps_its_traceback(log: io.StringIO) -> None:
    error = PermissionDenied("of a job")
    logging.getLogger("repositories.jobs").error("a job failed", exc_info=error)
    assert "PermissionDenied: of a job" in log.getvalue()
