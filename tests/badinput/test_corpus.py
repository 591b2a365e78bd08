"""The corpus itself: large enough, and every case told apart. Also what is no case of it."""

from __future__ import annotations

from collections import Counter

from tests.badinput import (
    test_authorization,
    test_conditions,
    test_framing,
    test_manifest_content,
    test_manifest_json,
    test_names,
    test_queries,
    test_references,
    test_routes,
    test_smuggling,
    test_uploads,
)
from tests.badinput.bench import Bench
from tests.badinput.wire import Connection

GROUPS = (
    test_authorization,
    test_conditions,
    test_framing,
    test_manifest_content,
    test_manifest_json,
    test_names,
    test_queries,
    test_references,
    test_routes,
    test_smuggling,
    test_uploads,
)
CASES = [case for group in GROUPS for case in group.CASES]
LEAST = 600


def test_the_corpus_has_at_least_600_cases() -> None:
    assert len(CASES) >= LEAST


def test_every_case_has_an_id_of_its_own() -> None:
    twice = [key for key, count in Counter(case.id for case in CASES).items() if count > 1]
    assert twice == []


def test_every_case_has_a_request_of_its_own() -> None:
    """A case that sends what another one sends would only count twice."""
    values = {"host": "h", "upload": "/u", "uuid": "u-u", "UUID": "U-U", "hex": "uu"}
    requests = Counter(
        (case.given, case.half_close, case.render(values), group.__name__)
        for group in GROUPS
        for case in group.CASES
    )
    assert [request for request, count in requests.items() if count > 1] == []


def test_no_case_allows_an_answer_of_500_or_more() -> None:
    """Except after CONNECT, which a server may say that it does not implement."""
    lax = [
        case.id for case in CASES if max(case.statuses) >= 500 and "CONNECT" not in str(case.raw)
    ]
    assert lax == []


def test_an_unknown_transfer_coding_ends_the_connection(bench: Bench) -> None:
    """RFC 9112, section 6.1, has 501 for it: the server's own answer, before the application."""
    with Connection(bench.host) as connection:
        lines = ("PUT /v2/a/manifests/b HTTP/1.1", f"Host: {bench.host}", "Transfer-Encoding: x")
        connection.send("\r\n".join([*lines, "", "5\r\nworld\r\n0\r\n\r\n"]).encode())
        connection.half_close()
        assert connection.answer().status in {400, 501}
        assert connection.rest() == b""
