"""Tokens of the benchmarks: they let in, last for a sample, and are asked for once."""

import pytest

from benchmarks import bearer
from benchmarks.bearer import CATALOG, Account, pull, push
from benchmarks.client import Connection, WrongAnswer
from benchmarks.contenders import PASSWORD
from benchmarks.content import Blob
from benchmarks.servers import HOST, Server
from benchmarks.steps import blob_path, get_list, mount, pull_blob, push_blob

SOME = Blob.of(b"some bytes")


def account(server: Server) -> Account:
    return Account(HOST, server.port, "admin", PASSWORD)


def test_a_locked_server_lets_nobody_in_without_a_token(locked: Server) -> None:
    with Connection(HOST, locked.port) as connection:
        assert connection.request("GET", "/v2/").status == 401
    assert account(locked).headers([])["Authorization"].startswith("Bearer ")


def test_a_token_pushes_pulls_mounts_and_lists(locked: Server) -> None:
    with locked.connect(push("bearer/one")) as connection:
        push_blob(connection, "bearer/one", SOME)
    with locked.connect(push("bearer/two"), pull("bearer/one")) as connection:
        mount(connection, "bearer/two", SOME.digest, "bearer/one")
        pull_blob(connection, "bearer/two", SOME, verify=True)
    with locked.connect(CATALOG) as connection:
        get_list(connection, "/v2/_catalog", "repositories")


def test_a_token_is_for_what_it_was_asked_for(locked: Server) -> None:
    with locked.connect(push("bearer/three")) as connection:
        push_blob(connection, "bearer/three", SOME)
    with locked.connect(pull("bearer/else")) as connection:
        path = blob_path("bearer/three", SOME.digest)
        assert connection.request("GET", path).status == 401
        with pytest.raises(WrongAnswer, match="open an upload: 401"):
            push_blob(connection, "bearer/else", SOME)


def test_a_token_is_kept_and_another_one_fetched_in_time(
    locked: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    asking = account(locked)
    first = asking.headers([pull("bearer/one")])
    assert asking.headers([pull("bearer/one")]) == first
    assert asking.headers([pull("bearer/two")]) != first
    assert asking.new_headers([pull("bearer/one")]) != first
    monkeypatch.setattr(bearer, "SPARE_SECONDS", 299.999)
    assert asking.headers([pull("bearer/one")]) != first


def test_a_token_that_would_not_last_for_a_sample_is_an_error(
    locked: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearer, "SPARE_SECONDS", 100_000.0)
    with pytest.raises(WrongAnswer, match="a token lives 300 s"):
        account(locked).headers([])


def test_a_wrong_password_is_an_error(locked: Server) -> None:
    with pytest.raises(WrongAnswer, match="GET /token: 401 instead of 200"):
        Account(HOST, locked.port, "admin", "another").headers([])
