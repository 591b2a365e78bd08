"""`manage.py export_tree`: what is in the tree, in which order it comes, and what is refused."""

from __future__ import annotations

import json
import os
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.management.local import OPERATOR
from repositories import deletion, garbage, leases, manifests, trash
from repositories.access import Principal
from repositories.backups.archive import BackupError
from repositories.backups.taking import Amount
from repositories.leaving import exporting
from repositories.leaving.rows import Rows
from repositories.models import Blob, BlobLink, Manifest, Tag, TagChange
from repositories.oci.digests import Digest
from repositories.oci.media_types import DOCKER_MANIFEST, OCI_INDEX
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_blob, push_document, push_image
from tests.repositories.leaving.conftest import Exported, manage, refused

# The snapshot is a transaction of its own.
pytestmark = pytest.mark.django_db(transaction=True)

LAYER = b"a layer"
BOTH = Amount(2, len(CONFIG) + len(LAYER))
LONG_AGO = datetime(2019, 5, 17, 12, 30, 15, 250_000, tzinfo=UTC)


def folder_of(digest: object) -> str:
    return str(digest).replace(":", "/")


def seconds(path: Path) -> float:
    return path.stat().st_mtime


def test_an_image_is_there_with_all_its_links(writer: Principal, exported: Exported) -> None:
    pushed = push_image(writer, LAYER, tags=["v1"])
    exported.again()
    blobs = {folder_of(Digest.of(content)): str(Digest.of(content)) for content in (CONFIG, LAYER)}
    assert exported.links("_layers") == blobs
    digest = str(pushed.digest)
    assert exported.links("_manifests") == {
        f"revisions/{folder_of(digest)}": digest,
        "tags/v1/current": digest,
        f"tags/v1/index/{folder_of(digest)}": digest,
    }
    payload = bytes(Manifest.objects.get().payload)
    assert exported.blob(digest).read_bytes() == payload
    assert exported.blob(Digest.of(LAYER)).read_bytes() == LAYER
    assert not (exported.root / ".berth-partial").exists()


def test_blobs_are_hard_links_where_that_is_possible(
    writer: Principal, exported: Exported, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER)
    report = exported.again()
    assert (report.linked, report.copied) == (BOTH, Amount())
    digest = Digest.of(LAYER)
    assert exported.blob(digest).samefile(disk.blob_path(digest))


def no_links(*_: object) -> None:
    raise OSError(18, os.strerror(18))


def test_elsewhere_they_are_copies_which_are_hashed_on_the_way(
    writer: Principal,
    exported: Exported,
    disk: FilesystemStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push_image(writer, LAYER)
    push_image(writer, b"changed")
    disk.blob_path(Digest.of(b"changed")).write_bytes(b"chAnged")
    monkeypatch.setattr(os, "link", no_links)
    report = exported.again()
    assert (report.linked, report.copied) == (Amount(), BOTH)
    assert [each.digest for each in report.lost] == [Digest.of(b"changed")]
    assert exported.blob(Digest.of(LAYER)).read_bytes() == LAYER
    assert not exported.blob(Digest.of(b"changed")).parent.exists()


def test_what_a_tag_has_named_is_its_index_by_the_dates(
    writer: Principal, exported: Exported
) -> None:
    first = push_image(writer, LAYER, tags=["latest"])
    gone = push_image(writer, b"gone", tags=["latest"])
    second = push_image(writer, b"second", tags=["latest"])
    manifests.delete(principal=writer, repository=APP, digest=gone.digest)
    later = LONG_AGO + timedelta(days=3)
    TagChange.objects.filter(digest=str(first.digest)).update(changed_at=LONG_AGO)
    TagChange.objects.filter(digest=str(second.digest)).update(changed_at=later)
    pushed_again = later + timedelta(days=1)
    Tag.objects.update(pushed_at=pushed_again)
    exported.again()
    tag = exported.repository() / "_manifests" / "tags" / "latest"
    times = {path.parent.name: seconds(path) for path in tag.rglob("index/*/*/link")}
    assert times == {
        first.digest.hex: LONG_AGO.timestamp(),
        second.digest.hex: later.timestamp(),
    }
    assert seconds(tag / "current" / "link") == pushed_again.timestamp()


def test_a_deleted_tag_is_not_there(writer: Principal, exported: Exported) -> None:
    push_image(writer, LAYER, tags=["v1", "v2"])
    deletion.delete_tags(principal=OPERATOR, repository=APP, names=["v1"])
    exported.again()
    assert {path.name for path in exported.repository().glob("_manifests/tags/*")} == {"v2"}


def test_blobs_without_an_image_and_repositories_without_anything_are_there(
    writer: Principal, exported: Exported
) -> None:
    digest = push_blob(writer, b"alone", repository="payments/blobs")
    push_blob(writer, b"removed", repository="payments/empty")
    BlobLink.objects.filter(repository__name="payments/empty").delete()
    exported.again()
    assert list(exported.links("_layers", repository="payments/blobs").values()) == [str(digest)]
    assert exported.repository("payments/empty").joinpath("_layers").is_dir()


def test_sha512_has_folders_of_its_own(writer: Principal, exported: Exported) -> None:
    layer = push_blob(writer, LAYER, algorithm="sha512")
    push_blob(writer, CONFIG)
    document = documents.image()
    document["layers"] = [documents.descriptor(LAYER, digest=str(layer))]
    digest = Digest.of(documents.encode(document), "sha512")
    push_document(writer, document, digest=digest, tags=["v1"])
    exported.again()
    assert exported.blob(layer).read_bytes() == LAYER
    assert exported.links("_layers")[folder_of(layer)] == str(layer)
    assert exported.links("_manifests/tags/v1")["current"] == str(digest)


def test_referrers_are_listed_in_a_tag(writer: Principal, exported: Exported) -> None:
    subject = push_image(writer, LAYER, tags=["v1"])
    signature = push_image(writer, b"signature", subject=described(subject))
    report = exported.again()
    assert (report.found.fallbacks, report.found.tags) == (1, 2)
    tag = f"sha256-{subject.digest.hex}"
    digest = exported.links(f"_manifests/tags/{tag}")["current"]
    listing = json.loads(exported.blob(digest).read_bytes())
    assert (listing["schemaVersion"], listing["mediaType"]) == (2, OCI_INDEX)
    [entry] = listing["manifests"]
    assert entry == json.loads(Manifest.objects.get(digest=str(signature.digest)).referrer)
    assert exported.links("_manifests/revisions")[folder_of(digest)] == digest


def test_a_tag_that_lists_them_already_stays_and_what_it_lacks_is_added(
    writer: Principal, exported: Exported
) -> None:
    subject = push_image(writer, LAYER)
    first = push_image(writer, b"first", subject=described(subject))
    tag = f"sha256-{subject.digest.hex}"
    entry = described(first, artifactType="text/of-the-client")
    old = push_document(writer, documents.index(entry, annotations={"a": "b"}), tags=[tag])
    assert exported.again().found.fallbacks == 0
    assert exported.links(f"_manifests/tags/{tag}")["current"] == str(old.digest)

    second = push_image(writer, b"second", subject=described(subject))
    assert exported.again().found.fallbacks == 1
    digest = exported.links(f"_manifests/tags/{tag}")["current"]
    listing = json.loads(exported.blob(digest).read_bytes())
    assert listing["annotations"] == {"a": "b"}
    assert listing["manifests"][0] == entry
    assert listing["manifests"][1]["digest"] == str(second.digest)


def test_a_tag_of_that_name_that_is_no_index_is_left_alone(
    writer: Principal, exported: Exported
) -> None:
    subject = push_image(writer, LAYER)
    tag = f"sha256-{subject.digest.hex}"
    push_image(writer, b"signature", subject=described(subject), tags=[tag])
    assert exported.again().found.fallbacks == 0


def test_images_that_do_not_say_their_media_type_are_told(
    writer: Principal, exported: Exported
) -> None:
    push_image(writer, LAYER)
    for content_type in (DOCKER_MANIFEST, documents.image()["mediaType"]):
        payload = documents.encode(documents.image(mediaType=None, annotations={"t": content_type}))
        manifests.push(
            principal=writer,
            repository=APP,
            digest=None,
            names=[],
            payload=payload,
            content_type=content_type,
        )
    docker = Manifest.objects.get(media_type=DOCKER_MANIFEST)
    assert exported.again().found.retyped == [f"{APP}@{docker.digest}"]
    assert f"{APP}@{docker.digest} says no media type" in manage("export_tree", str(exported.root))


def check_whole(exported: Exported) -> None:
    """What there is of the tree can be served: tags have manifests, manifests have blobs."""
    for link in exported.base.glob("repositories/**/link"):
        digest = link.read_text()
        assert digest == str(Digest.parse(digest))
        assert exported.blob(digest).exists(), link
        folder = next(each for each in link.parents if each.name.startswith("_")).parent
        if "tags" in link.relative_to(folder).parts:
            assert (folder / "_manifests/revisions" / folder_of(digest) / "link").exists()
        if link.parent.name == "current":
            assert (link.parent.parent / "index" / folder_of(digest) / "link").exists()
        if "revisions" in link.relative_to(folder).parts:
            document = json.loads(exported.blob(digest).read_bytes())
            for part in (document["config"], *document["layers"]):
                assert (folder / "_layers" / folder_of(part["digest"]) / "link").exists()


class Broken(Exception):
    """The run ended here."""


def test_however_far_it_came_what_is_there_can_be_served_and_the_next_run_ends_it(
    writer: Principal, exported: Exported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        push_image(writer, LAYER, b"%d" % number, tags=["v1", f"v1.{number}"])
    whole = Exported(tmp_path / "whole")
    whole.again()
    replace, steps, left = os.replace, 0, 0

    def fail_at_last(*words: str) -> None:
        nonlocal left
        if left == 0:
            raise Broken
        left -= 1
        replace(*words)

    while True:
        left = steps
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", fail_at_last)
            try:
                exported.again()
                break
            except Broken:
                steps += 1
        check_whole(exported)
    # Each run went one step further than the one before; blobs of earlier ones take none.
    assert exported.files() == whole.files()
    check_whole(exported)


def test_what_a_killed_run_left_does_no_harm(writer: Principal, exported: Exported) -> None:
    push_image(writer, LAYER, tags=["v1"])
    exported.again()
    whole = exported.files()
    partial = exported.root / ".berth-partial"
    partial.mkdir()
    (partial / "draft").write_bytes(b"half a bl")
    with sqlite3.connect(partial / "rows.sqlite3") as file:
        file.execute("CREATE TABLE repository (name TEXT)")
    file.close()
    current = exported.repository() / "_manifests" / "tags" / "v1" / "current" / "link"
    current.write_bytes(b"")  # as a power cut may leave it
    assert exported.again().reused == BOTH
    assert exported.files() == whole
    assert not partial.exists()


def test_a_later_run_brings_the_tree_up_to_date(writer: Principal, exported: Exported) -> None:
    pushed = push_image(writer, LAYER, tags=["v1", "v2"])
    push_image(writer, b"gone", tags=["v1"], repository="payments/gone")
    push_image(writer, b"below", tags=["v1"], repository="payments/gone/below")
    exported.again()
    deletion.delete_tags(principal=OPERATOR, repository=APP, names=["v1"])
    deletion.delete_repository(principal=OPERATOR, repository="payments/gone")
    new = push_image(writer, b"new", tags=["v2"])
    report = exported.again()
    assert (report.linked, report.removed) == (Amount(1, 3), 2)
    assert exported.links("_manifests/tags") == {
        "v2/current": str(new.digest),
        f"v2/index/{folder_of(new.digest)}": str(new.digest),
        f"v2/index/{folder_of(pushed.digest)}": str(pushed.digest),
    }
    assert {path.name for path in exported.repository("payments/gone").iterdir()} == {"below"}
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
    BlobLink.objects.filter(blob__digest=str(Digest.of(LAYER)), repository__name=APP).delete()
    assert exported.again().removed == 3
    assert list(exported.links("_manifests/revisions").values()) == [str(new.digest)]
    assert folder_of(Digest.of(LAYER)) not in exported.links("_layers")


def test_only_some_repositories_are_exported_and_others_in_the_tree_stay(
    writer: Principal, exported: Exported
) -> None:
    for name in ("payments/app", "payments/web", "payments/web/old", "payments/db"):
        push_image(writer, name.encode(), tags=["v1"], repository=name)
    manage("export_tree", str(exported.root), "--repository=*/web*", "--repository=payments/db")
    assert not exported.repository("payments/app").exists()
    assert not exported.blob(Digest.of(b"payments/app")).exists()
    assert exported.links("_manifests/tags", repository="payments/web/old")
    deletion.delete_repository(principal=OPERATOR, repository="payments/db")
    exported.again("payments/a*")
    assert exported.links("_manifests/tags", repository="payments/app")
    assert exported.links("_manifests/tags", repository="payments/db")
    told = refused("export_tree", str(exported.root), "--repository=paymnets/*")
    assert told == "No repository is called 'paymnets/*': nothing is exported."


def test_what_is_pushed_and_deleted_after_the_rows_were_read_changes_nothing(
    writer: Principal, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = push_image(writer, LAYER, tags=["v1"])
    read = Rows.read

    def then_others_come(self: Rows, globs: list[str]) -> object:
        found = read(self, globs)
        manifests.delete(principal=writer, repository=APP, digest=pushed.digest)
        tally = garbage.collect(grace=timedelta(0), insist=True)
        tally.add(trash.purge(grace=timedelta(0)))
        assert (tally.blobs, tally.purged) == (2, 0)
        push_image(writer, b"late", tags=["late"])
        return found

    monkeypatch.setattr(Rows, "read", then_others_come)
    report = exported.again()
    assert (report.linked, report.lost) == (BOTH, [])
    assert set(exported.links("_manifests/tags").values()) == {str(pushed.digest)}
    check_whole(exported)


def test_lost_blobs_are_named_with_their_images_and_all_else_is_exported(
    writer: Principal, exported: Exported, disk: FilesystemStorage
) -> None:
    pushed = push_image(writer, LAYER, tags=["v1"])
    push_image(writer, b"damaged", tags=["v2"])
    push_image(writer, b"whole", tags=["v3"])
    disk.blob_path(Digest.of(LAYER)).unlink()
    Blob.objects.filter(digest=str(Digest.of(b"damaged"))).update(damaged_at=LONG_AGO)
    told = refused("export_tree", str(exported.root))
    assert "2 blobs are lost; all else is exported" in told
    assert f"{Digest.of(LAYER)}: its file is nowhere; part of {APP}@{pushed.digest} (v1)" in told
    assert f"{Digest.of(b'damaged')}: it is known to be damaged; part of " in told
    layers = exported.links("_layers").values()
    assert set(layers) == {str(Digest.of(CONFIG)), str(Digest.of(b"whole"))}
    assert len(exported.links("_manifests/tags")) == 6


def test_a_file_of_another_size_is_not_exported_and_stays_as_it_is(
    writer: Principal, exported: Exported, disk: FilesystemStorage
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    last = Digest.of(max((CONFIG, LAYER), key=lambda content: str(Digest.of(content))))
    disk.blob_path(last).write_bytes(b"another size")
    manifest = Manifest.objects.get()
    for tag in ("v2", "v3"):  # so that nothing but links is new the second time
        Tag.objects.create(repository=manifest.repository, name=tag, manifest=manifest)
        [lost] = exported.again().lost
        assert lost.why.startswith("its file has 12 bytes instead of ")
        assert disk.blob_path(last).read_bytes() == b"another size"
        assert not exported.blob(last).parent.exists()


def test_what_an_earlier_run_has_of_a_blob_that_is_known_to_be_damaged_is_removed(
    writer: Principal, exported: Exported
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    exported.again()
    Blob.objects.filter(digest=str(Digest.of(LAYER))).update(damaged_at=LONG_AGO)
    assert len(exported.again().lost) == 1
    assert not exported.blob(Digest.of(LAYER)).exists()
    assert folder_of(Digest.of(LAYER)) not in exported.links("_layers")


def test_a_disk_that_is_full_is_told_in_one_line(
    writer: Principal, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(writer, LAYER, tags=["v1"])

    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Rows, "_add", full)
    told = refused("export_tree", str(exported.root))
    assert told == f"{exported.root} cannot be written: database or disk is full."
    monkeypatch.undo()
    assert exported.again().lost == []


def test_a_manifest_whose_bytes_have_changed_is_told_and_not_exported(
    writer: Principal, exported: Exported
) -> None:
    pushed = push_image(writer, LAYER, tags=["v1"])
    Manifest.objects.update(payload=b"{}")
    [lost] = exported.again().lost
    assert (lost.digest, lost.images) == (pushed.digest, [APP])
    assert exported.links("_manifests") == {}
    assert not exported.blob(pushed.digest).exists()


def test_an_export_that_was_held_up_for_too_long_says_so_when_it_misses_a_blob(
    writer: Principal,
    exported: Exported,
    disk: FilesystemStorage,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    take_blobs = exporting._Export._take_blobs

    def held_up(*args: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM repositories_backuplease")
        disk.blob_path(Digest.of(LAYER)).unlink()
        take_blobs(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(exporting._Export, "_take_blobs", held_up)
    assert "held up for more than ten minutes" in refused("export_tree", str(exported.root))
    assert not exported.links("_manifests")


def test_a_folder_that_is_not_an_exports_is_refused(writer: Principal, exported: Exported) -> None:
    push_image(writer, LAYER)
    exported.root.mkdir()
    (exported.root / "docker").mkdir()
    told = refused("export_tree", str(exported.root))
    assert told == f"{exported.root} is not empty, and no export: name a folder of its own."
    assert {path.name for path in exported.root.iterdir()} == {"docker"}


@pytest.mark.parametrize("place", ["", "docker", "docker/registry", "berth/x"])
def test_the_registrys_own_folders_are_refused(disk: FilesystemStorage, place: str) -> None:
    assert "belongs to the registry" in refused("export_tree", str(disk.root / place))


def test_the_tree_that_a_shadow_shows_is_refused(settings: Settings, tmp_path: Path) -> None:
    tree = tmp_path / "others"
    settings.BLOB_STORAGE = {**settings.BLOB_STORAGE, "OPTIONS": {"root": tmp_path, "tree": tree}}
    for place in (tree, tree / "docker" / "new"):
        assert "belongs to the registry" in refused("export_tree", str(place))
    assert not tree.exists()


def test_a_tree_that_another_registry_has_taken_pushes_to_is_refused(
    writer: Principal, exported: Exported
) -> None:
    push_image(writer, LAYER, tags=["v1"])
    exported.again()
    before = exported.files()
    (exported.repository() / "_uploads").mkdir()
    push_image(writer, b"new", tags=["v1"])
    with pytest.raises(BackupError, match=f"has taken pushes to {APP} there"):
        exported.again()
    assert exported.files() == before


def test_another_command_at_work_there_is_waited_for(
    writer: Principal, exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    push_image(writer, LAYER)
    hold = leases.hold

    def second() -> object:
        monkeypatch.setattr(leases, "hold", hold)
        assert "Another command is at work" in refused("export_tree", str(exported.root))
        return hold()

    monkeypatch.setattr(leases, "hold", second)
    exported.again()


def test_the_report_is_a_table_or_json(writer: Principal, exported: Exported) -> None:
    push_image(writer, LAYER, tags=["v1", "v2"])
    told = manage("export_tree", str(exported.root))
    assert {"repositories", "manifests", "tags", "blobs linked"} <= {
        line.strip("│ ").partition("│")[0].strip() for line in told.splitlines()
    }
    document = json.loads(manage("export_tree", str(exported.root), "--json"))
    assert document == {
        "repositories": 1,
        "manifests": 1,
        "tags": 2,
        "fallback_tags": 0,
        "linked": {"blobs": 0, "bytes": 0},
        "copied": {"blobs": 0, "bytes": 0},
        "reused": {"blobs": BOTH.blobs, "bytes": BOTH.bytes},
        "removed": 0,
        "retyped": [],
        "lost": [],
    }
