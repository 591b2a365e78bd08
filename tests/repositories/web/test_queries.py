"""Every page for everybody takes at most ten queries, however much there is to show."""

from collections.abc import Iterator

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from accounts.models import Membership, Team
from repositories import referrer_trees, usage
from repositories.access import principal_of
from repositories.manifests import PushedManifest
from repositories.models import Blob, BlobLink, Manifest, Repository, Upload
from repositories.oci import media_types
from repositories.oci.digests import HEX_LENGTHS
from repositories.storage import storage
from tests.accounts.web.conftest import World
from tests.accounts.web.test_who_may import CAST, ROWS
from tests.oci import documents
from tests.oci.documents import descriptor
from tests.repositories.content import described, push_document
from tests.repositories.web.images import NAME, push, push_artifact, push_list

MOST_QUERIES = 10
LAYERS = [bytes([n]) for n in range(40)]
HEX = "abcdef"
PAGE = f"/repositories/{NAME}/-"
ADDRESSES = [
    "/",
    "/?sort=name",
    "/?text=a&team=payments",
    "/?team=payments&sort=name",
    "/compare",
    f"/compare?before={NAME}:v1",
    f"/compare?before={NAME}:v1&after=payments/worker:v1",
    f"/compare?before={NAME}:list&after={NAME}:nested",
    f"/compare?before={NAME}:nested&after={NAME}:nested2",
    f"/compare?before={NAME}:nested&after={NAME}:nested2&platform=linux/arm64",
    f"/compare?before={NAME}:v1&after=nowhere/app:v1",
    f"/search?q={HEX}",
    f"/search?q=sha256:{HEX}",
    f"/search?q=sha512:{HEX}",
    "/search?q=payments",
    "/storage?team=payments",
    "/storage?days=365",
    f"{PAGE}/?q=v&sort=unused",
    f"{PAGE}/images/list",
    f"{PAGE}/images/list?platform=linux/arm64",
    f"{PAGE}/images/nested",
    f"{PAGE}/images/deep",
    f"{PAGE}/images/list/referrers",
    f"{PAGE}/images/v1/referrers",
]


@pytest.fixture
def full(world: World) -> World:
    """The world with some of everything that takes queries of its own."""
    image = push(world, "v1", *LAYERS)
    for number in range(30):
        push(world, f"other-{number}", *LAYERS[: number + 1])
    push(world, "v1", *LAYERS, name="payments/worker")
    Repository.objects.create(name="payments/new", team=world.team)  # never measured
    _open_to_all(world)
    first = push_list(
        world, "list", image, push(world, "", b"arm", config={"architecture": "arm64"})
    )
    second = push_list(world, "list2", push(world, "", b"1"), push(world, "", b"2"))
    owner = principal_of(world.users["owner"])
    for name, inner in (("nested", first), ("nested2", second)):
        entry = descriptor(b"", media_types.OCI_INDEX, digest=str(inner.digest), size=1)
        outer = push_document(owner, documents.index(entry), repository=NAME, tags=[name])
    entry = descriptor(b"", media_types.OCI_INDEX, digest=str(outer.digest), size=1)
    push_document(owner, documents.index(entry), repository=NAME, tags=["deep"])
    _attach(world, image)
    _digests(world.repository)
    for _ in range(25):
        row = Upload.objects.create(repository=world.repository, started_by="somebody")
        storage().create_upload(str(row.pk))
    usage.measure()
    return world


def _open_to_all(world: World) -> None:
    """Another team's, whose layers are the same, and which the stranger may push to."""
    team = Team.objects.create(name="open")
    Membership.objects.create(
        team=team, user=world.users["stranger"], role=Membership.Role.MAINTAINER
    )
    push(world, "v1", *LAYERS, name="open/app")
    Repository.objects.filter(name="open/app").update(visibility="public")


def _attach(world: World, image: PushedManifest) -> None:
    """Referrers one deeper than is shown; and by the tags that older clients keep."""
    subject = image
    for number in range(referrer_trees.MAX_DEPTH + 1):
        content = b"attached %d" % number
        subject = push_artifact(
            world, "", content, subject=described(subject), artifactType="text/x"
        )
    tag = f"sha256-{image.digest.hex}"
    push_artifact(world, f"{tag}.sig", b"signature", artifactType="text/x")
    entry = described(push_artifact(world, "", b"listed", artifactType="text/x"))
    owner = principal_of(world.users["owner"])
    push_document(owner, documents.index(entry), repository=NAME, tags=[tag])


def _digests(repository: Repository) -> None:
    """Manifests and blobs of two algorithms that begin with the same digits."""
    for algorithm, length in HEX_LENGTHS.items():
        digest = f"{algorithm}:{HEX:0<{length}}"
        Manifest.objects.create(repository=repository, digest=digest, payload=b"{}")
        blob = Blob.objects.create(digest=digest, size=1)
        BlobLink.objects.create(repository=repository, blob=blob)


def addresses(world: World) -> Iterator[str]:
    """Those above, and every page that has a row in the matrix of who may see what."""
    yield from ADDRESSES
    yield f"{PAGE}/delete-tags?tag=v1&tag=list&tag=nested"
    for row in ROWS:
        if row.data is None:
            yield reverse(row.name, kwargs=row.arguments(world))


def counts(client: Client, world: World) -> tuple[dict[str, int], set[str]]:
    """The pages that take too many queries, and those that were answered with a page."""
    too_many, answered = {}, set()
    for address in addresses(world):
        with CaptureQueriesContext(connection) as queries:
            answer = client.get(address)
        if len(queries) > MOST_QUERIES:
            too_many[address] = len(queries)
        if answer.status_code == 200:
            answered.add(address)
    return too_many, answered


@pytest.mark.parametrize("who", ["guest", *CAST])
def test_every_page_takes_few_queries(full: World, who: str) -> None:
    too_many, answered = counts(full.client(who), full)
    assert too_many == {}
    if who not in ("anonymous", "stranger"):
        assert answered >= set(ADDRESSES)


@pytest.mark.parametrize("who", ["anonymous", "stranger", "reader"])
@pytest.mark.parametrize("mode", ["pull", "push", "open"])
def test_so_it_does_where_anybody_may_look(
    full: World, who: str, mode: str, settings: Settings
) -> None:
    settings.OPEN_ACCESS = mode == "open"
    settings.ANONYMOUS_ACCESS = "none" if mode == "open" else mode
    Repository.objects.update(visibility="public")
    too_many, answered = counts(full.client(who), full)
    assert too_many == {}
    assert answered >= set(ADDRESSES)
