"""From what is asked for to what is granted."""

from collections.abc import Iterable

from repositories.access import Principal, allowed
from repositories.oci.names import is_repository
from repositories.oci.scopes import ACTIONS, CATALOG, RequestedScope, as_access

_EVERY_ACTION = "*"


def trim(principal: Principal, requested: Iterable[RequestedScope]) -> list[dict[str, object]]:
    """The `access` claim: each resource that was asked for, with what the principal may do there.

    A repository of which nothing is granted stands in it all the same.
    """
    access: list[dict[str, object]] = []
    for scope in requested:
        if scope.type == "registry" and scope.name == "catalog" and not principal.is_anonymous:
            access.append(dict(CATALOG))
        elif scope.type == "repository" and is_repository(scope.name):
            asked = set(ACTIONS) if _EVERY_ACTION in scope.actions else scope.actions
            may = allowed(principal=principal, name=scope.name)
            access.append(as_access(scope.name, asked=asked, allowed=may))
    return access
