"""`manage.py serve` up to the moment that it starts its processes."""

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import User
from registry_site import serving
from registry_site.management.commands import serve
from registry_site.serving import Address

OPEN = "--open"
ELSEWHERE = ["0.0.0.0:5000", ":5000", "[::]:5000", "192.0.2.1:5000", "registry.example.com:5000"]


@dataclass
class Supervisor:
    """Instead of the one that starts gunicorn."""

    address: Address
    is_open: bool
    on_ready: Callable[[], None] = field(default=lambda: None)

    def run(self) -> int:
        _started.append(self)
        self.on_ready()
        return 0


_started: list[Supervisor] = []


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[Supervisor]:
    """The supervisors that were run."""
    _started.clear()
    monkeypatch.setattr(serve, "Supervisor", Supervisor)
    monkeypatch.setattr(serve, "wait_for_port", lambda _: None)
    return _started


def run(*arguments: str) -> int | str | None:
    """The exit status of the command."""
    with pytest.raises(SystemExit) as caught:
        call_command("serve", *arguments, skip_checks=True, verbosity=0)
    return caught.value.code


@pytest.mark.parametrize("bind", ELSEWHERE)
def test_open_mode_is_refused_where_others_could_reach_it(
    bind: str, started: list[Supervisor]
) -> None:
    with pytest.raises(CommandError, match="REGISTRY_ANONYMOUS_ACCESS=push"):
        call_command("serve", OPEN, "--bind", bind, skip_checks=True)
    assert started == []


@pytest.mark.django_db
@pytest.mark.parametrize("bind", ELSEWHERE)
def test_open_mode_is_served_there_when_the_configuration_says_so(
    bind: str, started: list[Supervisor], settings: Settings
) -> None:
    settings.ANONYMOUS_ACCESS = "push"

    assert run(OPEN, "--bind", bind) == 0
    assert [supervisor.is_open for supervisor in started] == [True]


@pytest.mark.parametrize("bind", ["", "5000", "x", "[::1]"])
def test_an_address_that_is_none_is_refused(bind: str, started: list[Supervisor]) -> None:
    with pytest.raises(CommandError, match=r"ADDR:PORT"):
        call_command("serve", "--bind", bind, skip_checks=True)
    assert started == []


def test_an_address_that_is_taken_is_said_and_nothing_is_begun(
    started: list[Supervisor],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nor is a password printed for a server that is somebody else's."""
    monkeypatch.setattr(serve, "wait_for_port", serving.wait_for_port)
    monkeypatch.setattr(serving, "_PORT_SECONDS", 0.0)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError, match=f"{address} cannot be listened on.*--bind"):
            call_command("serve", "--bind", address, skip_checks=True)

    assert started == []
    assert capsys.readouterr().out == ""


@pytest.mark.django_db
class TestGreeting:
    def test_open_mode_says_what_to_type_and_makes_no_user(
        self, started: list[Supervisor], capsys: pytest.CaptureFixture[str]
    ) -> None:
        run(OPEN, "--bind", "127.0.0.1:5005")
        printed = capsys.readouterr().out

        assert started[0].address == ("127.0.0.1", 5005)
        assert "http://127.0.0.1:5005" in printed
        assert "  docker push 127.0.0.1:5005/hello-world\n" in printed
        assert "docker login" not in printed
        assert not User.objects.exists()

    def test_the_first_start_makes_an_administrator_and_prints_the_password_once(
        self, started: list[Supervisor], capsys: pytest.CaptureFixture[str]
    ) -> None:
        """S10: no default password, and none that could be read later."""
        run("--bind", "127.0.0.1:5005")
        printed = capsys.readouterr().out
        match = re.search(r"user: +(\S+)\n +password: +(\S+)", printed)
        assert match is not None
        user = User.objects.get()

        assert (match[1], user.username) == ("admin", "admin")
        assert user.is_superuser
        assert user.check_password(match[2])
        assert len(match[2]) >= 20
        assert match[2] not in user.password
        assert "docker login 127.0.0.1:5005" in printed
        run("--bind", "127.0.0.1:5005")
        assert "password" not in capsys.readouterr().out
        assert User.objects.count() == 1

    def test_a_locked_start_says_which_setting_gives_what_dockers_registry_gives(
        self,
        started: list[Supervisor],
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        run("--bind", "127.0.0.1:5005")
        locked = capsys.readouterr().out
        assert "Everybody has to sign in" in locked
        assert "docker run -e REGISTRY_ANONYMOUS_ACCESS=push" in locked
        settings.ANONYMOUS_ACCESS = "push"
        run("--bind", "127.0.0.1:5005")
        as_there = capsys.readouterr().out
        assert "Whoever reaches it may pull and push" in as_there
        assert "REGISTRY_ANONYMOUS_ACCESS" not in as_there
        assert "docker login" not in as_there

    def test_two_installations_have_two_passwords(
        self, started: list[Supervisor], capsys: pytest.CaptureFixture[str]
    ) -> None:
        passwords = []
        for _ in range(2):
            run("--bind", "127.0.0.1:5005")
            passwords += re.findall(r"password: +(\S+)", capsys.readouterr().out)
            User.objects.all().delete()

        assert len(set(passwords)) == 2

    def test_where_there_are_users_none_is_made(
        self, started: list[Supervisor], capsys: pytest.CaptureFixture[str]
    ) -> None:
        User.objects.create_user("somebody")
        run("--bind", "127.0.0.1:5005")

        assert "password" not in capsys.readouterr().out
        assert User.objects.count() == 1

    def test_with_a_certificate_the_address_is_https(
        self,
        started: list[Supervisor],
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        settings.IS_TLS = True
        run(OPEN, "--bind", "127.0.0.1:5005")
        printed = capsys.readouterr().out

        assert "https://127.0.0.1:5005" in printed
        assert "docker push 127.0.0.1:5005/hello-world" in printed

    def test_the_public_url_is_what_to_type(
        self,
        started: list[Supervisor],
        settings: Settings,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        settings.PUBLIC_URL = "https://registry.example.com"
        run(OPEN, "--bind", "127.0.0.1:5005")
        printed = capsys.readouterr().out

        assert "https://registry.example.com" in printed
        assert "docker push registry.example.com/hello-world" in printed
