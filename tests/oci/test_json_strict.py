"""Strict JSON: one document, one meaning."""

import json
import threading
import time

import pytest

from repositories.oci import json_strict
from repositories.oci.json_strict import MAX_CONTAINERS, MAX_DEPTH, StrictJSONError, loads


@pytest.mark.parametrize(
    ("document", "value"),
    [
        (b"{}", {}),
        (b" \t\r\n[1, 2.5, -3e2, true, false, null] ", [1, 2.5, -300.0, True, False, None]),
        (b'{"a": {"b": [{"c": ""}]}}', {"a": {"b": [{"c": ""}]}}),
        ('{"name": "Zo\u00eb \U0001f600"}'.encode(), {"name": "Zo\u00eb \U0001f600"}),
        (b'"\\u0000\\u00eb\\ud83d\\ude00"', "\0\u00eb\U0001f600"),
        (b"9223372036854775807", 2**63 - 1),
        (b'{"a": 1, "A": 2}', {"a": 1, "A": 2}),
    ],
)
def test_json_means_what_it_says(document: bytes, value: object) -> None:
    assert loads(document) == value


def test_sixty_four_levels_are_not_too_deep() -> None:
    assert MAX_DEPTH == 64
    assert loads(b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"{}{}", "not JSON"),
        (b'{"a": 1}garbage', "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b"[01]", "not JSON"),
        (b"[+1]", "not JSON"),
        (b"[1.]", "not JSON"),
        (b'["\t"]', "not JSON"),
        (b'["\\x41"]', "not JSON"),
        ("[\u0661]".encode(), "not JSON"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "not UTF-8"),
        ("{}".encode("utf-16-le"), "not JSON"),
        ("{}".encode("utf-32"), "not UTF-8"),
        (b'["\xff"]', "not UTF-8"),
        (b'["\xc0\xaf"]', "not UTF-8"),
        (b'["\xed\xa0\x80"]', "not UTF-8"),
        (b"NaN", "NaN is not JSON"),
        (b"[Infinity]", "Infinity is not JSON"),
        (b"-Infinity", "-Infinity is not JSON"),
        (b"1e400", "out of range"),
        (b"-1e400", "out of range"),
        (b"0." + b"1" * 50, "out of range"),
        (b"9" * 5000, "5000 digits"),
        (b"-" + b"9" * 40, "41 digits"),
        (b'{"a": 1, "a": 1}', "'a' stands twice"),
        (b'{"x": {"a": 1, "b": 2, "\\u0061": 3}}', "'a' stands twice"),
        (b'"\\ud800"', "lone surrogate"),
        (b'{"\\udfff": 1}', "lone surrogate"),
        (b'["\\ude00\\ud83d"]', "lone surrogate"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "deeper"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "deeper"),
        (b"[" * 100_000 + b"]" * 100_000, "deeper"),
        (b"[" + b"{}," * MAX_CONTAINERS + b"{}]", "objects and lists"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else None,
)
def test_what_readers_could_disagree_on_is_refused(document: bytes, reason: str) -> None:
    with pytest.raises(StrictJSONError, match=reason):
        loads(document)


def test_a_key_that_stands_twice_is_not_repeated_whole_in_the_error() -> None:
    document = json.dumps({"k" * 10_000: 1})[:-1] + ", " + json.dumps({"k" * 10_000: 2})[1:]

    with pytest.raises(StrictJSONError) as caught:
        loads(document.encode())

    assert len(str(caught.value)) < 300


def test_many_keys_of_which_the_last_stands_twice_are_refused_in_linear_time() -> None:
    keys = ",".join(f'"{number}":0' for number in range(100_000))
    started = time.thread_time()

    with pytest.raises(StrictJSONError, match="stands twice"):
        loads(f'{{{keys},"99999":0}}'.encode())

    assert time.thread_time() - started < 5


def test_no_more_than_two_large_documents_are_parsed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each costs a hundred times its size while it is parsed."""
    parse = json_strict._parse
    lock, now, most = threading.Lock(), 0, 0

    def counted(document: bytes) -> object:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.01)
        try:
            return parse(document)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(json_strict, "_parse", counted)
    large = b"[" + b" " * json_strict._LARGE + b"]"
    threads = [threading.Thread(target=loads, args=(large,)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == 2
