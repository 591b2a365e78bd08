"""Requests per second: who sends them counts exactly, and forgives nothing."""

import shutil

import pytest

from benchmarks import load
from benchmarks.bearer import push
from benchmarks.client import WrongAnswer
from benchmarks.content import Blob
from benchmarks.load import Target, read_ab, requests_in
from benchmarks.servers import HOST, Server
from benchmarks.steps import blob_path, push_blob
from tests.interop.tools import missing

NAME = "load/one"
SAID = """
Time taken for tests:   2.003 seconds
Complete requests:      20953
Failed requests:        0
Keep-Alive requests:    20953
Requests per second:    10476.46 [#/sec] (mean)
"""


@pytest.fixture(params=["ab", "loop"])
def sender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of sending requests."""
    name = str(request.param)
    if name == "loop":
        monkeypatch.setattr(shutil, "which", dict[str, str]().get)
    elif shutil.which("ab") is None:
        missing("ab is not here (Debian: apache2-utils)")
    return name


@pytest.fixture
def stored(locked: Server) -> str:
    """Where a small blob is."""
    blob = Blob.of(b"small " * 20)
    with locked.connect(push(NAME)) as connection:
        push_blob(connection, NAME, blob)
    return blob_path(NAME, blob.digest)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_requests_are_counted(locked: Server, stored: str, sender: str, method: str) -> None:
    target = Target(HOST, locked.port, method, stored, locked.headers(push(NAME)))
    count, seconds = requests_in(target, 1.0)
    assert count > 20
    assert 0.9 < seconds < 10


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("path", "wrong"), [("/v2/load/one/manifests/none", "404"), ("", "401")])
def test_another_status_is_an_error(
    locked: Server, stored: str, sender: str, method: str, path: str, wrong: str
) -> None:
    headers = locked.headers(push(NAME)) if path else {}
    target = Target(HOST, locked.port, method, path or stored, headers)
    with pytest.raises(WrongAnswer, match=wrong if sender == "loop" else r"[1-9]\d* not 2xx"):
        requests_in(target, 1.0)


def test_a_closed_port_is_an_error(sender: str) -> None:
    with pytest.raises((WrongAnswer, OSError), match="refused"):
        requests_in(Target(HOST, 1, "GET", "/", {}), 1.0)


def test_the_record_says_who_sent(sender: str) -> None:
    assert load.sender().startswith("a loop" if sender == "loop" else "ab 2.")


def test_what_ab_says_is_read() -> None:
    assert read_ab(SAID) == (20953, 2.003)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (SAID + "Non-2xx responses:      3\n", "3 not 2xx, 0 failed of 20953"),
        (SAID.replace("Failed requests:        0", "Failed requests:        2"), "2 failed"),
        (SAID.replace("Keep-Alive requests:    20953", "Keep-Alive requests:    9"), "only 9"),
        (SAID.replace("Complete requests:      20953", "Complete requests:      0"), "ab: "),
        ("This is ApacheBench", "ab: This is"),
    ],
)
def test_what_went_wrong_is_an_error(said: str, message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        read_ab(said)
