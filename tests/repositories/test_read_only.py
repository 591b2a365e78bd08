"""Read-only: what rests, what goes on, and what is there again when it ends."""

from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent
from repositories import (
    blobs,
    deletion,
    forecast,
    garbage,
    incoming,
    jobs,
    limit_settings,
    manifests,
    read_only,
    stale_uploads,
    tags,
    trash,
    uploads,
)
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.models import (
    Blob,
    BlobLink,
    Manifest,
    RegistryMode,
    Repository,
    Review,
    Tag,
    Upload,
)
from repositories.oci.digests import Digest
from repositories.oci.errors import ReadOnly
from repositories.storage.filesystem import FilesystemStorage
from repositories.uploads import Chunk
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db

NOW = timedelta(0)
LAYER = b"layer"
WAYS = ["setting", "switch", "archived"]


@pytest.fixture
def image(maintainer: Principal) -> PushedManifest:
    """An image, and a blob of no image."""
    push_blob(maintainer, b"unused")
    return push_image(maintainer, LAYER, tags=["v1"])


@pytest.fixture
def upload(image: PushedManifest, maintainer: Principal) -> str:
    """An upload that is under way."""
    session = uploads.start(principal=maintainer, repository=APP)
    uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"new"]))
    return session.id


@pytest.fixture(params=WAYS)
def switch(
    request: pytest.FixtureRequest,
    settings: Settings,
    administrator: Principal,
    maintainer: Principal,
    upload: str,
) -> Callable[[bool], None]:
    """Makes the repository read-only in one of the ways, or ends that."""

    def turn(on: bool) -> None:
        if request.param == "setting":
            settings.READ_ONLY = on
        elif request.param == "switch":
            limit_settings.set_read_only(principal=administrator, on=on)
        else:
            limit_settings.set_archived(principal=maintainer, name=APP, archived=on)

    return turn


def everything(disk: FilesystemStorage) -> list[object]:
    models = (Repository, Manifest, Tag, BlobLink, Blob, Upload)
    rows: list[object] = [list(model.objects.order_by("pk").values_list()) for model in models]
    files = [path for path in sorted(disk.root.rglob("*")) if path.is_file()]
    return [*rows, [(path, path.stat().st_size) for path in files]]


def writes(principal: Principal, image: PushedManifest, upload: str) -> list[Callable[[], object]]:
    """Everything that changes something."""
    app: dict[str, Any] = {"principal": principal, "repository": APP}
    new = Digest.of(b"new")
    chosen: dict[str, Any] = {"names": ["v1"], "digests": [str(image.digest)]}
    return [
        lambda: uploads.start(principal=principal, repository=APP),
        lambda: uploads.append(repository=APP, upload=upload, chunk=Chunk([b"more"])),
        lambda: uploads.finish(repository=APP, upload=upload, digest=new, chunk=Chunk([])),
        lambda: uploads.cancel(repository=APP, upload=upload),
        lambda: incoming.cancel(principal=principal, upload=Upload.objects.get().pk),
        lambda: push_blob(principal, b"whole"),
        lambda: blobs.mount(principal=principal, repository=APP, source=APP, digest=image.digest),
        lambda: blobs.mount(
            principal=principal, repository=APP, source=APP, digest=Digest.of(LAYER)
        ),
        lambda: blobs.unlink(**app, digest=Digest.of(b"unused")),
        lambda: push_document(principal, documents.image(LAYER), tags=["v1"]),
        lambda: push_document(principal, documents.image(LAYER), tags=["v2"]),
        lambda: push_document(principal, documents.image()),
        lambda: manifests.delete(**app, digest=image.digest),
        lambda: tags.delete(**app, name="v1"),
        lambda: deletion.delete(**app, **chosen),
        lambda: deletion.delete_repository(**app),
    ]


def test_every_write_is_refused_and_changes_nothing(
    switch: Callable[[bool], None],
    maintainer: Principal,
    image: PushedManifest,
    upload: str,
    disk: FilesystemStorage,
) -> None:
    before = everything(disk)
    switch(True)
    for write in writes(maintainer, image, upload):
        with pytest.raises(ReadOnly) as refused:
            write()
        assert (refused.value.status, refused.value.code) == (405, "UNSUPPORTED")
    assert everything(disk) == before


def test_pulls_go_on_and_look_at_no_switch(
    switch: Callable[[bool], None], maintainer: Principal, image: PushedManifest, upload: str
) -> None:
    switch(True)
    with CaptureQueriesContext(connection) as queries:
        assert manifests.read(repository=APP, reference="v1").digest == str(image.digest)
        assert blobs.find(repository=APP, digest=Digest.of(LAYER)).size == len(LAYER)
        assert tags.listing(repository=APP, limit=10) == ["v1"]
    assert not any("limits" in q["sql"] or "registrymode" in q["sql"] for q in queries)
    assert uploads.status(repository=APP, upload=upload).size == 3


def test_an_upload_that_was_under_way_is_finished_afterwards(
    switch: Callable[[bool], None], upload: str
) -> None:
    switch(True)
    new = Digest.of(b"new")
    with pytest.raises(ReadOnly):
        uploads.finish(repository=APP, upload=upload, digest=new, chunk=Chunk([]))
    Upload.objects.update(started_at=timezone.now() - timedelta(days=30))
    assert stale_uploads.purge(age=NOW) == 0
    switch(False)
    uploads.finish(repository=APP, upload=upload, digest=new, chunk=Chunk([]))
    assert blobs.find(repository=APP, digest=new)


def test_nothing_is_collected_until_it_ends(
    switch: Callable[[bool], None],
    maintainer: Principal,
    upload: str,
    disk: FilesystemStorage,
    settings: Settings,
) -> None:
    settings.GARBAGE_UNTAGGED = 1
    settings.GARBAGE_GRACE = 0
    tags.delete(principal=maintainer, repository=APP, name="v1")
    Manifest.objects.update(pushed_at="2020-01-01T00:00:00Z")
    Review.objects.update(nominated_at="2020-01-01T00:00:00Z")
    switch(True)
    before = everything(disk)
    jobs.collect_garbage()
    jobs.sweep_storage()
    garbage.collect(grace=NOW, insist=True)
    forecasted = forecast.forecast(grace=NOW)
    assert everything(disk) == before
    if switch_is_of_repository():
        assert (forecasted.manifests, forecasted.links, forecasted.blobs) == (0, 0, 0)
        assert forecasted.kept[garbage.ARCHIVED]
    switch(False)
    garbage.collect(grace=NOW, insist=True)
    assert not Manifest.objects.exists()
    assert not Blob.objects.exists()


def switch_is_of_repository() -> bool:
    return Repository.objects.filter(limits__is_archived=True).exists()


def test_the_collector_goes_on_beside_an_archived_repository(
    maintainer: Principal, image: PushedManifest
) -> None:
    push_blob(maintainer, b"elsewhere", repository="payments/other")
    limit_settings.set_archived(principal=maintainer, name=APP, archived=True)
    tally = garbage.collect(grace=NOW)
    assert (tally.links, tally.blobs, tally.kept[garbage.ARCHIVED]) == (1, 1, 3)
    again = garbage.collect(grace=NOW)  # they are not looked at each minute
    assert again.kept[garbage.ARCHIVED] == 0


def test_a_switch_in_the_middle_of_a_run_ends_it(
    maintainer: Principal, administrator: Principal, upload: str
) -> None:
    for number in range(5):
        push_blob(maintainer, b"unused %d" % number)
    links = BlobLink.objects.count()

    def turn() -> None:
        if not RegistryMode.objects.exists():
            limit_settings.set_read_only(principal=administrator, on=True)

    garbage.collect(grace=NOW, insist=True, progress=turn)
    assert BlobLink.objects.count() == links - 1


def test_files_without_a_row_wait_too(
    administrator: Principal, maintainer: Principal, disk: FilesystemStorage
) -> None:
    digest = push_blob(maintainer, b"stray")
    BlobLink.objects.all().delete()
    Blob.objects.all().delete()
    limit_settings.set_read_only(principal=administrator, on=True)
    assert trash.set_aside(digest) is None
    assert trash.purge(grace=NOW).purged == 0
    with pytest.raises(CommandError, match="read-only"):
        call_command("collect_garbage")
    call_command("collect_garbage", "--dry-run", stdout=StringIO())
    limit_settings.set_read_only(principal=administrator, on=False)
    assert trash.set_aside(digest) == len(b"stray")


def test_other_repositories_take_pushes_while_one_is_archived(
    maintainer: Principal, image: PushedManifest
) -> None:
    limit_settings.set_archived(principal=maintainer, name=APP, archived=True)
    assert blobs.mount(
        principal=maintainer, repository="payments/new", source=APP, digest=Digest.of(LAYER)
    )
    push_image(maintainer, CONFIG, repository="payments/new", tags=["v1"])


@pytest.mark.parametrize(
    ("way", "words"),
    [("setting", read_only.setting()), ("switch", "administrator"), ("archived", "maintainer")],
)
def test_the_refusal_says_who_can_end_it(
    way: str,
    words: str,
    settings: Settings,
    administrator: Principal,
    maintainer: Principal,
    image: PushedManifest,
) -> None:
    if way == "setting":
        settings.READ_ONLY = True
    elif way == "switch":
        limit_settings.set_read_only(principal=administrator, on=True)
    else:
        limit_settings.set_archived(principal=maintainer, name=APP, archived=True)
    with pytest.raises(ReadOnly, match=words) as refused:
        push_blob(maintainer, b"new")
    assert refused.value.detail == {"reason": way}


def test_who_may_switch(
    reader: Principal,
    writer: Principal,
    maintainer: Principal,
    owner: Principal,
    administrator: Principal,
    stranger: Principal,
    image: PushedManifest,
) -> None:
    for principal in (reader, writer, maintainer, owner, stranger):
        with pytest.raises(PermissionDenied):
            limit_settings.set_read_only(principal=principal, on=True)
    for principal in (reader, writer):
        with pytest.raises(PermissionDenied):
            limit_settings.set_archived(principal=principal, name=APP, archived=True)
    with pytest.raises(Repository.DoesNotExist):
        limit_settings.set_archived(principal=stranger, name=APP, archived=True)
    for on in (True, False):
        limit_settings.set_read_only(principal=administrator, on=on)
        limit_settings.set_archived(principal=maintainer, name=APP, archived=on)
    events = AuditEvent.objects.filter(action__regex="archive|read-only").order_by("pk")
    assert [(e.actor, e.action, e.target) for e in events] == [
        ("root", "registry.read-only", "on"),
        ("maintainer", "repository.archive", APP),
        ("root", "registry.read-only", "off"),
        ("maintainer", "repository.unarchive", APP),
    ]


def test_the_command_switches_it(image: PushedManifest) -> None:
    said = StringIO()
    call_command("read_only", "on", stdout=said)
    assert read_only.is_on()
    call_command("read_only", stdout=said)
    call_command("read_only", "off", stdout=said)
    assert not read_only.is_on()
    lines = said.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["read-only", "read-only", "not read-only"]
    assert AuditEvent.objects.filter(action="registry.read-only").count() == 2
