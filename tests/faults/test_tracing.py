"""What is read out of strace's log: the last answer, too, that it had to let go of."""

from __future__ import annotations

from pathlib import Path

from tests.faults.tracing import Call, Trace

LOG = """\
7 sendto(11<socket:[1]>, "COMMIT", 6, 0, NULL, 0 <unfinished ...>
8 fsync(12</data/blob>) = 0
7 <... sendto resumed>) = 6
7 sendto(9<socket:[2]>, "HTTP/1.1 201 ", 13, 0, NULL, 0 <detached ...>
"""


def test_calls_are_in_the_order_in_which_they_ended_and_those_that_did_not_are_last(
    tmp_path: Path,
) -> None:
    log = tmp_path / "calls"
    log.write_text(LOG)
    trace = Trace()
    trace.read(log)
    assert trace.calls == [
        Call("fsync", "fsync(12</data/blob>)", "0", "8"),
        Call("sendto", 'sendto(11<socket:[1]>, "COMMIT", 6, 0, NULL, 0)', "6", "7"),
        Call("sendto", 'sendto(9<socket:[2]>, "HTTP/1.1 201 ", 13, 0, NULL, 0)', "?", "7"),
    ]
