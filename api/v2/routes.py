"""The routes of `/v2/`, each with its number in the specification's table of endpoints."""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

from api.v2 import base, blobs, catalog, manifests, referrers, tags, uploads
from api.v2.response import Response
from repositories.access import Action
from repositories.oci.errors import RouteUnknown, Unsupported
from repositories.oci.names import validate_repository

Handler = Callable[..., Response]


class Operation(NamedTuple):
    """A handler, and what the caller must be allowed to do; None: merely to be here."""

    handler: Handler
    action: Action | None


class Route(NamedTuple):
    """A path, whose first group, if any, is the repository, and its operations by method."""

    pattern: re.Pattern[str]
    operations: Mapping[str, Operation]


class Resolved(NamedTuple):
    """What a request means. `arguments` begin with the repository's name, where there is one."""

    operation: Operation
    name: str
    arguments: tuple[str, ...]


def _route(pattern: str, **operations: tuple[Handler, Action | None]) -> Route:
    table = {method: Operation(*operation) for method, operation in operations.items()}
    if "GET" in table:
        table["HEAD"] = table["GET"]
    return Route(re.compile(pattern, re.ASCII | re.DOTALL), table)


# A repository name may have any number of slashes, so a pattern takes as much as it can: of
# `a/blobs/uploads/x` the last `/blobs/uploads/` counts.
ROUTES = (
    _route(r"/v2/?", GET=(base.get, None)),  # end-1
    _route(
        r"/v2/(.*)/manifests/([^/]*)",
        GET=(manifests.get, Action.PULL),  # end-3
        PUT=(manifests.put, Action.PUSH),  # end-7
        DELETE=(manifests.delete, Action.DELETE),  # end-9
    ),
    _route(r"/v2/(.*)/blobs/uploads/?", POST=(uploads.post, Action.PUSH)),  # end-4, end-11
    _route(
        r"/v2/(.*)/blobs/uploads/([^/]+)",
        PATCH=(uploads.patch, Action.PUSH),  # end-5
        PUT=(uploads.put, Action.PUSH),  # end-6
        GET=(uploads.get, Action.PUSH),  # end-13
        DELETE=(uploads.delete, Action.PUSH),  # end-14
    ),
    _route(
        r"/v2/(.*)/blobs/([^/]*)",
        GET=(blobs.get, Action.PULL),  # end-2
        DELETE=(blobs.delete, Action.DELETE),  # end-10
    ),
    _route(r"/v2/(.*)/tags/list", GET=(tags.get, Action.PULL)),  # end-8
    _route(r"/v2/(.*)/referrers/([^/]*)", GET=(referrers.get, Action.PULL)),  # end-12
    _route(r"/v2/_catalog", GET=(catalog.get, None)),
)


def match(path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a path, and its groups. Raises RouteUnknown."""
    for route in ROUTES:
        found = route.pattern.fullmatch(path)
        if found:
            return route, found.groups()
    raise RouteUnknown(
        "no such endpoint: see the distribution-spec for those under /v2/",
        detail={"path": path[:300]},
    )


@lru_cache(maxsize=512)  # what raises is not kept
def resolve(method: str, path: str) -> Resolved:
    """What a request means. Raises RouteUnknown, NameInvalid, Unsupported for a wrong method."""
    route, groups = match(path)
    operation = route.operations.get(method)
    if operation is None:
        allow = allowed_methods(route)
        raise Unsupported(
            f"{method[:20]} is not possible here; possible are {allow}", headers={"Allow": allow}
        )
    name = validate_repository(groups[0]) if groups else ""
    return Resolved(operation, name, groups)


def scope_of(resolved: Resolved) -> str:
    """What to ask the token service for, to be allowed this."""
    action = resolved.operation.action
    if action is None:
        is_catalog = resolved.operation.handler is catalog.get
        return "registry:catalog:*" if is_catalog else ""
    actions = "pull,push" if action is Action.PUSH else action.value
    return f"repository:{resolved.name}:{actions}"


def allowed_methods(route: Route) -> str:
    """The value of an `Allow` header."""
    return ", ".join(sorted({*route.operations, "OPTIONS"}))
