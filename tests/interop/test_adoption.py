"""From Docker's registry to Berth and back: 200 repositories, adopted where they lie, and exported.

The tree was filled by that registry, and damaged on purpose. What has to come of it was written
down while it was filled and damaged (`distribution_tree`, `tree_damage`).
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from repositories.oci.media_types import OCI_MANIFEST
from tests.faults.backups import attempt
from tests.faults.tracing import require_strace
from tests.interop.distribution_tree import THREADS, Filler, Repository, descriptor, names
from tests.interop.docker_registry import Answer, DockerRegistry, Wires
from tests.interop.tools import ACCEPT, digest_of, references
from tests.interop.tree_damage import BASE, Damage, data_path, path_of
from tests.live import LiveServer, tables

pytestmark = pytest.mark.interop

# What is pushed to Berth is in repositories of its own.
OURS = "ours/"
BUSY, NEW, ALONE = f"{OURS}busy", f"{OURS}new", f"{OURS}alone"
_HISTORY = """
SELECT repository.name, change.name, digest, changed_at FROM repositories_tagchange AS change
JOIN repositories_repository AS repository ON repository.id = repository_id
"""


@dataclass(frozen=True, slots=True)
class Source:
    """The damaged tree, and what is known of it."""

    root: Path
    filler: Filler
    damage: Damage

    @property
    def repositories(self) -> Mapping[str, Repository]:
        return self.filler.repositories

    def names(self) -> set[str]:
        """The repositories of which something is left: one has lost its only manifest."""
        return {
            name
            for name, repository in self.repositories.items()
            if repository.manifests.keys() - set(self.damage.stepped_over.get(name, ()))
        }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    root = tmp_path_factory.mktemp("distribution") / "tree"
    root.mkdir()
    with DockerRegistry(root) as registry, Wires(registry.host) as wires:
        filler = Filler(wires)
        filler.fill()
    damage = Damage(root, filler.repositories)
    damage.do()
    return Source(root, filler, damage)


class File(NamedTuple):
    """What would show that a file was written anew, or changed."""

    inode: int
    size: int
    blocks: int
    modified: int


def files_of(root: Path) -> dict[str, File]:
    found = {}
    for path in (root / "docker").rglob("*"):
        if path.is_file():
            status = path.stat()
            facts = File(status.st_ino, status.st_size, status.st_blocks, status.st_mtime_ns)
            found[str(path)] = facts
    return found


def blocks(files: Mapping[str, File]) -> int:
    """As `du` counts them: a file with two names once."""
    return sum({file.inode: file.blocks for file in files.values()}.values())


@dataclass(frozen=True, slots=True)
class Adopted:
    """A Berth that has taken over the tree: what the command said, and all files before it ran."""

    server: LiveServer
    report: dict[str, Any]
    findings: Counter[tuple[str, str]]
    before: dict[str, File]


def adopt(root: Path, data: Path) -> Adopted:
    """Take the tree over where it lies. The server is not started."""
    before = files_of(root)
    server = LiveServer(data, env={"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": str(root)})
    data.mkdir()
    shutil.copyfile(tables(), data / "berth.sqlite3")
    said = json.loads(server.manage("adopt", "--verify", "--json", "-"))
    findings = Counter((each["kind"], each["target"]) for each in said["findings"])
    return Adopted(server, said["report"], findings, before)


@pytest.fixture(scope="module")
def adopted(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adopted]:
    result = adopt(source.root, tmp_path_factory.mktemp("adopted") / "data")
    with result.server:
        yield result


def test_nothing_is_copied(source: Source, adopted: Adopted) -> None:
    after = files_of(source.root)
    assert {path: after.get(path) for path in adopted.before} == adopted.before
    # What was pushed by sha512 has a second name, and no bytes of its own.
    new = {path: file for path, file in after.items() if path not in adopted.before}
    assert {file.inode for file in new.values()} <= {file.inode for file in adopted.before.values()}
    assert all("/blobs/sha512/" in path for path in new)
    assert blocks(after) == blocks(adopted.before)


def test_the_report_lists_exactly_what_is_damaged(source: Source, adopted: Adopted) -> None:
    assert adopted.findings == Counter(source.damage.findings)
    tags = sum(len(repository.tags) for repository in source.repositories.values())
    manifests = sum(len(repository.manifests) for repository in source.repositories.values())
    stepped_over = source.damage.stepped_over.values()
    report = adopted.report
    assert (len(source.repositories), report["repositories"]) == (200, 199)
    assert len(source.names()) == 199
    assert report["tags"] == tags - len(source.damage.lost)
    # The one of schema 1 is not among them.
    assert report["manifests"] == manifests - sum(map(len, stepped_over)) + 1
    assert report["garbage"] == len(source.filler.garbage)


class Puller:
    """Pulls what was pushed, byte by byte, from several threads."""

    def __init__(self, wires: Wires, damage: Damage) -> None:
        self._wires = wires
        self._damage = damage

    def get(self, path: str) -> Answer:
        return self._wires.request("GET", path, headers={"Accept": ACCEPT})

    def pull_all(self, repositories: Mapping[str, Repository]) -> int:
        """All of them; how many tags came, of which all blobs are right."""
        with ThreadPoolExecutor(THREADS) as pool:
            return sum(pool.map(self._pull, repositories.values()))

    def _pull(self, repository: Repository) -> int:
        name, whole = repository.name, 0
        stepped_over = self._damage.stepped_over.get(name, [])
        missing = {
            layer for tag, layer in self._damage.incomplete.items() if tag.startswith(f"{name}:")
        }
        for digest, payload in repository.manifests.items():
            status, headers, body = self.get(f"{name}/manifests/{digest}")
            if digest in stepped_over:
                assert status == 404, (name, digest, status)
                continue
            assert (status, body) == (200, payload), (name, digest, status)
            assert headers["Content-Type"] == repository.types[digest]
        blobs = self._blobs(repository, stepped_over) | repository.mounted
        for digest, content in blobs.items():
            status, _, body = self.get(f"{name}/blobs/{digest}")
            assert (status, body) == ((404, body) if digest in missing else (200, content)), digest
        for tag, digest in repository.tags.items():
            status, headers, body = self.get(f"{name}/manifests/{tag}")
            if f"{name}:{tag}" in self._damage.lost:
                assert status == 404, (name, tag, status)
                continue
            assert (status, headers["Docker-Content-Digest"]) == (200, digest), (name, tag)
            assert body == repository.manifests[digest]
            whole += f"{name}:{tag}" not in self._damage.incomplete
        return whole

    @staticmethod
    def _blobs(repository: Repository, stepped_over: list[str]) -> dict[str, bytes]:
        """Those that the manifests name which are there."""
        return {
            part["digest"]: repository.blobs[part["digest"]]
            for digest, payload in repository.manifests.items()
            if digest not in stepped_over
            for part, is_manifest in references(json.loads(payload))
            if not is_manifest
        }

    def tags(self, name: str) -> set[str]:
        """Those that are listed."""
        status, _, body = self.get(f"{name}/tags/list?n=1000")
        assert status in (200, 404), (name, body)  # both say so of what has no tag at all
        return set(json.loads(body)["tags"] or ()) if status == 200 else set()

    def catalog(self) -> list[str]:
        found: list[str] = json.loads(self.get("_catalog?n=1000")[2])["repositories"]
        return found


def check_served(host: str, source: Source) -> None:
    """Every tag that is not lost, by its digest, with all blobs that are there."""
    with Wires(host) as wires:
        puller = Puller(wires, source.damage)
        whole = puller.pull_all(source.repositories)
        catalog, tags = puller.catalog(), {name: puller.tags(name) for name in names()[:40]}
    count = sum(len(repository.tags) for repository in source.repositories.values())
    assert whole == count - len(source.damage.lost) - len(source.damage.incomplete) > 500
    assert {name for name in catalog if not name.startswith(OURS)} == source.names()
    for name, listed in tags.items():
        there = source.repositories[name].tags
        assert listed == {tag for tag in there if f"{name}:{tag}" not in source.damage.lost}, name


def test_every_intact_tag_is_pulled_from_berth(source: Source, adopted: Adopted) -> None:
    check_served(adopted.server.host, source)
    name = names()[13]
    subject = source.repositories[name].tags["v1"]
    with Wires(adopted.server.host) as wires:
        answer = wires.request("GET", f"{name}/referrers/{subject}")
    [referrer] = json.loads(answer.body)["manifests"]
    assert referrer["artifactType"] == "application/vnd.example.signature"


def push_blobs(wires: Wires, repository: str, layer: bytes, **fields: object) -> bytes:
    """Push what an image is made of; the image itself is returned."""
    for content in (b"{}", layer):
        wires.push_blob(repository, content, digest_of(content))
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(b"{}", "application/vnd.oci.image.config.v1+json"),
        "layers": [descriptor(layer, "application/vnd.oci.image.layer.v1.tar")],
    }
    return json.dumps(document | fields).encode()


def push_new(wires: Wires) -> tuple[bytes, bytes]:
    """What Docker's registry would not have taken like this: an image that is called by sha512, and
    one that refers to it. A blob of no image, too."""
    image = push_blobs(wires, NEW, b"new")
    digest = digest_of(image, "sha512")
    wires.push_manifest(NEW, f"{digest}?tag=v1", image, OCI_MANIFEST)
    subject = descriptor(image, OCI_MANIFEST) | {"digest": digest}
    signature = push_blobs(wires, NEW, b"signature", subject=subject)
    wires.push_manifest(NEW, digest_of(signature), signature, OCI_MANIFEST)
    wires.push_blob(ALONE, b"alone", digest_of(b"alone"))
    return image, signature


def push_one(wires: Wires, number: int) -> None:
    payload = push_blobs(wires, BUSY, f"{BUSY} {number}".encode())
    for tag in (f"v{number}", "latest"):
        wires.push_manifest(BUSY, tag, payload, OCI_MANIFEST)
    if number % 5 == 4:
        wires.delete(BUSY, digest_of(payload))


@contextmanager
def pushing(host: str) -> Iterator[None]:
    """Somebody pushes images of their own meanwhile, moves tags, and deletes some."""
    stop, failures = threading.Event(), list[BaseException]()

    def loop() -> None:
        try:
            with Wires(host) as wires:
                for number in itertools.count():
                    if stop.is_set():
                        break
                    push_one(wires, number)
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, failures


@pytest.fixture(scope="module")
def new(adopted: Adopted) -> tuple[bytes, bytes]:
    """Pushed to Berth before the export."""
    with Wires(adopted.server.host) as wires:
        return push_new(wires)


@pytest.fixture(scope="module")
def exported(
    adopted: Adopted, new: tuple[bytes, bytes], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Killed half-way, and run again, while others push."""
    place = tmp_path_factory.mktemp("exported") / "tree"
    kill = ("-e", "trace=rename", "-e", "inject=rename:signal=SIGKILL:when=2000")
    strace = (require_strace(), "-f", "-qq", "-o", os.devnull, *kill)
    with pushing(adopted.server.host):
        killed, _ = attempt(adopted.server, "export_tree", str(place), under=strace)
        assert killed == -9
        status, said = attempt(adopted.server, "export_tree", str(place), "--json")
    report, _ = json.JSONDecoder().raw_decode(said)
    assert status == 1, said  # of what is lost to Berth, too
    assert report["copied"]["blobs"] == 0
    assert report["reused"]["blobs"] > 0
    (place.parent / "report.json").write_text(json.dumps(report))
    return place


def test_the_export_tells_what_berth_does_not_have_either(source: Source, exported: Path) -> None:
    report = json.loads((exported.parent / "report.json").read_text())
    lost = {each["digest"]: each["images"] for each in report["lost"]}
    assert lost.keys() == set(source.damage.incomplete.values())
    for target, layer in source.damage.incomplete.items():
        name, _, tag = target.partition(":")
        assert any(image.startswith(f"{name}@") and tag in image for image in lost[layer])


def test_dockers_registry_serves_the_export(
    source: Source, exported: Path, new: tuple[bytes, bytes]
) -> None:
    with DockerRegistry(exported) as registry:
        check_served(registry.host, source)
        with Wires(registry.host) as wires:
            check_new(Puller(wires, source.damage), *new)
            check_busy(Puller(wires, source.damage))
    manifests = [each for it in source.repositories.values() for each in it.manifests.values()]
    needed = {digest_of(new[0], "sha512"), *map(digest_of, (*manifests, *new))}
    for payload in (*manifests, *new):
        needed |= {part["digest"] for part, _ in references(json.loads(payload))}
    garbage = set(registry.garbage())
    assert digest_of(b"alone") in garbage
    assert not garbage & needed
    shared = data_path(source.root, digest_of(b"{}"))
    assert shared.samefile(data_path(exported, digest_of(b"{}")))


def check_new(puller: Puller, image: bytes, signature: bytes) -> None:
    digest = digest_of(image, "sha512")
    status, headers, body = puller.get(f"{NEW}/manifests/v1")
    assert (status, headers["Docker-Content-Digest"], body) == (200, digest, image)
    listing = json.loads(puller.get(f"{NEW}/manifests/{fallback_tag(digest)}").body)
    assert [each["digest"] for each in listing["manifests"]] == [digest_of(signature)]
    assert puller.get(f"{NEW}/manifests/{digest_of(signature)}").body == signature
    assert {BUSY, NEW, ALONE} <= set(puller.catalog())
    assert puller.get(f"{ALONE}/blobs/{digest_of(b'alone')}").body == b"alone"
    assert not json.loads(puller.get(f"{ALONE}/tags/list").body)["tags"]


def check_busy(puller: Puller) -> None:
    """Whatever the moment was: what is there is whole."""
    tags = puller.tags(BUSY)
    assert tags
    for tag in tags:
        status, headers, body = puller.get(f"{BUSY}/manifests/{tag}")
        assert (status, headers["Docker-Content-Digest"]) == (200, digest_of(body)), tag
        for part, _ in references(json.loads(body)):
            blob = puller.get(f"{BUSY}/blobs/{part['digest']}")
            assert (blob.status, digest_of(blob.body)) == (200, part["digest"]), tag


def fallback_tag(digest: str) -> str:
    """distribution-spec, "Referrers Tag Schema"."""
    algorithm, _, reference = digest.partition(":")
    return f"{algorithm}-{reference[:64]}"


def test_the_export_has_the_dates_of_the_source(source: Source, exported: Path) -> None:
    """To the microsecond, which is what databases keep: of each move of a tag."""
    compared = 0
    for name, repository in source.repositories.items():
        for tag in repository.tags.keys() & {"latest"}:
            if f"{name}:{tag}" in source.damage.lost:
                continue
            folder = Path(BASE) / "repositories" / name / "_manifests" / "tags" / tag
            for digest in repository.moves[tag]:
                place = folder / "index" / path_of(digest) / "link"
                is_current = digest == repository.tags[tag]
                there = source.root / (folder / "current" / "link" if is_current else place)
                if not there.read_bytes() or digest in source.damage.stepped_over.get(name, []):
                    continue
                assert (exported / place).read_text() == digest
                apart = there.stat().st_mtime - (exported / place).stat().st_mtime
                assert abs(apart) < 0.000_01, place
                compared += 1
    assert compared > 250


def history(server: LiveServer) -> set[tuple[str, ...]]:
    """Every move of every tag, with its date."""
    with closing(sqlite3.connect(server.data / "berth.sqlite3")) as database:
        return set(database.execute(_HISTORY).fetchall())


def from_source(rows: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
    return {row for row in rows if not row[0].startswith(OURS)}


def test_the_export_can_be_adopted_again(
    source: Source, adopted: Adopted, exported: Path, tmp_path: Path
) -> None:
    again = adopt(exported, tmp_path / "data")
    lost = source.damage.incomplete
    images = {
        f"{name}@{source.repositories[name].tags[tag]}"
        for name, tag in (target.split(":") for target in lost)
    }
    wanted = [("blob-missing", layer) for layer in set(lost.values())]
    assert again.findings == Counter(wanted + [("manifest-incomplete", each) for each in images])
    assert blocks(files_of(exported)) == blocks(again.before)
    here, there = (history(server) for server in (adopted.server, again.server))
    stepped_over = source.damage.stepped_over
    here = {row for row in here if row[2] not in stepped_over.get(row[0], ())}
    assert from_source(here) == from_source(there)
    assert len(here) > 600
