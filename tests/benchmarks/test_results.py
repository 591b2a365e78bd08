"""Results of earlier runs: those of today's form are read, others are refused in clear words."""

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import arguments
from benchmarks.command import RESULTS
from benchmarks.report import markdown
from benchmarks.results import SENDER, Cell, Line, Participant, Result

LATEST = RESULTS / "latest.json"


def result(sender: str | None, value: float) -> Result:
    """A run of one contender and two rows."""
    machine = {SENDER: sender} if sender else {}
    found = Result("2026-11-30T00:00:00+00:00", "bench", 1, machine)
    found.participants = [Participant("berth-sqlite", "Berth")]
    found.lines = [
        Line("read-tag", "GET", "1/s", True, {"berth-sqlite": Cell([value])}),
        Line("list-tags", "tags", "ms", False, {"berth-sqlite": Cell([value])}),
    ]
    return found


def test_the_published_result_can_be_compared_with() -> None:
    options = arguments(["--short", "--compare", str(LATEST)])
    assert options.compare.line("write-tag") is not None
    assert Result.from_json(options.compare.to_json()) == options.compare


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format": 0}', "not a benchmark result of format 1"),
        ("[]", "not a benchmark result of format 1"),
        ('{"format": 1, "began": ""}', "a benchmark result with other fields: 'participants'"),
        ("no JSON", "Expecting value"),
    ],
)
def test_another_file_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(SystemExit):
        arguments(["--compare", str(tmp_path / "other.json")])
    assert message in capsys.readouterr().err


def test_a_result_with_another_field_is_refused() -> None:
    data = json.loads(LATEST.read_text())
    data["lines"][0]["new"] = 1
    with pytest.raises(ValueError, match=r"other fields: .*new"):
        Result.from_json(json.dumps(data))


def test_rows_are_compared() -> None:
    text = markdown(result("ab 2.3", 20.0), result("ab 2.3", 10.0))
    assert "| GET | 2.00 |" in text
    assert "| tags | 0.50 |" in text


@pytest.mark.parametrize("sender", [None, "wrk 4.1"])
def test_requests_of_another_sender_are_not_compared(sender: str | None) -> None:
    text = markdown(result("ab 2.3", 20.0), result(sender, 10.0))
    assert "| GET | 2.00 |" not in text
    assert "| tags | 0.50 |" in text
    assert "Read rows do not compare" in text
