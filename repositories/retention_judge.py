"""Which tags the rules of a policy keep: pure, one tag after the other, the newest push first."""

import re
from collections import defaultdict
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from repositories.retention_rules import Kind, Line, Rule, Rules
from repositories.versions import Version

# Signatures and the like, by the tags that cosign gives them, and by the one that lists referrers
# where a registry had no API for that (distribution-spec, "Referrers Tag Schema", which cuts what
# is longer than 64 digits: a whole SHA-512 is too long for a tag).
_DIGITS = 64
_ENDINGS = ("", ".sig", ".att", ".sbom")
_ATTACHMENT = re.compile(r"(sha256|sha512)-([0-9a-f]{64})(?:\.(?:sig|att|sbom))?", re.ASCII)
DAY = timedelta(days=1)


class Because(StrEnum):
    """Why a tag or a manifest stays, or goes."""

    RULE = "rule"  # this rule keeps it; or, of manifests without a tag, removes it
    NO_RULE = "no-rule"  # goes: no rule keeps it
    NOT_ASKED = "not-asked"  # stays: no rule is about such
    RECENT = "recent"  # stays: without a tag for too short a time; or a signature of today
    FOLLOWS = "follows"  # what it belongs to: an image, an index, a subject
    TAGGED = "tagged"  # stays: a tag that stays leads to it
    PROTECTED = "protected"  # stays: the tag is immutable, whatever the rules say
    IN_USE = "in-use"  # stays: somebody who may push has just asked for it


class Verdict(NamedTuple):
    """`rule` is the position in the policy, from 0."""

    stays: bool
    because: Because
    rule: int | None = None


NOT_ASKED = Verdict(True, Because.NOT_ASKED)
NO_RULE = Verdict(False, Because.NO_RULE)
RECENT = Verdict(True, Because.RECENT)
PROTECTED = Verdict(True, Because.PROTECTED)


def attached_to(tag: str) -> str:
    """The digest of the image that the tag's manifest is attached to, or nothing.

    Of a SHA-512 only the first half.
    """
    match = _ATTACHMENT.fullmatch(tag)
    return f"{match[1]}:{match[2]}" if match else ""


def attachments_of(digest: str) -> list[str]:
    """The tags of what may be attached to the manifest of this digest."""
    algorithm, _, digits = digest.partition(":")
    return [f"{algorithm}-{digits[:_DIGITS]}{ending}" for ending in _ENDINGS]


class Judge:
    """Looks at all tags of a repository, the newest push first; then gives each its verdict.

    A tag is named by the number that `look` gave it. What is attached to an image that is here
    follows that image, and is not looked at.
    """

    def __init__(self, rules: Rules, *, now: datetime) -> None:
        self._now = now
        self._rules = [(place, rule) for place, rule in enumerate(rules) if rule.keeps_tags]
        self._left = {place: rule.count or 0 for place, rule in self._rules}
        self._keeps: list[int | None] = []
        self._versions: dict[int, list[tuple[Version, int]]] = defaultdict(list)
        self._kept_as = {place: Verdict(True, Because.RULE, place) for place, _ in self._rules}

    def look(self, name: str, *, pushed: datetime, used: datetime, is_orphan: bool) -> int:
        """`used`: pulled, or pushed. `is_orphan`: it is attached to an image that is not here."""
        number = len(self._keeps)
        keeps = None
        for place, rule in self._rules:
            if rule.matches(name) and self._is_kept(
                place, rule, number, name, pushed=pushed, used=used, is_orphan=is_orphan
            ):
                keeps = place if keeps is None else keeps
        self._keeps.append(keeps)
        return number

    def _is_kept(
        self,
        place: int,
        rule: Rule,
        number: int,
        name: str,
        *,
        pushed: datetime,
        used: datetime,
        is_orphan: bool,
    ) -> bool:
        if rule.kind is Kind.NEWEST:
            # A signature without its image is no image: it must not take the place of one.
            self._left[place] -= 0 if is_orphan else 1
            return not is_orphan and self._left[place] >= 0
        if rule.kind is Kind.PUSHED:
            return pushed > self._ago(rule)
        if rule.kind is Kind.PULLED:
            return used > self._ago(rule)
        if rule.kind is Kind.VERSIONS:
            self._note_version(place, rule, number, name, pushed)
            return False  # it is known when all have been looked at
        return True

    def _ago(self, rule: Rule) -> datetime:
        return self._now - DAY * (rule.days or 0)

    def _note_version(
        self, place: int, rule: Rule, number: int, name: str, pushed: datetime
    ) -> None:
        version = Version.parse(name)
        if version is None:
            return
        if version.is_release or rule.days is None or pushed > self._ago(rule):
            self._versions[place].append((version, number))

    def verdicts(self) -> list[Verdict]:
        """The verdict of each tag that was looked at, by its number."""
        if not self._rules:
            return [NOT_ASKED] * len(self._keeps)
        for place, rule in self._rules:
            for number in _newest_versions(rule, self._versions.pop(place, [])):
                kept = self._keeps[number]
                self._keeps[number] = place if kept is None else min(kept, place)
        return [NO_RULE if place is None else self._kept_as[place] for place in self._keeps]


def _newest_versions(rule: Rule, found: list[tuple[Version, int]]) -> list[int]:
    """Those that the rule keeps: releases before pre-releases, in each line so many versions.

    `1.2.3` and `v1.2.3` are one version.
    """
    lines: dict[tuple[int, int], list[tuple[Version, int]]] = defaultdict(list)
    for version, number in found:
        line = (version.major, 0 if rule.line is Line.MAJOR else version.minor)
        lines[line].append((version, number))
    kept = []
    for members in lines.values():
        distinct = sorted(
            {version for version, _ in members},
            key=lambda version: (version.is_release, version),
            reverse=True,
        )
        newest = set(distinct[: rule.count])
        kept += [number for version, number in members if version in newest]
    return kept
