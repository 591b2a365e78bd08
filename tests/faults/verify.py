"""The one oracle of all faults: does the registry still have what it acknowledged?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.badinput.wire import Answer, exchange
from tests.faults.ledger import Entry

BLOBS = Path("docker/registry/v2/blobs")
UPLOADS = Path("berth/uploads")


def problems(host: str, entries: Iterable[Entry]) -> list[str]:
    """What the registry at `host` lost or falsified of what the ledger says it acknowledged.

    Every blob and manifest hashes to its digest, everything that a manifest names is there, each
    tag is the last value acknowledged or one attempted after it, and no answer is 5xx.
    """
    entries = list(entries)
    acknowledged = {entry for entry in entries if entry.is_acknowledged}
    found: list[str] = []
    for entry in sorted(acknowledged, key=lambda entry: (entry.kind, entry.repository, entry.name)):
        if entry.kind == "blob":
            found += _content(host, entry.repository, "blobs", entry.digest)
        if entry.kind == "manifest":
            found += _content(host, entry.repository, "manifests", entry.digest)
            found += _references(host, entry.repository, entry.digest)
    return found + list(_tags(host, entries))


def misnamed(data: Path) -> list[str]:
    """Published files of a data folder that do not hash to their names, or are none of ours."""
    return [
        str(file)
        for file in (data / BLOBS).rglob("*")
        if file.is_file() and (file.name != "data" or _digest_of(file) != file.parent.name)
    ]


def published(data: Path) -> set[str]:
    """The digests of all files that are published under a data folder."""
    return {
        f"{file.parent.parent.parent.name}:{file.parent.name}"
        for file in (data / BLOBS).rglob("data")
    }


def uploads(data: Path) -> dict[str, int]:
    """The uploads in flight on disk, with their sizes."""
    folder = data / UPLOADS
    return {file.name: file.stat().st_size for file in folder.iterdir()} if folder.exists() else {}


def _digest_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, file.parent.parent.parent.name).hexdigest()


def _get(host: str, repository: str, kind: str, reference: str) -> Answer:
    return exchange(host, "GET", f"/v2/{repository}/{kind}/{reference}")


def _content(host: str, repository: str, kind: str, digest: str) -> Iterator[str]:
    answer = _get(host, repository, kind, digest)
    algorithm, _, value = digest.partition(":")
    if answer.status != 200:
        yield f"{repository} {kind} {digest}: {answer.status} {answer.body[:200]!r}"
    elif hashlib.new(algorithm, answer.body).hexdigest() != value:
        yield f"{repository} {kind} {digest}: {len(answer.body)} other bytes"


def _references(host: str, repository: str, digest: str) -> Iterator[str]:
    answer = _get(host, repository, "manifests", digest)
    if answer.status != 200:
        return  # reported already
    manifest = json.loads(answer.body)
    blobs = [manifest["config"], *manifest["layers"]] if "layers" in manifest else []
    for kind, references in (("blobs", blobs), ("manifests", manifest.get("manifests", []))):
        for reference in references:
            status = exchange(host, "HEAD", f"/v2/{repository}/{kind}/{reference['digest']}").status
            if status != 200:
                yield f"{repository} {digest} lacks {reference['digest']}: {status}"


def _tags(host: str, entries: list[Entry]) -> Iterator[str]:
    """Each tag that was ever acknowledged has that value, or one attempted since."""
    possible: dict[tuple[str, str], set[str]] = {}
    settled: set[tuple[str, str]] = set()
    for entry in entries:
        key = entry.repository, entry.name
        if entry.kind == "tag" and entry.is_acknowledged:
            settled.add(key)
            possible[key] = {entry.digest}
        elif entry.kind == "tag":
            possible.setdefault(key, set()).add(entry.digest)
    for repository, name in sorted(settled):
        answer = _get(host, repository, "manifests", name)
        digest = answer.header("docker-content-digest")
        if answer.status != 200 or digest not in possible[repository, name]:
            yield f"{repository}:{name} is {answer.status} {digest}"
