"""What the rules of a policy would remove from one repository: found, and nothing changed.

Tags go that no rule keeps, with the manifests that only they led to, and manifests that have had
no tag for too long. Whatever belongs to something that stays, stays: the entries of an index, what
refers to a subject, the subject of what refers to it, and what is attached to an image by a tag
that names its digest. So no index and no signature is ever broken.

What goes is in groups, each of which goes as a whole or not at all.

A repository may have very many tags: of each no more is kept than its name and a few numbers, of
manifests only those that may go.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, NamedTuple

from django.conf import settings
from django.utils import timezone

from repositories import limits, needs, retention_rows
from repositories.models import Repository
from repositories.patterns import matching
from repositories.retention_judge import (
    DAY,
    NO_RULE,
    NOT_ASKED,
    PROTECTED,
    RECENT,
    Because,
    Judge,
    Verdict,
    attached_to,
)
from repositories.retention_rules import Kind, Rule, Rules

_PIECE = 1000
# What an index is about to list was asked for, or pushed again, as long ago at most.
HOLD = timedelta(hours=1)


class TagRow(NamedTuple):
    """A tag as it was found. `pulled` is 0 where it never was; both are seconds."""

    id: int
    name: str
    manifest: int
    pushed: float
    pulled: float


@dataclass(slots=True)
class Group:
    """What goes together: tags, by their number in the plan, and manifests, by their id."""

    tags: list[int] = field(default_factory=list)
    manifests: list[int] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.tags) + len(self.manifests)


@dataclass(slots=True)
class Plan:
    """What stays and what goes. Manifests that are in none of the dicts stay as their tags do."""

    repository_id: int
    rules: Rules
    began: datetime
    patterns: Collection[str] = ()  # of immutable tags
    tags: list[TagRow] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)  # of the tags
    manifests: dict[int, Verdict] = field(default_factory=dict)  # by id, where looked at
    groups: list[Group] = field(default_factory=list)

    @property
    def going_tags(self) -> Iterator[TagRow]:
        return (self.tags[number] for group in self.groups for number in group.tags)

    @property
    def going_manifests(self) -> set[int]:
        return {id for group in self.groups for id in group.manifests}


def make(*, repository: Repository, rules: Rules) -> Plan:
    """The plan for a repository, as it is now."""
    plan = Plan(repository.pk, rules, timezone.now())
    if not rules:
        return plan
    plan.patterns = limits.look(repository.name).patterns
    return _Planner(plan).plan


class _Planner:
    """Makes a plan, step by step."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._images: dict[int, int] = {}  # of attached tags, by number: the image's id
        self._attached: dict[int, list[int]] = defaultdict(list)  # and the other way
        self._needed: set[int] = set()  # the images of attached tags that are protected
        self._judge_tags()
        self._kept = {
            row.manifest
            for number, row in enumerate(plan.tags)
            if number not in self._images and plan.verdicts[number].stays
        }
        self._untagged = self._judge_untagged()
        self._decide()

    # Tags.

    def _judge_tags(self) -> None:
        plan, numbers, protected = self.plan, [], set[str]()
        judge = Judge(plan.rules, now=plan.began)
        for rows in _parts(retention_rows.tags(plan.repository_id)):
            digests = [attached_to(row[1]) for row in rows]
            images = retention_rows.ids_of(
                plan.repository_id, {digest for digest in digests if digest}
            )
            protected |= matching(plan.patterns, [row[1] for row in rows])
            for (id, name, manifest, pushed, pulled, image_pulled), digest in zip(
                rows, digests, strict=True
            ):
                number = len(plan.tags)
                seconds = pulled.timestamp() if pulled else 0.0
                plan.tags.append(TagRow(id, name, manifest, pushed.timestamp(), seconds))
                plan.verdicts.append(NO_RULE)
                if digest in images and name not in protected:
                    self._images[number] = images[digest]
                    self._attached[images[digest]].append(number)
                    continue
                if digest in images:  # it stays, and so does what it is attached to
                    self._needed.add(images[digest])
                used = max(at for at in (pushed, pulled, image_pulled) if at)
                judge.look(name, pushed=pushed, used=used, is_orphan=bool(digest))
                numbers.append((number, bool(digest) and pushed > plan.began - DAY))
        for (number, is_waiting), verdict in zip(numbers, judge.verdicts(), strict=True):
            plan.verdicts[number] = verdict
            if verdict.stays:
                continue
            if plan.tags[number].name in protected:
                plan.verdicts[number] = PROTECTED
            elif is_waiting:  # its image may be on its way
                plan.verdicts[number] = RECENT

    # Manifests without a tag.

    def _judge_untagged(self) -> set[int]:
        """Those that go by themselves."""
        plan, due = self.plan, dict[str, int]()
        place, rule = _rule_of(plan.rules, Kind.UNTAGGED)
        pulled_place, pulled_rule = _rule_of(plan.rules, Kind.PULLED)
        for id, digest, pushed, pulled, is_needed in retention_rows.untagged(plan.repository_id):
            if pulled_rule and max(pushed, pulled or pushed) > _ago(plan, pulled_rule):
                plan.manifests[id] = Verdict(True, Because.RULE, pulled_place)
            elif is_needed:
                continue  # by what lists it, or by its subject: it follows that
            elif rule is None:
                plan.manifests[id] = NOT_ASKED
            elif pushed > _ago(plan, rule):
                plan.manifests[id] = RECENT
            else:
                due[digest] = id
        if not due or rule is None:
            return set()
        recent = retention_rows.lost_a_tag(plan.repository_id, due, since=_ago(plan, rule))
        held = retention_rows.held(
            due.values(), since=plan.began - timedelta(seconds=settings.GARBAGE_GRACE)
        )
        plan.manifests |= dict.fromkeys(recent, RECENT)
        plan.manifests |= dict.fromkeys(held, Verdict(True, Because.IN_USE))
        going = set(due.values()) - recent - held
        plan.manifests |= dict.fromkeys(going, Verdict(False, Because.RULE, place))
        return going

    # What follows what.

    def _decide(self) -> None:
        plan = self.plan
        candidates = self._below(
            {
                row.manifest
                for number, row in enumerate(plan.tags)
                if number not in self._images and not plan.verdicts[number].stays
            }
            - self._kept
            | self._untagged
        )
        keepers = self._keepers(candidates)
        staying = self._staying(candidates, keepers)
        going = candidates - staying
        for id in staying - self._kept:
            if id not in plan.manifests or not plan.manifests[id].stays:
                plan.manifests[id] = Verdict(True, Because.FOLLOWS)
        tagged = {row.manifest for n, row in enumerate(plan.tags) if n not in self._images}
        for id in going - plan.manifests.keys():
            plan.manifests[id] = NO_RULE if id in tagged else Verdict(False, Because.FOLLOWS)
        for number, image in self._images.items():
            plan.verdicts[number] = Verdict(image not in going, Because.FOLLOWS)
        plan.groups = self._groups(going, keepers)
        self._hold()

    def _below(self, start: set[int]) -> set[int]:
        """The manifests with all that belongs to them, directly or not."""
        found, new = set(start), set(start)
        while new:
            kept = needs.kept_by(self.plan.repository_id, new)
            kept |= {self.plan.tags[n].manifest for id in new for n in self._attached.get(id, ())}
            new = kept - found
            found |= new
        return found

    def _keepers(self, candidates: set[int]) -> Mapping[int, set[int]]:
        found = {
            id: set(ids) for id, ids in needs.keepers(self.plan.repository_id, candidates).items()
        }
        for number, image in self._images.items():
            row = self.plan.tags[number]
            if row.manifest in candidates:
                found.setdefault(row.manifest, set()).add(image)
        return found

    def _staying(self, candidates: set[int], keepers: Mapping[int, set[int]]) -> set[int]:
        """Those that something else leads to, with all that belongs to them, and their subjects."""
        subjects = retention_rows.subjects(self.plan.repository_id, candidates)
        follow: dict[int, set[int]] = defaultdict(set)
        for kept, ids in keepers.items():
            for id in ids:
                follow[id].add(kept)
        for referrer, subject in subjects.items():
            follow[referrer].add(subject)
        roots = self._kept | self._needed
        new = {
            id
            for id in candidates
            if id in roots
            or (id in self.plan.manifests and self.plan.manifests[id].stays)
            or keepers.get(id, set()) - candidates
        }
        staying: set[int] = set()
        while new:
            staying |= new
            new = {kept for id in new for kept in follow.get(id, ())} & candidates - staying
        return staying

    # Groups.

    def _groups(self, going: set[int], keepers: Mapping[int, set[int]]) -> list[Group]:
        leader = {id: id for id in going}

        def find(id: int) -> int:
            while leader[id] != id:
                leader[id] = leader[leader[id]]
                id = leader[id]
            return id

        for kept, ids in keepers.items():
            for id in ids:
                if kept in going and id in going:
                    leader[find(kept)] = find(id)
        groups: dict[int, Group] = defaultdict(Group)
        for id in sorted(going):
            groups[find(id)].manifests.append(id)
        alone = []
        for number, verdict in enumerate(self.plan.verdicts):
            if verdict.stays:
                continue
            manifest, image = self.plan.tags[number].manifest, self._images.get(number)
            member = manifest if manifest in going else image
            if member is None:
                alone.append(Group([number]))  # its manifest stays
            else:
                groups[find(member)].tags.append(number)
        return [*groups.values(), *alone]

    def _hold(self) -> None:
        """Let groups stay as a whole that have an entry which an index may be about to list."""
        going = self.plan.going_manifests
        held = retention_rows.held(going, since=self.plan.began - HOLD, is_new=False)
        if not held:
            return
        verdict = Verdict(True, Because.IN_USE)
        for group in self.plan.groups:
            if held & set(group.manifests):
                self.plan.manifests |= dict.fromkeys(group.manifests, verdict)
                for number in group.tags:
                    self.plan.verdicts[number] = verdict
                group.tags, group.manifests = [], []
        self.plan.groups = [group for group in self.plan.groups if len(group)]


def _rule_of(rules: Rules, kind: Kind) -> tuple[int, Rule | None]:
    """The most generous rule of a kind, and its place."""
    found = [(place, rule) for place, rule in enumerate(rules) if rule.kind is kind]
    return max(found, key=lambda each: each[1].days or 0, default=(0, None))


def _ago(plan: Plan, rule: Rule) -> datetime:
    return plan.began - DAY * (rule.days or 0)


def _parts(rows: Iterator[Any]) -> Iterator[list[Any]]:
    while piece := list(islice(rows, _PIECE)):
        yield piece
