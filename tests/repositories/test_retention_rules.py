"""Rules, one by one: what they keep, how they read, and what is no rule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from repositories.retention_judge import Because, Judge, attached_to, attachments_of
from repositories.retention_rules import MAX_RULES, Rule, parse

NOW = datetime(2026, 6, 1, tzinfo=UTC)
HEX = "0123456789abcdef" * 4
# A tag: its name, and how many days ago it was pushed and, maybe, its image pulled.
Row = tuple[str, float] | tuple[str, float, float]


def kept(rules: list[dict[str, Any]], *tags: Row) -> str:
    """The names of the tags that stay, in the order of their pushes."""
    judge = Judge(parse(rules), now=NOW)
    ordered = sorted(tags, key=lambda tag: tag[1])
    for name, *days in ordered:
        ago = [NOW - timedelta(days=day) for day in days]
        judge.look(name, pushed=ago[0], used=max(ago), is_orphan=bool(attached_to(name)))
    verdicts = judge.verdicts()
    return " ".join(tag[0] for tag, verdict in zip(ordered, verdicts, strict=True) if verdict.stays)


def newest(count: int, pattern: str = "*") -> dict[str, Any]:
    return {"rule": "newest", "count": count, "pattern": pattern}


def pushed(days: int, pattern: str = "*") -> dict[str, Any]:
    return {"rule": "pushed", "days": days, "pattern": pattern}


def pulled(days: int) -> dict[str, Any]:
    return {"rule": "pulled", "days": days}


def matching(pattern: str) -> dict[str, Any]:
    return {"rule": "matching", "pattern": pattern}


def versions(count: int, line: str = "minor", **more: Any) -> dict[str, Any]:
    return {"rule": "versions", "count": count, "line": line, **more}


UNTAGGED = {"rule": "untagged", "days": 7}
SOME: list[Row] = [("v3", 1), ("latest", 2), ("v2", 3), ("x", 4), ("v1", 5)]
LINES: list[Row] = [
    (name, 1)
    for name in (
        *("1.0.0", "1.0.1", "1.0.2", "1.1.0", "v1.1.1", "1.1.1", "2.0.0-rc.1", "2.0.0-rc.2"),
        *("latest", "1.1", "2"),
    )
]


@pytest.mark.parametrize(
    ("rules", "tags", "expected"),
    [
        # Without a rule about tags, none goes.
        ([], SOME, "v3 latest v2 x v1"),
        ([UNTAGGED], SOME, "v3 latest v2 x v1"),
        # By push.
        ([newest(2)], SOME, "v3 latest"),
        ([newest(2, "v*")], SOME, "v3 v2"),
        ([newest(9)], SOME, "v3 latest v2 x v1"),
        ([newest(1, "v*"), newest(1)], SOME, "v3"),  # a tag counts for each rule
        ([newest(1, "x"), newest(1)], SOME, "v3 x"),
        ([newest(1, "nothing")], SOME, ""),
        # By the time of the push.
        ([pushed(3)], SOME, "v3 latest"),  # what was pushed three days ago is out
        ([pushed(4, "v*")], SOME, "v3 v2"),
        ([pushed(400)], SOME, "v3 latest v2 x v1"),
        # By use; what was just pushed had no time to be pulled.
        ([pulled(10)], [("a", 50, 5), ("b", 50, 20), ("c", 50), ("d", 5)], "d a"),
        ([pulled(10)], [("a", 5, 20)], "a"),
        # By name.
        ([matching("v*")], SOME, "v3 v2 v1"),
        ([matching("latest"), newest(1, "v*")], SOME, "v3 latest"),
        ([matching("LATEST")], SOME, ""),
        # Versions.
        ([versions(1)], LINES, "1.0.2 v1.1.1 1.1.1 2.0.0-rc.2"),
        ([versions(2)], LINES, "1.0.1 1.0.2 1.1.0 v1.1.1 1.1.1 2.0.0-rc.1 2.0.0-rc.2"),
        ([versions(1, "major")], LINES, "v1.1.1 1.1.1 2.0.0-rc.2"),
        ([versions(2, "major")], LINES, "1.1.0 v1.1.1 1.1.1 2.0.0-rc.1 2.0.0-rc.2"),
        ([versions(1, pattern="v*")], LINES, "v1.1.1"),
        ([versions(9), matching("latest")], [("latest", 1), ("1", 1), ("1.2", 1)], "latest"),
        # The highest versions, whenever they were pushed.
        ([versions(1)], [("1.0.9", 9), ("1.0.10", 30), ("1.0.1", 1)], "1.0.10"),
        # Releases before pre-releases, however new those are.
        ([versions(1)], [("1.0.1-rc.1", 1), ("1.0.0", 9)], "1.0.0"),
        ([versions(2)], [("1.0.1-rc.1", 1), ("1.0.1-rc.2", 1), ("1.0.0", 9)], "1.0.1-rc.2 1.0.0"),
        # Old pre-releases go, and take nobody's place.
        ([versions(2, days=5)], [("1.0.0-b", 9), ("1.0.0-a", 1)], "1.0.0-a"),
        ([versions(1, days=5)], [("1.0.0-b", 9), ("1.0.0-a", 1)], "1.0.0-a"),
        ([versions(1, days=5)], [("1.0.0", 99)], "1.0.0"),
        ([versions(1, days=5), pushed(10)], [("1.0.0-b", 9)], "1.0.0-b"),
        # Signatures whose image is not here take no image's place.
        ([newest(1)], [(f"sha256-{HEX}.sig", 1), ("v1", 2)], "v1"),
        ([matching("*.sig")], [(f"sha256-{HEX}.sig", 1), ("v1", 2)], f"sha256-{HEX}.sig"),
    ],
)
def test_what_the_rules_keep(rules: list[Any], tags: list[Row], expected: str) -> None:
    assert kept(rules, *tags) == expected


def test_a_verdict_names_the_first_rule_that_keeps() -> None:
    judge = Judge(parse([versions(1), matching("1.*"), newest(1)]), now=NOW)
    for name in ("x", "1.0.1", "1.0.0", "y"):
        judge.look(name, pushed=NOW, used=NOW, is_orphan=False)
    assert [(v.because, v.rule) for v in judge.verdicts()] == [
        (Because.RULE, 2),
        (Because.RULE, 0),
        (Because.RULE, 1),
        (Because.NO_RULE, None),
    ]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (newest(10, "v*"), "Keep the newest 10 tags that match v*"),
        (newest(1), "Keep the newest tag"),
        (pushed(30), "Keep tags that were pushed within the last 30 days"),
        (pushed(1, "ci-*"), "Keep tags that match ci-* and were pushed within the last day"),
        (pulled(90), "Keep images that were pulled, or pushed, within the last 90 days"),
        (matching("latest"), "Keep tags that match latest"),
        (matching("*"), "Keep all tags"),
        (versions(3), "Keep the newest 3 versions of each minor line"),
        (
            versions(1, "major", days=14, pattern="v*"),
            (
                "Keep the newest version of each major line, of tags that match v*, "
                "no pre-releases older than 14 days"
            ),
        ),
        (UNTAGGED, "Remove manifests that have had no tag for 7 days"),
    ],
)
def test_rules_read_as_sentences_and_are_stored_as_they_were_given(
    rule: dict[str, Any], sentence: str
) -> None:
    (parsed,) = parse([rule])
    assert str(parsed) == sentence
    assert parse([parsed.as_json()]) == (parsed,)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({}, "Send a list"),
        ([newest(1)] * (MAX_RULES + 1), "Send a list"),
        ([newest(1), "newest"], "Rule 2: “rule” must be one of"),
        ([{"rule": "oldest"}], "Rule 1: “rule” must be one of"),
        ([{"rule": ["newest"]}], "Rule 1: “rule” must be one of"),
        ([{"rule": "newest"}], "Rule 1: “count” is missing"),
        ([newest(0)], "whole number from 1"),
        ([newest(10**9)], "whole number from 1"),
        ([newest(True)], "whole number from 1"),
        ([{"rule": "pushed", "days": "7"}], "whole number from 1"),
        ([{"rule": "pushed", "days": 1.5}], "whole number from 1"),
        ([newest(1, "v[")], "matches no tag"),
        ([newest(1, "x" * 200)], "matches no tag"),
        ([{"rule": "matching", "pattern": 1}], "matches no tag"),
        ([versions(1, "patch")], "“line” must be"),
        ([versions(1, ["major"])], "“line” must be"),  # type: ignore[arg-type]
        ([newest(1) | {"days": 3}], "“days” has no meaning"),
        ([newest(1) | {"\0": 3}], "has no meaning"),
        ([UNTAGGED, UNTAGGED], "Only one rule"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(data: object, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        parse(data)
    assert problem in " ".join(refused.value.message_dict["rules"])


@pytest.mark.parametrize(
    ("tag", "digest"),
    [
        (f"sha256-{HEX}.sig", f"sha256:{HEX}"),
        (f"sha256-{HEX}.att", f"sha256:{HEX}"),
        (f"sha256-{HEX}.sbom", f"sha256:{HEX}"),
        (f"sha256-{HEX}", f"sha256:{HEX}"),
        (f"sha512-{HEX}", f"sha512:{HEX}"),
        (f"sha256-{HEX}.other", ""),
        (f"sha256-{HEX[1:]}.sig", ""),
        (f"sha256-{HEX.upper()}.sig", ""),
        (f"sha384-{HEX}", ""),
        (f"x-sha256-{HEX}.sig", ""),
        ("v1.sig", ""),
    ],
)
def test_what_is_attached_by_its_tag_names_its_image(tag: str, digest: str) -> None:
    assert attached_to(tag) == digest
    if digest:
        assert tag in attachments_of(digest)


def test_a_rule_of_one_kind_has_nothing_of_another() -> None:
    (rule,) = parse([UNTAGGED])
    assert rule == Rule(rule.kind, days=7)
