"""The rules of a retention policy: what they are made of, and how they read.

A policy is a list of rules. Rules about tags keep; tags that none of them keeps go. So a policy
without such rules removes no tag, and an empty one nothing at all. As JSON:

```
{"rule": "newest", "count": 10, "pattern": "v*"}    the newest tags, by push
{"rule": "pushed", "days": 30, "pattern": "*"}      tags pushed within so many days
{"rule": "pulled", "days": 90}                      images pulled, or pushed, within so many days
{"rule": "matching", "pattern": "release-*"}        tags that match
{"rule": "versions", "count": 3, "line": "minor", "days": 14, "pattern": "*"}
                                                    the newest semantic versions of each line
{"rule": "untagged", "days": 7}                     removes what has had no tag for so many days
```
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from repositories import patterns
from repositories.patterns import EVERY

MAX_RULES = 20
MAX_COUNT = 100_000
MAX_DAYS = 36_500


class Kind(StrEnum):
    """What a rule does."""

    NEWEST = "newest"
    PUSHED = "pushed"
    PULLED = "pulled"
    MATCHING = "matching"
    VERSIONS = "versions"
    UNTAGGED = "untagged"


class Line(StrEnum):
    """Which versions belong together: 1.4.0 and 1.9.2 to one major line, and to two minor ones."""

    MAJOR = "major"
    MINOR = "minor"


# What each rule needs, and what it may have besides.
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    Kind.NEWEST: ("count",),
    Kind.PUSHED: ("days",),
    Kind.PULLED: ("days",),
    Kind.MATCHING: ("pattern",),
    Kind.VERSIONS: ("count", "line"),
    Kind.UNTAGGED: ("days",),
}
POSSIBLE: Mapping[Kind, tuple[str, ...]] = {
    Kind.NEWEST: ("pattern",),
    Kind.PUSHED: ("pattern",),
    Kind.VERSIONS: ("days", "pattern"),
}
_MOST = {"count": MAX_COUNT, "days": MAX_DAYS}


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; what its kind has not is None. With `versions`, `days` are of pre-releases."""

    kind: Kind
    count: int | None = None
    days: int | None = None
    pattern: str | None = None
    line: Line | None = None

    @property
    def keeps_tags(self) -> bool:
        return self.kind is not Kind.UNTAGGED

    def matches(self, tag: str) -> bool:
        return self.pattern is None or patterns.matches(self.pattern, tag)

    def as_json(self) -> dict[str, Any]:
        """The rule as it is stored, and as the API has it."""
        values = {
            "rule": self.kind.value,
            "count": self.count,
            "days": self.days,
            "pattern": self.pattern,
            "line": self.line and self.line.value,
        }
        return {name: value for name, value in values.items() if value is not None}

    def __str__(self) -> str:
        """In the reader's language: “Keep the newest 10 tags that match v*”."""
        return _SENTENCES[self.kind](self)


Rules = Sequence[Rule]


def parse(data: object) -> tuple[Rule, ...]:
    """The rules that JSON is. Raises ValidationError (of `rules`), which names the rule."""
    if not isinstance(data, list) or len(data) > MAX_RULES:
        text = _("Send a list of at most %(most)d rules.") % {"most": MAX_RULES}
        raise ValidationError({"rules": text})
    rules = []
    for number, row in enumerate(data, start=1):
        try:
            rules.append(_rule(row))
        except ValidationError as error:
            text = _("Rule %(number)d: %(problem)s")
            values = {"number": number, "problem": " ".join(error.messages)}
            raise ValidationError({"rules": text % values}) from error
    if sum(rule.kind is Kind.UNTAGGED for rule in rules) > 1:
        raise ValidationError({"rules": _("Only one rule can be about untagged manifests.")})
    return tuple(rules)


def _rule(row: object) -> Rule:
    if not isinstance(row, dict) or row.get("rule") not in list(Kind):
        kinds = ", ".join(Kind)
        raise ValidationError(_("“rule” must be one of %(kinds)s.") % {"kinds": kinds})
    kind = Kind(row["rule"])
    needed, possible = NEEDED[kind], POSSIBLE.get(kind, ())
    given = {name: value for name, value in row.items() if name != "rule" and value is not None}
    for name in needed:
        if name not in given:
            raise ValidationError(_("“%(name)s” is missing.") % {"name": name})
    for name in given:
        if name not in (*needed, *possible):
            text = _("“%(name)s” has no meaning in this rule; leave it out.")
            raise ValidationError(text % {"name": str(name)[:100]})
    values: dict[str, Any] = {name: _CHECKS[name](name, value) for name, value in given.items()}
    if "pattern" in possible:
        values.setdefault("pattern", EVERY)
    return Rule(kind, **values)


def _number(name: str, value: object) -> int:
    most = _MOST[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        text = _("“%(name)s” must be a whole number from 1 to %(most)d.")
        raise ValidationError(text % {"name": name, "most": most})
    return value


def _pattern(name: str, value: object) -> str:
    return patterns.require(value if isinstance(value, str) else "")


def _line(name: str, value: object) -> Line:
    if value not in list(Line):
        raise ValidationError(_("“line” must be major or minor."))
    return Line(str(value))


_CHECKS = {"count": _number, "days": _number, "pattern": _pattern, "line": _line}


def _newest(rule: Rule) -> str:
    if _is_any(rule):
        return ngettext(
            "Keep the newest tag", "Keep the newest %(count)d tags", rule.count or 0
        ) % {"count": rule.count}
    return ngettext(
        "Keep the newest tag that matches %(pattern)s",
        "Keep the newest %(count)d tags that match %(pattern)s",
        rule.count or 0,
    ) % {"count": rule.count, "pattern": _text(rule)}


def _pushed(rule: Rule) -> str:
    if _is_any(rule):
        return ngettext(
            "Keep tags that were pushed within the last day",
            "Keep tags that were pushed within the last %(days)d days",
            rule.days or 0,
        ) % {"days": rule.days}
    return ngettext(
        "Keep tags that match %(pattern)s and were pushed within the last day",
        "Keep tags that match %(pattern)s and were pushed within the last %(days)d days",
        rule.days or 0,
    ) % {"days": rule.days, "pattern": _text(rule)}


def _pulled(rule: Rule) -> str:
    return ngettext(
        "Keep images that were pulled, or pushed, within the last day",
        "Keep images that were pulled, or pushed, within the last %(days)d days",
        rule.days or 0,
    ) % {"days": rule.days}


def _matching(rule: Rule) -> str:
    if _is_any(rule):
        return _("Keep all tags")
    return _("Keep tags that match %(pattern)s") % {"pattern": _text(rule)}


def _versions(rule: Rule) -> str:
    count = rule.count or 0
    if rule.line is Line.MAJOR:
        text = ngettext(
            "Keep the newest version of each major line",
            "Keep the newest %(count)d versions of each major line",
            count,
        )
    else:
        text = ngettext(
            "Keep the newest version of each minor line",
            "Keep the newest %(count)d versions of each minor line",
            count,
        )
    parts = [text % {"count": count}]
    if not _is_any(rule):
        parts.append(_("of tags that match %(pattern)s") % {"pattern": _text(rule)})
    if rule.days:
        text = ngettext(
            "no pre-releases older than a day",
            "no pre-releases older than %(days)d days",
            rule.days,
        )
        parts.append(text % {"days": rule.days})
    return _(", ").join(parts)


def _untagged(rule: Rule) -> str:
    return ngettext(
        "Remove manifests that have had no tag for a day",
        "Remove manifests that have had no tag for %(days)d days",
        rule.days or 0,
    ) % {"days": rule.days}


def _is_any(rule: Rule) -> bool:
    return rule.pattern is None or rule.pattern == EVERY


def _text(rule: Rule) -> str:
    return rule.pattern or EVERY


_SENTENCES = {
    Kind.NEWEST: _newest,
    Kind.PUSHED: _pushed,
    Kind.PULLED: _pulled,
    Kind.MATCHING: _matching,
    Kind.VERSIONS: _versions,
    Kind.UNTAGGED: _untagged,
}
