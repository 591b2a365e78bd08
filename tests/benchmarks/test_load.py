"""Requests per second: who sends them counts exactly, and forgives nothing."""

import pytest

from benchmarks import load
from benchmarks.bearer import push
from benchmarks.client import WrongAnswer
from benchmarks.contenders import find_binary
from benchmarks.content import Blob
from benchmarks.load import Target, read_bombardier, requests_in
from benchmarks.servers import HOST, Server
from benchmarks.steps import blob_path, push_blob
from tests.interop.tools import missing

NAME = "load/one"
SAID = """{"result": {"timeTakenSeconds": 2.003, "req1xx": 0, "req2xx": 20953, "req3xx": 0,
"req4xx": 0, "req5xx": 0, "others": 0}}"""


@pytest.fixture(params=["bombardier", "loop"])
def sender(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way of sending requests."""
    name = str(request.param)
    if name == "loop":
        monkeypatch.setattr(load, "find_binary", lambda *_: None)
    elif find_binary("bombardier") is None:
        missing("bombardier is not here: go install github.com/codesenberg/bombardier@v1.2.6")
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
    assert load.sender() == ("a loop in Python" if sender == "loop" else "bombardier")


def test_what_bombardier_says_is_read() -> None:
    assert read_bombardier(SAID) == (20953, 2.003)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (SAID.replace('"req4xx": 0', '"req4xx": 3'), "20953 2xx, 3 not 2xx, 0 failed"),
        (SAID.replace('"req3xx": 0', '"req3xx": 4'), "20953 2xx, 4 not 2xx"),
        (SAID.replace('"others": 0', '"others": 2'), "2 failed"),
        (SAID.replace("20953", "0"), "0 2xx"),
        ("error: no such option", "bombardier: error: no such"),
        ("{}", "bombardier: {}"),
    ],
)
def test_what_went_wrong_is_an_error(said: str, message: str) -> None:
    with pytest.raises(WrongAnswer, match=message):
        read_bombardier(said)
