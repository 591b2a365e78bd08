"""Users of an htpasswd file, as `REGISTRY_AUTH=htpasswd` has them."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from django.conf import LazySettings
from django.test import Client

from accounts import authentication
from accounts.models import Membership, Robot, Team, User
from repositories.models import Repository
from tests.accounts.sso.missing import missing

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(60)]

PASSWORD = "in the file"


class HtpasswdFile:
    """The file, and time, which goes by between two changes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._time = 1_000_000_000

    def write(self, *lines: str) -> None:
        self.path.write_text("\n".join(lines) + "\n")
        self._time += 1
        os.utime(self.path, (self._time, self._time))


def entry(name: str, password: str = PASSWORD, *, prefix: bytes = b"2b") -> str:
    digest = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, prefix=b"2b"))
    return f"{name}:{digest.replace(b'$2b$', b'$' + prefix + b'$').decode('ascii')}"


@pytest.fixture
def file(tmp_path: Path, settings: LazySettings) -> HtpasswdFile:
    path = tmp_path / "htpasswd"
    settings.HTPASSWD_PATH = str(path)
    settings.AUTHENTICATION_BACKENDS = [
        "django.contrib.auth.backends.ModelBackend",
        "accounts.htpasswd.HtpasswdBackend",
    ]
    return HtpasswdFile(path)


def basic(name: str, password: str = PASSWORD) -> dict[str, str]:
    credentials = base64.b64encode(f"{name}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {credentials}"}


def status(name: str, password: str = PASSWORD) -> int:
    """What `docker login` gets."""
    authentication.forget_everything()
    return Client().get("/token?service=berth", headers=basic(name, password)).status_code


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
def test_bcrypt_of_every_kind(file: HtpasswdFile, prefix: bytes) -> None:
    file.write(entry("ada", prefix=prefix))
    assert status("ada") == 200
    assert status("ada", "wrong") == 401
    assert status("bob") == 401


def test_a_file_made_by_the_htpasswd_program(file: HtpasswdFile) -> None:
    program = shutil.which("htpasswd")
    if program is None:
        missing("htpasswd is not installed: apt install apache2-utils")
    make = [program, "-B", "-b", "-C", "5", "-c", str(file.path), "ada", PASSWORD]
    subprocess.run(make, check=True, capture_output=True)
    assert status("ada") == 200
    assert status("ada", PASSWORD + "!") == 401


def test_nothing_but_bcrypt(file: HtpasswdFile, caplog: pytest.LogCaptureFixture) -> None:
    file.write(
        "md5:$apr1$zxcvbnma$Yv0nTQ1V0xQ8o0p0kYbq51",
        "sha:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "crypt:rl.3StKT.4T8M",
        f"plain:{PASSWORD}",
        "empty:",
        "broken:$2y$05$tooshort",
        entry("ada"),
        "# a comment: nothing",
        "",
        "no colon at all",
    )
    for name in ("md5", "sha", "crypt", "plain", "empty", "broken", "# a comment"):
        assert status(name) == 401, name
        assert status(name, "password") == 401, name
    assert status("ada") == 200
    assert "the htpasswd entry of md5 is not bcrypt: make it with htpasswd -B" in caplog.text
    assert PASSWORD not in caplog.text


def test_the_file_is_read_again_when_it_changes(file: HtpasswdFile) -> None:
    file.write(entry("ada"))
    assert (status("ada"), status("bob")) == (200, 401)
    file.write(entry("bob"), entry("ada", "another"))
    assert (status("ada"), status("ada", "another"), status("bob")) == (401, 200, 200)
    file.write(entry("bob"))
    assert (status("ada", "another"), status("bob")) == (401, 200)


def test_a_file_that_is_gone_lets_nobody_in(
    file: HtpasswdFile, caplog: pytest.LogCaptureFixture
) -> None:
    file.write(entry("ada"))
    assert status("ada") == 200
    file.path.unlink()
    assert status("ada") == 401
    assert "cannot be read" in caplog.text
    file.path.write_bytes(b"\xff\xfe")
    assert status("ada") == 401


@pytest.mark.parametrize(
    "name", ["Ada", "ada lovelace", "ada/x", "library", "robot-x-ci", "ä", "a" * 65]
)
def test_names_that_cannot_be_a_user(
    file: HtpasswdFile, name: str, team: Team, caplog: pytest.LogCaptureFixture
) -> None:
    Robot.objects.create(team=team, name="robot-x-ci")
    file.write(entry(name))
    assert status(name) == 401
    assert not User.objects.exists()
    assert "the htpasswd name" in caplog.text


def test_they_may_do_everything_to_repositories(file: HtpasswdFile) -> None:
    secret = Team.objects.create(name="secret")
    Repository.objects.create(name="secret/app", team=secret)
    file.write(entry("ada"))
    client = Client()
    push = client.post("/v2/anybody/new/blobs/uploads/", headers=basic("ada"))
    assert push.status_code == 202
    assert client.get("/v2/secret/app/tags/list", headers=basic("ada")).status_code == 200
    deletion = client.delete("/v2/secret/app/manifests/none", headers=basic("ada"))
    assert deletion.status_code == 404


def test_they_administer_nothing(file: HtpasswdFile) -> None:
    Team.objects.create(name="secret")
    file.write(entry("ada"))
    browser = Client()
    browser.post("/sign-in", {"username": "ada", "password": PASSWORD})
    assert browser.get("/teams").status_code == 200
    user = User.objects.get()
    assert not user.is_superuser
    assert not user.is_staff
    assert not Membership.objects.exists()
    assert browser.get("/manage/users").status_code == 403
    assert browser.get("/admin/").status_code in (302, 403)


def test_a_local_user_of_the_name_is_not_taken_over(
    file: HtpasswdFile, administrator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    file.write(entry("root"))
    assert status("root") == 401
    assert status("root", "root-password") == 200
    assert "manage.py link_user root htpasswd" in caplog.text


def test_a_teams_namespace_is_not_taken_over(file: HtpasswdFile, team: Team) -> None:
    file.write(entry("payments"))
    assert status("payments") == 401
    assert not User.objects.exists()


def test_a_disabled_user_stays_out(file: HtpasswdFile) -> None:
    file.write(entry("ada"))
    assert status("ada") == 200
    User.objects.update(is_active=False)
    assert status("ada") == 401


def test_an_unknown_name_costs_as_much_as_a_wrong_password(
    file: HtpasswdFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    costs: list[int] = []
    check: Callable[[bytes, bytes], bool] = bcrypt.checkpw

    def counted(password: bytes, digest: bytes) -> bool:
        costs.append(int(digest.split(b"$")[2]))
        return check(password, digest)

    digest = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(5)).decode("ascii")
    file.write(f"ada:{digest}")
    monkeypatch.setattr(bcrypt, "checkpw", counted)
    assert status("ada", "wrong") == 401
    assert status("nobody", "wrong") == 401
    assert costs == [5, 5]


def test_without_a_file_nobody_is_asked(settings: LazySettings) -> None:
    assert settings.HTPASSWD_PATH == ""
    assert status("ada") == 401
