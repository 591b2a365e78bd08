"""Policies for tests, and time that passes for what was pushed before."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import Team
from repositories import garbage, retention, retention_previews, retention_runs, reviews, trash
from repositories.models import (
    Manifest,
    Repository,
    RetentionPolicy,
    RetentionRun,
    Review,
    Tag,
    TagChange,
)
from repositories.retention_plan import Plan
from repositories.retention_previews import Preview
from repositories.retention_runs import Outcome
from tests.repositories.content import APP

NOW = timedelta(0)
_TIMES: dict[Any, tuple[str, ...]] = {
    Manifest: ("pushed_at", "pulled_at"),
    Tag: ("created_at", "pushed_at", "pulled_at"),
    TagChange: ("changed_at",),
    Review: ("nominated_at",),
    RetentionPolicy: ("changed_at",),
    RetentionRun: ("due_at", "finished_at"),
}


def pass_days(days: float, *, of: Sequence[str] | None = None) -> None:
    """Let everything be so many days older; or only the tags of these names, and their images."""
    for table, fields in _TIMES.items():
        rows: Any = table.objects.all()
        if of is not None:
            narrowed = {Tag: {"name__in": of}, Manifest: {"tags__name__in": of}}
            rows = rows.filter(**narrowed[table]).distinct() if table in narrowed else rows.none()
        for row in rows:
            for field in fields:
                if getattr(row, field):
                    setattr(row, field, getattr(row, field) - timedelta(days=days))
            row.save(update_fields=fields)


def app() -> Repository:
    return Repository.objects.get(name=APP)


def newest(count: int, pattern: str = "*") -> dict[str, Any]:
    return {"rule": "newest", "count": count, "pattern": pattern}


def untagged(days: int) -> dict[str, Any]:
    return {"rule": "untagged", "days": days}


def matching(pattern: str) -> dict[str, Any]:
    return {"rule": "matching", "pattern": pattern}


def set_policy(*rules: dict[str, Any], repository: str = "", team: Team | None = None) -> None:
    """Rules of a team, or of a repository, as if they had been saved some time ago."""
    owner: dict[str, Any] = {"team": team}
    if team is None:
        owner = {"repository": Repository.objects.get(name=repository or APP)}
    past = timezone.now() - timedelta(hours=1)
    RetentionPolicy.objects.update_or_create(
        **owner, defaults={"rules": list(rules), "changed_at": past}
    )
    reviews.forget_policies()


def preview() -> Preview:
    row = app()
    return retention_previews.preview(repository=row, rules=retention.policy_of(row).rules)


def apply() -> Outcome:
    return retention_runs.apply(repository=app())


def freed() -> int:
    """The bytes that the collector frees now."""
    garbage.collect(grace=NOW, insist=True)
    return trash.purge(grace=NOW).purged_bytes


def tags() -> set[str]:
    return set(Tag.objects.filter(repository__name=APP).values_list("name", flat=True))


def digests() -> set[str]:
    return set(Manifest.objects.filter(repository__name=APP).values_list("digest", flat=True))


def told(plan: Plan) -> dict[str, str]:
    """Why each tag and each manifest stays or goes."""
    found, after = {}, ""
    while True:
        entries, after = retention_previews.entries(plan, after=after, limit=3)
        for entry in entries:
            stays = "stays" if entry.stays else "goes"
            place = "" if entry.verdict.rule is None else f" {entry.verdict.rule}"
            found[entry.tag or entry.digest] = f"{stays}: {entry.because}{place}"
        if not after:
            return found
