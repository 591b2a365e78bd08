"""The one oracle of all faults: does the registry still have what it acknowledged?"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.badinput.corpus import OCI_IMAGE, OCI_INDEX
from tests.badinput.wire import Answer, Headers, NoAnswer, exchange
from tests.faults.ledger import GONE, Entry

BLOBS = Path("docker/registry/v2/blobs")
UPLOADS = Path("berth/uploads")
# Some registries serve nothing else than what is asked for by name.
ACCEPT: Headers = (("Accept", f"{OCI_IMAGE}, {OCI_INDEX}"),)


def problems(host: str, entries: Iterable[Entry]) -> list[str]:
    """What the registry at `host` lost or falsified of what the ledger says it acknowledged.

    Everything is as it was last acknowledged, or as it was attempted to be since: there, with the
    bytes of its digest, or deleted. What a manifest names is there, too. No answer is 5xx.
    """
    found: list[str] = []
    for (kind, repository, name), possible in sorted(_possible(entries).items()):
        answer = _get(host, repository, "blobs" if kind == "blob" else "manifests", name)
        digest = GONE if answer.status == 404 else _digest(answer)
        if digest not in possible:
            shown = digest or repr(answer.body[:200])
            found.append(f"{kind} {repository} {name}: {answer.status} {shown}")
        elif kind == "manifest" and digest:
            found += _references(host, repository, digest, answer)
    return found


def _possible(entries: Iterable[Entry]) -> dict[tuple[str, str, str], set[str]]:
    """What each thing may be, once it was acknowledged to be something."""
    possible: dict[tuple[str, str, str], set[str]] = {}
    settled: set[tuple[str, str, str]] = set()
    for entry in entries:
        key = entry.kind, entry.repository, entry.name
        if entry.is_acknowledged:
            settled.add(key)
            possible[key] = {entry.digest}
        else:
            possible.setdefault(key, set()).add(entry.digest)
    return {key: possible[key] for key in settled}


def _digest(answer: Answer) -> str:
    """What the bytes hash to, by the algorithm that the answer names; nothing for an error."""
    algorithm = answer.header("docker-content-digest").partition(":")[0] or "sha256"
    if answer.status != 200:
        return f"error {answer.status}"
    return f"{algorithm}:{hashlib.new(algorithm, answer.body).hexdigest()}"


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
    """What is answered; an answer that breaks off is none, of status 0."""
    try:
        return exchange(host, "GET", f"/v2/{repository}/{kind}/{reference}", ACCEPT)
    except NoAnswer as error:
        return Answer(0, (), str(error).encode())


def _references(host: str, repository: str, digest: str, answer: Answer) -> Iterator[str]:
    manifest = json.loads(answer.body)
    blobs = [manifest["config"], *manifest["layers"]] if "layers" in manifest else []
    for kind, references in (("blobs", blobs), ("manifests", manifest.get("manifests", []))):
        for reference in references:
            part = _get(host, repository, kind, reference["digest"])
            if (found := _digest(part)) != reference["digest"]:
                yield f"{repository} {digest} lacks {reference['digest']}: {found}"
