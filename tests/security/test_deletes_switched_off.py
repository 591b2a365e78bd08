"""S6: where deleting is switched off, nothing is deleted by anybody, on any path.

The Distribution project deleted tags all the same (CVE-2026-41888).
"""

import pytest
from pytest_django import Settings

from api.v2.routes import ROUTES
from repositories.models import BlobLink, Manifest, Repository, Tag
from repositories.storage import storage
from tests.security.client import bearer, send, token_for
from tests.security.conftest import APP, World

EVERYBODY = ["anonymous", "stranger", "reader", "writer", "maintainer", "owner", "robot", "admin"]


def stored() -> list[list[object]]:
    models = (Repository, Manifest, Tag, BlobLink)
    return [list(model.objects.order_by("pk").values_list()) for model in models]


def targets(world: World) -> list[str]:
    """Everything of the repository that a DELETE can name."""
    own = world.own
    references = [own.tag, str(own.manifest), "no-such-tag"]
    paths = [f"/v2/{APP}/manifests/{reference}" for reference in references]
    paths += [f"/v2/{APP}/manifests/{own.manifest}?tag={own.tag}"]
    paths += [f"/v2/{APP}/blobs/{own.layer}"]
    paths += [f"/v2/{APP}/tags/list", f"/v2/{APP}/referrers/{own.manifest}", "/v2/_catalog", "/v2/"]
    return paths


def test_the_paths_are_all_that_there_are(world: World) -> None:
    """Cancelling an upload deletes nothing that anybody could pull."""
    for route in ROUTES:
        if "DELETE" in route.operations and "uploads" not in route.pattern.pattern:
            assert any(route.pattern.fullmatch(path.partition("?")[0]) for path in targets(world))


@pytest.mark.parametrize("who", EVERYBODY)
def test_nothing_is_deleted(world: World, settings: Settings, who: str) -> None:
    settings.DELETE_ENABLED = False
    before = stored()
    scope = f"repository:{APP}:pull,push,delete,*"
    for header in (world.by(who), bearer(token_for(scope, by=world.by(who)))):
        for path in targets(world):
            for override in ({}, {"X-HTTP-Method-Override": "DELETE"}):
                answer = send("DELETE", path, by=header, headers=override)
                assert answer.status in (401, 403, 404, 405), (path, answer.text)
            posted = {"X-HTTP-Method-Override": "DELETE"}
            assert send("POST", path, by=header, headers=posted).status >= 400
    assert stored() == before
    assert storage().blob_size(world.own.layer) > 0


def test_the_owner_is_told_which_switch_it_is(world: World, settings: Settings) -> None:
    settings.DELETE_ENABLED = False
    for path in targets(world)[:5]:
        answer = send("DELETE", path, by=world.by("owner"))
        assert (answer.status, answer.code) == (405, "UNSUPPORTED")
        assert "REGISTRY_STORAGE_DELETE_ENABLED" in answer.text


def test_with_the_switch_on_the_same_requests_delete(world: World) -> None:
    for path in targets(world)[:1] + targets(world)[1:2] + targets(world)[4:5]:
        assert send("DELETE", path, by=world.by("owner")).status == 202, path
    assert not Tag.objects.filter(repository__name=APP).exists()
