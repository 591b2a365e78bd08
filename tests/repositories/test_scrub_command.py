"""`manage.py scrub`: what it says, what it writes, and how it ends."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from repositories import hits, jobs, limit_settings, scrub, scrub_passes
from repositories.access import Principal
from repositories.models import ScrubPass
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.repositories.content import APP, push_image
from tests.repositories.scrubbing import cut, flip, marked, remove

pytestmark = pytest.mark.django_db

LAYER = b"a [bold]layer"
DIGEST = Digest.of(LAYER)


def run(*options: str) -> tuple[str, str]:
    """What it prints, and the error that it ends with."""
    out = io.StringIO()
    try:
        call_command("scrub", *options, stdout=out, stderr=io.StringIO())
    except CommandError as problem:
        return out.getvalue(), str(problem)
    return out.getvalue(), ""


@pytest.fixture
def image(writer: Principal) -> str:
    return str(push_image(writer, LAYER, b"another", tags=["v1", "v2"]).digest)


def test_without_damage_it_says_what_it_looked_at_and_ends_well(image: str) -> None:
    text, error = run()
    assert "3 blobs (22 bytes read) and 1 manifests looked at" in text
    assert "0 damaged, 0 harmless" in text
    assert error == ""


def test_damage_is_told_with_its_images_and_changes_nothing(
    image: str, disk: FilesystemStorage
) -> None:
    flip(disk, DIGEST)
    text, error = run()
    for part in ("changed", str(DIGEST), f"{APP}:v1, {APP}:v2", "damaged"):
        assert part in text
    assert error.startswith("1 damaged. With --repair")
    assert marked() == set()


def test_with_repair_it_says_to_push_again_and_then_that_it_is_healed(
    image: str, disk: FilesystemStorage, writer: Principal
) -> None:
    cut(disk, DIGEST)
    text, error = run("--repair")
    assert "waits for a push" in text
    assert error == (
        "1 damaged. Push the images above again: each blob heals everywhere as it comes."
    )
    assert marked() == {str(DIGEST)}
    push_image(writer, LAYER, b"another", tags=["v1"])
    assert run()[1] == ""


def test_the_report_is_written_as_json(image: str, disk: FilesystemStorage, tmp_path: Path) -> None:
    flip(disk, DIGEST)
    remove(disk, Digest.of(b"another"))
    path = tmp_path / "report.json"
    run("--repair", "--json", str(path))
    report: dict[str, Any] = json.loads(path.read_text())

    assert report["pass"]["blobs"] == 3
    assert report["pass"]["finished_at"]
    assert report["quarantine"] == {"files": 1, "bytes": len(LAYER)}
    found = {finding["target"]: finding for finding in report["findings"]}
    assert {finding["kind"] for finding in found.values()} == {"changed", "missing"}
    assert found[str(DIGEST)]["images"] == [
        {"repository": APP, "digest": image, "tags": ["v1", "v2"]}
    ]
    assert found[str(DIGEST)]["marked_at"]


def test_json_alone_is_printed_on_request(image: str) -> None:
    text, _ = run("--json", "-")
    assert json.loads(text)["findings"] == []


def test_a_file_that_cannot_be_written_is_told_in_one_line(image: str, tmp_path: Path) -> None:
    _, error = run("--json", str(tmp_path))
    assert "cannot be written" in error


def test_many_findings_are_cut_in_the_table_alone(
    writer: Principal, disk: FilesystemStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repositories.management.commands.scrub.MOST_SHOWN", 2)
    push_image(writer, *[b"%d" % number for number in range(5)], tags=["v1"])
    for number in range(5):
        remove(disk, Digest.of(b"%d" % number))
    text, error = run()
    assert "… and 3 more: --json FILE has all of them" in text
    assert error.startswith("5 damaged")
    assert len(json.loads(run("--json", "-")[0])["findings"]) == 5


@pytest.mark.parametrize("text", ["", "fast", "200", "-1MB/s"])
def test_a_rate_that_is_none_is_refused(text: str) -> None:
    assert run(f"--rate={text}")[1].startswith("--rate: ")
    assert not ScrubPass.objects.exists()


def test_it_keeps_to_the_rate(image: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[int | None] = []

    class Bucket:
        def __init__(self, rate: int | None) -> None:
            rates.append(rate)

        def take(self, count: int) -> None:
            rates.append(-count)

    monkeypatch.setattr(scrub, "Bucket", Bucket)
    run("--rate", "1.5MB/s")
    assert rates[0] == 1_500_000
    row = ScrubPass.objects.get()
    # Every byte of every blob, and of the manifest.
    assert -sum(filter(None, rates[1:])) > row.bytes == row.expected_bytes


def test_ctrl_c_says_how_to_go_on_and_restart_begins_anew(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: object, row: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(scrub._Scrub, "_look_at_manifest", interrupt)
        with pytest.raises(SystemExit) as end:
            run()
    assert end.value.code == 130
    row = ScrubPass.objects.get()
    assert (row.stage, row.blobs) == ("manifests", 3)
    run("--restart")
    again = ScrubPass.objects.get()
    assert (again.blobs, again.manifests) == (3, 1)
    assert again.started_at > row.started_at


def test_beside_another_command_it_says_to_wait(image: str) -> None:
    row = scrub_passes.begin()
    scrub_passes.claim(row, scrub_passes.holder(is_command=True))
    assert run()[1].startswith("Another scrub is under way")
    assert run("--restart")[1].startswith("Another scrub is under way")


def test_a_database_that_is_lost_is_told_in_one_line(
    image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_: object, **__: object) -> None:
        raise OperationalError("the connection is lost")

    monkeypatch.setattr(scrub, "run", lose)
    assert "the connection is lost" in run()[1]


def test_what_is_damaged_is_left_where_it_is_while_the_registry_is_read_only(
    image: str, disk: FilesystemStorage, administrator: Principal
) -> None:
    flip(disk, DIGEST)
    limit_settings.set_read_only(principal=administrator, on=True)
    text, error = run("--repair")
    assert (text, marked()) == ("", set())
    assert error.startswith("the registry is read-only")
    assert "without --repair" in error
    text, error = run()
    assert str(DIGEST) in text
    assert error.startswith("1 damaged.")
    assert jobs.scrub_storage().endswith("the registry is read-only")
    limit_settings.set_read_only(principal=administrator, on=False)
    run("--repair", "--restart")
    assert marked() == {str(DIGEST)}


def test_a_registry_that_becomes_read_only_meanwhile_keeps_its_blobs(
    image: str,
    disk: FilesystemStorage,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    flip(disk, DIGEST)
    look = hits.of_blob

    def switch(digest: str) -> hits.Hits:
        limit_settings.set_read_only(principal=administrator, on=True)
        return look(digest)

    monkeypatch.setattr(hits, "of_blob", switch)
    text, _ = run("--repair")
    assert str(DIGEST) in text
    assert marked() == set()
