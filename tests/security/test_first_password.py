"""S10: there is no default password. The first start makes a random one, or takes the operator's.

Harbor shipped with a known one (CVE-2026-4404).
"""

import re
import subprocess
from pathlib import Path

import pytest

from tests.live import LiveServer, wait_for
from tests.security.client import basic
from tests.security.live import get, status

GUESSES = ["", "admin", "password", "Harbor12345", "berth", "changeme", "registry", "zot", "123456"]


def printed_password(server: LiveServer) -> str | None:
    found = re.search(r"password:\s+(\S+)  \(it is not shown again\)", server.log())
    return found[1] if found else None


def test_the_first_start_prints_a_random_password_once(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", open_access=False, from_nothing=True) as server:
        wait_for(lambda: printed_password(server) is not None, seconds=10, what="the password")
        password = printed_password(server)
        assert password is not None
        assert len(password) >= 20
        for guess in GUESSES:
            assert status(server, "/v2/", basic("admin", guess)) in (401, 429)
        assert status(server, "/v2/") == 401
        assert status(server, "/v2/", basic("admin", f"{password}x")) in (401, 429)
        stored = (tmp_path / "data" / "berth.sqlite3").read_bytes()
        assert password.encode() not in stored
        server.restart()
        assert server.log().count(password) == 1
        assert status(server, "/v2/", basic("admin", password)) in (200, 429)


def test_two_installations_have_two_passwords_and_two_keys(tmp_path: Path) -> None:
    found = set()
    for name in ("one", "two"):
        with LiveServer(tmp_path / name, open_access=False) as server:
            wait_for(lambda: printed_password(server) is not None, seconds=10, what="the password")
            keys = get(server, "/token/jwks.json")
            found |= {printed_password(server), keys, (tmp_path / name / "secret_key").read_text()}
    assert len(found) == 6


def test_the_operator_s_password_is_taken_before_the_first_request(tmp_path: Path) -> None:
    chosen = {"REGISTRY_ADMIN_PASSWORD": "of the operator's 7"}
    with LiveServer(tmp_path / "data", open_access=False, env=chosen) as server:
        assert status(server, "/v2/", basic("admin", "of the operator's 7")) == 200
        assert printed_password(server) is None
        assert "of the operator's 7" not in server.log()


def test_a_file_names_the_password_and_later_ones_change_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of a mounted file 7\n")
    chosen = {"REGISTRY_ADMIN_PASSWORD_FILE": str(tmp_path / "secret")}
    with LiveServer(tmp_path / "data", open_access=False, env=chosen) as server:
        assert status(server, "/v2/", basic("admin", "of a mounted file 7")) == 200
        (tmp_path / "secret").write_text("another of the file 8\n")
        server.restart()
        assert status(server, "/v2/", basic("admin", "of a mounted file 7")) == 200
        assert status(server, "/v2/", basic("admin", "another of the file 8")) == 401


@pytest.mark.parametrize("weak", ["admin", "12345678", "password", "short"])
def test_a_weak_one_stops_the_start_and_makes_nobody(tmp_path: Path, weak: str) -> None:
    server = LiveServer(tmp_path / "data", open_access=False, env={"REGISTRY_ADMIN_PASSWORD": weak})
    with pytest.raises(Exception, match="exited with 1"):
        server.start()
    assert "REGISTRY_ADMIN_PASSWORD: " in server.log()
    assert "Traceback" not in server.log()
    with pytest.raises(Exception, match="no user or robot 'admin'"):
        server.manage("create_token", "--user", "admin")


def test_the_secret_key_is_for_its_owner_only(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data", from_nothing=True):
        mode = (tmp_path / "data" / "secret_key").stat().st_mode
    assert mode & 0o077 == 0


def test_the_repository_holds_no_password_that_anybody_could_use() -> None:
    """Passwords of tests stay in tests."""
    root = Path(__file__).resolve().parents[2]
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, check=True
    ).stdout.split(b"\0")
    assignment = re.compile(
        rb"(?i)(?:password|secret_key|token)[\"']?\s*[:=]\s*[\"'][A-Za-z0-9+/_-]{12,}[\"']"
    )
    found = [
        name.decode()
        for name in filter(None, listed)
        if not name.startswith((b"tests/", b"benchmarks/", b".ci/"))
        and (root / name.decode()).is_file()
        and assignment.search((root / name.decode()).read_bytes())
    ]
    assert found == []
