"""Applying retention policies: a repository at a time, and of it some groups at a time.

Each transaction locks a few groups of tags and manifests, and looks again whether they are still
what the plan saw. What was moved, pulled, tagged, listed by a new index, signed, or asked for by
who may push, stays until the next run. Nobody is waited for: what somebody else holds stays, too.
"""

import logging
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from repositories import (
    deleted,
    deletion,
    manifests,
    needs,
    read_only,
    retention,
    retention_plan,
    retention_rows,
    tags,
)
from repositories.access import Principal
from repositories.audit import record
from repositories.database import again_on_conflict, give_way, pieces
from repositories.models import Manifest, Repository, RetentionRun, Review, Tag
from repositories.oci.digests import Digest
from repositories.patterns import matching
from repositories.retention import Policy
from repositories.retention_judge import Because, attachments_of
from repositories.retention_plan import Group, Plan

# For the audit log and the history.
RETENTION = Principal(name="retention", is_admin=True, credential="job")
# Each repository's turn comes once in so long, and at once when its policy has changed.
INTERVAL = timedelta(hours=6)
# A policy that was just saved waits: whoever saved it can take it back, and every process knows.
SETTLED = timedelta(minutes=1)
# So many tags and manifests a transaction removes; a larger group is removed as a whole.
BATCH = 100
_PIECE = 200
_LONGEST_PAUSE = timedelta(days=1)

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """What a run removed, and how many tags and manifests stay that changed meanwhile."""

    tags: int = 0
    manifests: int = 0
    changed: int = 0
    failed: int = 0  # repositories
    is_finished: bool = True


def run(*, seconds: float) -> Outcome:
    """Apply the policies to the repositories whose turn it is, for so many seconds at most.

    What goes wrong in one is logged, and it is tried again later and later; the others go on.
    """
    total, until = Outcome(), time.monotonic() + seconds
    if not settings.DELETE_ENABLED:
        return total
    for repository in _due():
        if time.monotonic() >= until:
            total.is_finished = False
            break
        try:
            _apply_due(repository, until, total)
        except Exception:  # whatever it is, the other repositories go on
            logger.exception("the retention of %s failed and is tried again", repository.name)
            _note_failure(repository)
            total.failed += 1
    return total


def _due() -> Iterator[Repository]:
    """Those with a policy whose turn it is: never looked at, then by when they were due."""
    now = timezone.now()
    has_own = Q(retention_policy__isnull=False)
    changed_at = Q(retention_policy__changed_at__gt=F("retention_run__finished_at"))
    changed_at |= Q(
        retention_policy=None,
        team__retention_policy__changed_at__gt=F("retention_run__finished_at"),
    )
    settled = Q(retention_policy__changed_at__lte=now - SETTLED)
    settled |= Q(retention_policy=None, team__retention_policy__changed_at__lte=now - SETTLED)
    due = Q(retention_run=None) | Q(retention_run__due_at__lte=now)
    due |= changed_at & Q(retention_run__failures=0)
    rows = Repository.objects.filter(
        settled, due, has_own | Q(team__retention_policy__isnull=False)
    ).exclude(limits__is_archived=True)
    seen: set[int] = set()
    ordered = rows.order_by(F("retention_run__due_at").asc(nulls_first=True), "pk")
    # What has had its turn is due no more, unless its time was over.
    while piece := [row for row in ordered[: _PIECE + len(seen)] if row.pk not in seen]:
        for row in piece:
            seen.add(row.pk)
            yield row


def _apply_due(repository: Repository, until: float, total: Outcome) -> None:
    outcome = apply(repository=repository, until=until)
    total.tags += outcome.tags
    total.manifests += outcome.manifests
    total.changed += outcome.changed
    total.is_finished &= outcome.is_finished


def apply(*, repository: Repository, until: float | None = None) -> Outcome:
    """Remove from a repository what its policy says, until the monotonic clock says `until`.

    A part is removed in any case, so that the next run finds less. All that a run removes can be
    undone at once. Raises PermissionDenied where deleting is switched off, ReadOnly.
    """
    deletion.require_deletes()
    policy = retention.policy_of(repository)
    began = _begin(repository)
    plan = retention_plan.make(repository=repository, rules=policy.rules)
    outcome, left = Outcome(), list(_batches(plan))
    while left and outcome.is_finished:
        groups, start = left.pop(0), time.monotonic()
        if not _remove(repository, policy, plan, groups, began, outcome):
            left = []  # other rules are in force now
            outcome.is_finished = False
        give_way(since=start)
        if left and until is not None and time.monotonic() >= until:
            outcome.is_finished = False
    _note_run(repository, outcome)
    return outcome


def _batches(plan: Plan) -> Iterator[list[Group]]:
    """The groups, some at a time, those apart that go by a rule about untagged manifests."""
    for is_untagged in (False, True):
        batch: list[Group] = []
        for group in plan.groups:
            if (_rule_against(plan, group) is not None) is not is_untagged:
                continue
            if batch and sum(map(len, batch)) + len(group) > BATCH:
                yield batch
                batch = []
            batch.append(group)
        if batch:
            yield batch


def _rule_against(plan: Plan, group: Group) -> int | None:
    """The rule that removes the group; None where it goes because no rule keeps its tags."""
    if any(plan.verdicts[number].because is Because.NO_RULE for number in group.tags):
        return None
    places = (plan.manifests[id].rule for id in group.manifests)
    return next((place for place in places if place is not None), None)


@again_on_conflict
def _remove(
    repository: Repository,
    policy: Policy,
    plan: Plan,
    groups: Sequence[Group],
    began: datetime,
    outcome: Outcome,
) -> bool:
    """Remove those of the groups that nobody has changed; whether the policy is still in force."""
    with transaction.atomic():
        held = read_only.hold(repository.name)
        if retention.policy_of(repository) != policy:
            return False
        same = _unchanged(plan, groups, held.patterns)
        names = [plan.tags[number].name for group in same for number in group.tags]
        ids = {id for group in same for id in group.manifests}
        if same:
            place = _rule_against(plan, same[0])
            freed = sum(needs.blobs_only_of(needs.links_only_of(ids)).values())
            record(
                RETENTION,
                "retention.remove",
                repository.name,
                reason="no rule keeps them" if place is None else plan.rules[place].as_json(),
                policy="team" if policy.is_teams else "repository",
                tags=names,
                manifests=_delete(repository, policy, names, ids, began),
                bytes=freed,
            )
    outcome.tags += len(names)
    outcome.manifests += len(ids)
    outcome.changed += sum(map(len, groups)) - sum(map(len, same))
    return True


def _delete(
    repository: Repository,
    policy: Policy,
    names: Collection[str],
    ids: Collection[int],
    began: datetime,
) -> list[str]:
    """Delete tags and manifests, which are locked, in the record of this run; their digests."""
    into = deleted.of_this_run(
        principal=RETENTION,
        repository_id=repository.pk,
        kind=deleted.Kind.RETENTION,
        reason="rules of the team" if policy.is_teams else "rules of the repository",
        since=began,
    )
    digests = sorted(retention_rows.digests_of(ids).values())
    for name in names:
        tags.delete(principal=RETENTION, repository=repository.name, name=name, into=into)
    for digest in map(Digest.parse, digests):
        manifests.delete(principal=RETENTION, repository=repository.name, digest=digest, into=into)
    return digests


def _unchanged(plan: Plan, groups: Sequence[Group], patterns: Collection[str]) -> list[Group]:
    """Lock the groups; those that are as the plan saw them. Inside a transaction.

    Tags are locked before manifests, as pushes do, and reviews last, as the collector does.
    """
    group_of = {id: place for place, group in enumerate(groups) for id in group.manifests}
    changed = _changed_tags(plan, groups, patterns) | {
        group_of[id] for id in _changed_manifests(group_of, plan.began)
    }
    rows = [plan.tags[number].id for group in groups for number in group.tags]
    for ids in pieces(sorted(group_of)):
        tags_here = Tag.objects.filter(manifest__in=ids).exclude(pk__in=rows)
        changed |= {group_of[id] for id in tags_here.values_list("manifest_id", flat=True)}
    changed |= {group_of[id] for id in _needed_anew(plan, group_of)}
    changed |= {group_of[id] for id in _attached_anew(plan, group_of, rows)}
    changed |= {group_of[id] for id in _asked_for(plan, group_of)}
    return [group for place, group in enumerate(groups) if place not in changed]


def _changed_tags(plan: Plan, groups: Sequence[Group], patterns: Collection[str]) -> set[int]:
    """The places of groups of which a tag is gone, immutable, was moved or pulled, or is locked."""
    ids = sorted(plan.tags[number].id for group in groups for number in group.tags)
    names = [plan.tags[number].name for group in groups for number in group.tags]
    found, protected = {}, matching(patterns, names)
    for piece in pieces(ids):
        rows = Tag.objects.select_for_update(skip_locked=True).filter(pk__in=piece).order_by("pk")
        for id, manifest, pushed, pulled in rows.values_list(
            "pk", "manifest_id", "pushed_at", "pulled_at"
        ):
            found[id] = (manifest, pushed.timestamp(), pulled.timestamp() if pulled else 0.0)
    return {
        place
        for place, group in enumerate(groups)
        for tag in (plan.tags[number] for number in group.tags)
        if found.get(tag.id) != (tag.manifest, tag.pushed, tag.pulled) or tag.name in protected
    }


def _changed_manifests(ids: Collection[int], began: datetime) -> set[int]:
    """Those that are gone, were pulled since then, or are locked."""
    found = set()
    for piece in pieces(sorted(ids)):
        rows = Manifest.objects.select_for_update(skip_locked=True).filter(pk__in=piece)
        rows = rows.exclude(pulled_at__gt=began).order_by("pk")
        found |= set(rows.values_list("pk", flat=True))
    return set(ids) - found


def _needed_anew(plan: Plan, group_of: Mapping[int, int]) -> set[int]:
    """Those that an index lists, or that something refers to, which the plan did not know of."""
    changed = set()
    for id, ids in needs.keepers(plan.repository_id, group_of).items():
        if any(group_of.get(keeper) != group_of[id] for keeper in ids):
            changed.add(id)
    others = needs.kept_by(plan.repository_id, group_of) - group_of.keys()
    new = set()
    for piece in pieces(sorted(others)):
        rows = Manifest.objects.filter(pk__in=piece, pushed_at__gte=plan.began)
        new |= set(rows.values_list("pk", flat=True))
    for ids in needs.keepers(plan.repository_id, new).values():
        changed |= ids & group_of.keys()
    return changed


def _attached_anew(plan: Plan, group_of: Mapping[int, int], known: Collection[int]) -> set[int]:
    """Those to which something was attached by a tag that the plan did not know of."""
    names = {
        name: id
        for id, digest in retention_rows.digests_of(group_of).items()
        for name in attachments_of(digest)
    }
    changed = set()
    for piece in pieces(sorted(names)):
        rows = Tag.objects.filter(repository=plan.repository_id, name__in=piece)
        rows = rows.exclude(pk__in=known)
        changed |= {names[name] for name in rows.values_list("name", flat=True)}
    return changed


def _asked_for(plan: Plan, ids: Collection[int]) -> set[int]:
    """Those that who may push has asked for since the plan was made, or is just asking for."""
    there: dict[int, int] = {}
    held: set[int] = set()
    for piece in pieces(sorted(ids)):
        rows = Review.objects.filter(kind=Review.Kind.MANIFEST, target__in=piece)
        there |= dict(rows.values_list("pk", "target"))
        locked = rows.select_for_update(skip_locked=True).filter(nominated_at__lte=plan.began)
        held |= set(locked.values_list("pk", flat=True))
    return {target for pk, target in there.items() if pk not in held}


def _begin(repository: Repository) -> datetime:
    """When this run began: now, unless it goes on."""
    known = RetentionRun.objects.filter(repository=repository).values_list("began_at", flat=True)
    began = known.first() or timezone.now()
    _note(repository, {"began_at": began}, first={"due_at": timezone.now()})
    return began


def _note_run(repository: Repository, outcome: Outcome) -> None:
    now = timezone.now()
    values: dict[str, Any] = {
        "due_at": now + INTERVAL if outcome.is_finished else now,
        "failures": 0,
    }
    if outcome.is_finished:
        values |= {"began_at": None, "finished_at": now}
    _note(repository, values)
    RetentionRun.objects.filter(repository=repository).update(
        tags=F("tags") + outcome.tags, manifests=F("manifests") + outcome.manifests
    )


def _note_failure(repository: Repository) -> None:
    known = RetentionRun.objects.filter(repository=repository).values_list("failures", flat=True)
    failures = known.first() or 0
    pause = min(timedelta(minutes=2 ** min(failures, 12)), _LONGEST_PAUSE)
    values = {
        "due_at": timezone.now() + pause,
        "failures": min(failures + 1, 1000),
    }
    _note(repository, values)


def _note(
    repository: Repository, values: dict[str, Any], *, first: dict[str, Any] | None = None
) -> None:
    """Write the run down, with what is said `first` only, unless the repository is deleted."""
    with suppress(IntegrityError):
        RetentionRun.objects.update_or_create(
            repository=repository, defaults=values, create_defaults=values | (first or {})
        )
