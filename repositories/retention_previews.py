"""What retention rules would remove, and why each tag and manifest stays or goes.

Bytes are those that the collector frees when all of it has been removed.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from django.conf import settings
from django.db.models import QuerySet

from accounts.models import Membership
from accounts.permissions import require_role
from repositories import needs, retention, retention_plan
from repositories.access import Principal
from repositories.administration import managed_repository
from repositories.models import Manifest, Repository
from repositories.retention_judge import NOT_ASKED, Because, Verdict
from repositories.retention_plan import Plan
from repositories.retention_rows import digests_of
from repositories.retention_rules import Rule, Rules

Role = Membership.Role
_PIECE = 1000


class Preview(NamedTuple):
    """What a policy would remove from a repository. `bytes` are those that become free."""

    repository: Repository
    plan: Plan
    tags: int
    manifests: int
    tags_staying: int
    manifests_staying: int
    blobs: int
    bytes: int
    is_switched_off: bool  # where nothing can be deleted, nothing goes


class TeamPreview(NamedTuple):
    """The same of a team's repositories, which share blobs; maybe of the first of them only."""

    repositories: Sequence[Preview]
    has_more: bool
    blobs: int
    bytes: int
    is_switched_off: bool


class Entry(NamedTuple):
    """A tag (`digest` is what it names) or a manifest, and why it stays or goes."""

    tag: str  # empty for a manifest
    digest: str
    verdict: Verdict
    rule: Rule | None

    @property
    def stays(self) -> bool:
        return self.verdict.stays

    @property
    def because(self) -> Because:
        return self.verdict.because


def preview_repository(
    *, principal: Principal, repository: str, rules: Rules | None = None
) -> Preview:
    """What these rules, or those in force, would remove from a repository now. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    row = managed_repository(principal, repository)
    return preview(repository=row, rules=retention.policy_of(row).rules if rules is None else rules)


def preview(*, repository: Repository, rules: Rules) -> Preview:
    """What the rules would remove from the repository now."""
    return _preview(repository, rules)[0]


def _preview(repository: Repository, rules: Rules) -> tuple[Preview, set[int]]:
    """The preview, and the links that become free."""
    plan = retention_plan.make(repository=repository, rules=rules)
    going, tags = plan.going_manifests, sum(1 for _ in plan.going_tags)
    links = needs.links_only_of(going)
    freed = needs.blobs_only_of(links)
    found = Preview(
        repository=repository,
        plan=plan,
        tags=tags,
        manifests=len(going),
        tags_staying=(len(plan.tags) if rules else repository.tags.count()) - tags,
        manifests_staying=repository.manifests.count() - len(going),
        blobs=len(freed),
        bytes=sum(freed.values()),
        is_switched_off=not settings.DELETE_ENABLED,
    )
    return found, links


def preview_team(
    *, principal: Principal, team: str, most: int, rules: Rules | None = None
) -> TeamPreview:
    """What these rules, or the team's, would remove from its repositories without their own.

    Of the first `most` of them by name. Owners. Raises Team.DoesNotExist, PermissionDenied.
    """
    row = require_role(principal, team, Role.OWNER)
    if rules is None:
        rules = retention.team_policy(principal=principal, team=team).rules
    found = Repository.objects.filter(team=row, retention_policy=None).order_by("name")
    repositories = list(found[: most + 1])
    return preview_together((repository, rules) for repository in repositories[:most])._replace(
        has_more=len(repositories) > most
    )


def preview_together(
    repositories: Iterable[tuple[Repository, Rules]], *, progress: Callable[[], None] = lambda: None
) -> TeamPreview:
    """What each repository's rules would remove, and what that frees in all."""
    previews, links = [], set()
    for repository, rules in repositories:
        found, unused = _preview(repository, rules)
        previews.append(found)
        links |= unused
        progress()
    freed = needs.blobs_only_of(links)
    return TeamPreview(
        previews, False, len(freed), sum(freed.values()), not settings.DELETE_ENABLED
    )


def entries(
    plan: Plan, *, stays: bool | None = None, after: str = "", limit: int
) -> tuple[list[Entry], str]:
    """So many of the tags and then of the manifests, in the order of their names and digests, with
    why each stays or goes; and where the next ones begin, if there are any.

    `after` is what was given then: a tag or a digest. `stays` chooses those that stay, or go.
    """
    found: list[Entry] = []
    if ":" not in after:
        found = _tag_entries(plan, stays, after, limit + 1)
    if len(found) <= limit:
        digest = after if ":" in after else ""
        found += _manifest_entries(plan, stays, digest, limit + 1 - len(found))
    shown = found[:limit]
    last = shown[-1] if len(found) > limit else None
    return shown, (last.tag or last.digest) if last else ""


def _tag_entries(plan: Plan, stays: bool | None, after: str, limit: int) -> list[Entry]:
    numbers = sorted(
        (
            number
            for number, row in enumerate(plan.tags)
            if row.name > after and stays in (None, plan.verdicts[number].stays)
        ),
        key=lambda number: plan.tags[number].name,
    )[:limit]
    digests = digests_of({plan.tags[number].manifest for number in numbers})
    return [
        Entry(
            plan.tags[number].name,
            digests.get(plan.tags[number].manifest, ""),
            plan.verdicts[number],
            _rule(plan, plan.verdicts[number]),
        )
        for number in numbers
    ]


def _manifest_entries(plan: Plan, stays: bool | None, after: str, limit: int) -> list[Entry]:
    found: list[Entry] = []
    rows = Manifest.objects.filter(repository=plan.repository_id).order_by("digest")
    if stays is False:
        digests = sorted(digests_of(plan.going_manifests).items(), key=lambda item: item[1])
        pages = iter([[item for item in digests if item[1] > after]])
    else:
        pages = _pages(rows, after)
    for piece in pages:
        tagged = _tagged(plan, {id for id, _ in piece})
        for id, digest in piece:
            verdict = plan.manifests.get(id) or _of_another(plan, id, tagged)
            if stays in (None, verdict.stays):
                found.append(Entry("", digest, verdict, _rule(plan, verdict)))
        if len(found) >= limit:
            break
    return found[:limit]


def _pages(rows: QuerySet[Manifest], after: str) -> Iterator[list[tuple[int, str]]]:
    while piece := list(rows.filter(digest__gt=after).values_list("pk", "digest")[:_PIECE]):
        yield piece
        after = piece[-1][1]


def _tagged(plan: Plan, ids: Collection[int]) -> set[int]:
    return {row.manifest for row in plan.tags if row.manifest in ids}


def _of_another(plan: Plan, id: int, tagged: Collection[int]) -> Verdict:
    """The verdict on a manifest that was not looked at, since what leads to it stays."""
    if not plan.rules:
        return NOT_ASKED
    return Verdict(True, Because.TAGGED if id in tagged else Because.FOLLOWS)


def _rule(plan: Plan, verdict: Verdict) -> Rule | None:
    return None if verdict.rule is None else plan.rules[verdict.rule]
