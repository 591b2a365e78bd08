"""The commands of the local operator: what they print, what they refuse, what the log says."""

import io
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import signing, tokens
from accounts.models import AccessToken, AuditEvent, Robot, SigningKey, Team, User
from accounts.tokens import looks_like_token

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, stdin: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    """What a command prints on standard output."""
    out = io.StringIO()
    if monkeypatch is not None:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
    call_command(*arguments, stdout=out, stderr=io.StringIO())
    return out.getvalue()


def logged() -> list[tuple[str, str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("actor", "action", "target"))


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="a-password-of-alice")


def test_create_user_prints_a_random_password_once(db: None) -> None:
    password = run("create_user", "operator", "--admin").strip()
    user = User.objects.get()
    assert len(password) >= 20
    assert user.check_password(password)
    assert (user.username, user.is_superuser, user.is_staff) == ("operator", True, True)
    assert logged() == [("command line", "user.create", "operator")]
    assert password not in str(AuditEvent.objects.values_list())


def test_create_user_reads_a_password_and_prints_nothing(
    db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("create_user", "bob", "--email", "bob@example.com", "--password-stdin")
    assert run(*words, stdin="not in a list 4\n", monkeypatch=monkeypatch) == ""
    user = User.objects.get()
    assert user.check_password("not in a list 4")
    assert (user.email, user.is_superuser, user.is_staff) == ("bob@example.com", False, False)


@pytest.mark.parametrize(
    ("words", "stdin", "complaint"),
    [
        (["create_user", "Bob"], "", "lower-case"),
        (["create_user", "alice"], "", "taken"),
        (["create_user", "library"], "", "reserved"),
        (["create_user", "payments"], "", "team"),
        (["create_user", "bob", "--email", "nonsense"], "", "email"),
        (["create_user", "bob", "--password-stdin"], "12345\n", "too short"),
        (["create_user", "bob", "--password-stdin"], "", "no password"),
        (["create_token", "--user", "nobody"], "", "no user or robot"),
        (["create_token", "--user", "alice", "--scope", "a:fly"], "", "no action"),
        (["create_token", "--user", "alice", "--scope", "A*b:pull"], "", "not a pattern"),
        (["create_token", "--user", "alice", "--expires", "30"], "", "not a lifetime"),
        (["create_token", "--user", "alice", "--expires", "0d"], "", "not a lifetime"),
        (["create_token", "--user", "alice", "--name", "x" * 101], "", "at most 100"),
        (["create_robot", "nowhere", "ci"], "", "no team"),
        (["create_robot", "payments", "C I"], "", "lower-case"),
        (["create_robot", "payments", "ci", "--scope", "x"], "", "PATTERN:ACTIONS"),
        (["revoke_token"], "", "Name one token"),
        (["revoke_token", "7", "--user", "alice", "--all"], "", "Name one token"),
        (["revoke_token", "--all"], "", "Name one token"),
        (["revoke_token", "7"], "", "No token"),
        (["revoke_token", "x", "--user", "nobody"], "", "no user or robot"),
        (["list_tokens", "--user", "nobody"], "", "no user or robot"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_what_is_wrong_is_said_and_nothing_is_changed(
    alice: User,
    team: Team,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    stdin: str,
    complaint: str,
) -> None:
    with pytest.raises(CommandError, match=f"(?i){complaint}"):
        run(*words, stdin=stdin, monkeypatch=monkeypatch)
    assert (User.objects.count(), Robot.objects.count(), AccessToken.objects.count()) == (1, 0, 0)
    assert logged() == []


def test_create_token_prints_the_token_alone(alice: User) -> None:
    words = ("create_token", "--user", "alice", "--scope", "team/*:pull,push", "other:pull")
    secret = run(*words, "--expires", "30d", "--name", "ci").removesuffix("\n")
    assert looks_like_token(secret)
    token = tokens.find(secret=secret, account="alice")
    assert token is not None
    assert (token.name, token.scopes) == ("ci", "team/*:pull,push\nother:pull")
    assert token.expires_at is not None
    assert abs(token.expires_at - timezone.now() - timedelta(days=30)) < timedelta(minutes=1)
    assert logged() == [("command line", "token.create", f"alice: ci (…{secret[-4:]})")]


def test_a_token_without_an_end_has_to_be_asked_for(alice: User) -> None:
    assert looks_like_token(run("create_token", "--user", "alice").strip())
    assert looks_like_token(run("create_token", "--user", "alice", "--expires", "never").strip())
    ends = AccessToken.objects.order_by("pk").values_list("expires_at", flat=True)
    assert [end is None for end in ends] == [False, True]


def test_create_robot_prints_its_name_apart_from_its_token(team: Team) -> None:
    out, err = io.StringIO(), io.StringIO()
    words = ("create_robot", "payments", "ci", "--scope", "payments/*:push")
    call_command(*words, stdout=out, stderr=err)
    secret = out.getvalue().removesuffix("\n")
    assert err.getvalue().strip() == "robot-payments-ci"
    token = tokens.find(secret=secret, account="robot-payments-ci")
    assert token is not None
    assert (token.kind, token.scopes) == ("robot", "payments/*:push")
    assert [action for _, action, _ in logged()] == ["robot.create", "token.create"]
    with pytest.raises(CommandError, match="already exists"):
        run(*words)
    again = run("create_token", "--user", "robot-payments-ci").strip()
    assert tokens.find(secret=again, account="robot-payments-ci") is not None


def test_a_token_is_revoked_by_its_id_or_its_end(alice: User) -> None:
    _, first = tokens.create(owner=alice, name="first")
    second, _ = tokens.create(owner=alice, name="second")
    assert "first" in run("revoke_token", f"…{first[-4:]}")
    assert tokens.find(secret=first) is None
    assert "second" in run("revoke_token", str(second.pk), "--user", "alice")
    assert not AccessToken.objects.exists()
    assert [action for _, action, _ in logged()] == ["token.revoke", "token.revoke"]


def test_nothing_is_revoked_on_a_guess(alice: User) -> None:
    first, _ = tokens.create(owner=alice, name="first")
    second, _ = tokens.create(owner=alice, name="second")
    id_of_first = str(first.pk).zfill(4)
    AccessToken.objects.filter(pk=second.pk).update(hint=id_of_first)
    with pytest.raises(CommandError, match=f"  {second.pk}  alice: second"):
        run("revoke_token", id_of_first)
    AccessToken.objects.update(hint="aaaa")
    with pytest.raises(CommandError, match="several"):
        run("revoke_token", "aaaa")
    assert AccessToken.objects.count() == 2


def test_all_tokens_of_one_user_are_revoked_and_nobody_else_s(alice: User, team: Team) -> None:
    robot = Robot.objects.create(team=team, name="robot-payments-ci")
    kept, _ = tokens.create(owner=robot, name="kept")
    for name in ("first", "second"):
        tokens.create(owner=alice, name=name)
    assert len(run("revoke_token", "--user", "alice", "--all").splitlines()) == 2
    assert list(AccessToken.objects.all()) == [kept]
    run("revoke_token", "--user", "robot-payments-ci", "--all")
    assert not AccessToken.objects.exists()


def test_the_list_shows_everything_but_the_secret(alice: User, team: Team) -> None:
    robot = Robot.objects.create(team=team, name="robot-payments-ci")
    made = [tokens.create(owner=owner, name=str(owner)) for owner in (alice, robot)]
    listed = run("list_tokens")
    for token, secret in made:
        assert token.owner_name in listed
        assert token.hint in listed
        assert secret not in listed
        assert bytes(token.secret_hash).hex() not in listed
    assert "robot-payments-ci" not in run("list_tokens", "--user", "alice")


def test_keys_are_rotated_and_the_old_one_is_trusted_a_little_longer(db: None) -> None:
    old, _ = signing.sign(subject="alice", audience="berth", claims={})
    kid = run("rotate_keys").strip()
    assert signing.jwks()["keys"][0]["kid"] == kid
    assert signing.verify(old)["sub"] == "alice"
    assert logged() == [("command line", "key.rotate", kid)]


def test_printing_the_certificates_changes_no_key(db: None) -> None:
    run("rotate_keys")
    printed = run("rotate_keys", "--certificate")

    assert SigningKey.objects.count() == 1
    assert printed.strip() == SigningKey.objects.get().certificate.strip()


def test_with_now_the_old_key_is_trusted_no_longer(db: None) -> None:
    signing.sign(subject="alice", audience="berth", claims={})
    printed = run("rotate_keys", "--now", "--certificate")
    assert printed.count("BEGIN CERTIFICATE") == 1
    assert printed.strip() == SigningKey.objects.latest("pk").certificate.strip()
    assert len(signing.jwks()["keys"]) == 1


def manage(data: Path, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    inherited = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=inherited | {"REGISTRY_DATA": str(data)},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_scripts_get_exit_statuses_and_output_that_can_be_piped(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert manage(data, "migrate").returncode == 0
    done = manage(data, "create_user", "alice", "--password-stdin", stdin="correct horse 9\n")
    assert (done.returncode, done.stdout) == (0, "")
    done = manage(data, "create_token", "--user", "alice")
    assert done.returncode == 0
    assert looks_like_token(done.stdout.removesuffix("\n"))
    assert done.stderr == ""
    done = manage(data, "create_token", "--user", "nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("CommandError: There is no user or robot")
    assert manage(data, "create_user").returncode == 2
