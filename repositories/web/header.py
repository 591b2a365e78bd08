"""What every page of a repository shows above its own: the name, who sees it, and the tabs."""

from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.web.principal import principal_of
from accounts.web.refusals import explain_refusal
from accounts.web.server import server_of
from repositories import limits, read_only
from repositories.access import Action, Actions, Principal, readable
from repositories.models import Repository
from repositories.oci.names import team_of


class Found(NamedTuple):
    """A repository that the visitor may pull from, and what else they may do there."""

    repository: Repository
    principal: Principal
    actions: Actions

    @property
    def may_delete(self) -> bool:
        """Not so for anybody where the operator has switched deletes off."""
        return settings.DELETE_ENABLED and Action.DELETE in self.actions

    @property
    def may_undo(self) -> bool:
        """Whether deletes here are theirs to undo, whatever the operator has switched off."""
        return Action.DELETE in self.actions

    @property
    def may_push(self) -> bool:
        return Action.PUSH in self.actions

    @property
    def may_manage(self) -> bool:
        """Whether the settings are theirs: whoever might delete, and is somebody."""
        return Action.DELETE in self.actions and self.principal.user_id is not None


def found(
    request: HttpRequest, name: str, *, repositories: QuerySet[Repository] | None = None
) -> Found:
    """The repository, as one of `repositories` if they are given: with what they know of it.

    Raises Repository.DoesNotExist, also for what the visitor may not pull from.
    """
    principal = principal_of(request)
    known = limits.with_limits(Repository.objects.all() if repositories is None else repositories)
    rows = readable(principal=principal, names=[name], repositories=known)
    if name not in rows:
        raise Repository.DoesNotExist
    repository, actions = rows[name]
    return Found(repository, principal, actions)


def names_of(name: str) -> dict[str, str]:
    """The two parts of a repository's name, for the way that leads there."""
    team = team_of(name)
    return {"team_name": team, "short_name": name.removeprefix(f"{team}/")}


def context_of(request: HttpRequest, found: Found) -> dict[str, Any]:
    """What `repositories/base.html` needs."""
    limited = limits.shown(found.repository)
    refusal = read_only.why(found.repository.name, limited)
    why_read_only = explain_refusal(refusal) if refusal else ""
    return {
        "repository": found.repository,
        **names_of(found.repository.name),
        "host": server_of(request).host,
        "may_delete": found.may_delete and not why_read_only,
        "why_read_only": why_read_only,
        "is_archived": limited.is_archived,
        "patterns": limited.patterns,
        "may_manage": found.may_manage,
        "may_undo": found.may_undo,
    }
