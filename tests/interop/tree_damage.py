"""A tree of Docker's registry damaged in every way that we know of, and what is to be said of it.

Each damage is in a repository of its own, so that none hides another. `Damage` collects what the
report of `manage.py adopt --verify` has to say, and which tags suffer.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from tests.interop.distribution_tree import Repository, names
from tests.interop.tools import digest_of

BASE = "docker/registry/v2"
SCHEMA_1 = json.dumps({"schemaVersion": 1, "name": "old", "fsLayers": [], "history": []}).encode()


@dataclass(slots=True)
class Damage:
    """`findings` are what is to be reported: kind and target. `lost` are tags that have no manifest
    any more, `incomplete` those that miss the blob which is named; both as `name:tag`."""

    root: Path
    repositories: dict[str, Repository]
    findings: list[tuple[str, str]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    incomplete: dict[str, str] = field(default_factory=dict)
    stepped_over: dict[str, list[str]] = field(default_factory=dict)

    def do(self) -> None:
        """All of it."""
        self._links()
        self._layers()
        self._manifests()
        self._strangers()

    # --- what is damaged ---

    def _links(self) -> None:
        self._emptied(self._tag(2, "v1") / "current" / "link")
        self._tag_link(2, "v1")

        link = self._tag(3, "latest") / "current" / "link"
        link.write_bytes(link.read_bytes()[:12])
        self._tag_link(3, "latest")

        shutil.rmtree(self._tag(32, "v1") / "current")
        self._lose(32, "v1")

        digest = self._named(4, "v1")
        self._emptied(self._folder(4) / "_manifests/revisions" / path_of(digest) / "link")
        self._step_over("broken-link", 4, digest)

        # No harm is done: the manifest says that the blob belongs to the repository.
        layer = self._layer(6)
        self._emptied(self._folder(6) / "_layers" / path_of(layer) / "link")
        self.findings.append(("broken-link", layer))

        # Nor is it here: only a date is lost.
        first = self._repository(30).moves["latest"][0]
        self._emptied(self._tag(30, "latest") / "index" / path_of(first) / "link")
        self.findings.append(("broken-link", first))

    def _layers(self) -> None:
        self._data(self._layer(8)).unlink()
        self._miss("blob-missing", 8)
        self._emptied(self._data(self._layer(16)))
        self._miss("blob-empty", 16)
        truncated = self._data(self._layer(19))
        truncated.write_bytes(truncated.read_bytes()[:-10])
        self._miss("blob-size", 19)
        self._flipped(self._data(self._layer(23)))
        self._miss("blob-changed", 23)

    def _manifests(self) -> None:
        shutil.rmtree(self._data(self._named(12, "v1")).parent)
        self._step_over("manifest-missing", 12, self._named(12, "v1"))
        self._emptied(self._data(self._named(17, "v1")))
        self._step_over("manifest-empty", 17, self._named(17, "v1"))
        self._flipped(self._data(self._named(18, "v1")))
        self._step_over("manifest-changed", 18, self._named(18, "v1"))
        self._old_schema(24)

    def _strangers(self) -> None:
        """Of these nothing suffers, and nothing of them may be touched."""
        tag, data = self._tag(27, "v1"), self._data(self._layer(27))
        self._strange("leftover", tag / "current" / "link.4711.tmp", b"sha256:0123")
        self._strange("leftover", data.with_name("data.815.tmp"), b"half a bl")
        folder = self._folder(29)
        self._strange("unknown", folder / "_notes", None)
        self._strange("unknown", folder / "_manifests" / "notes", None)
        self._strange("unknown", folder / "_layers" / "md5", None)
        self._strange("unknown", folder / "notes.txt", b"for people")
        blobs = self.root / BASE / "blobs"
        self._strange("unknown", blobs / "md5", None)
        self._strange("unknown", blobs / "sha256" / "zz", None)
        self._strange("unknown", blobs / "sha256" / "00" / "0123", None)
        upper = self.root / BASE / "repositories" / "Upper"
        self._strange("invalid-name", upper, None)
        (upper / "_layers").mkdir()

    def _old_schema(self, number: int) -> None:
        digest = digest_of(SCHEMA_1)
        self._data(digest).parent.mkdir(parents=True)
        self._data(digest).write_bytes(SCHEMA_1)
        manifests = self._folder(number) / "_manifests"
        for place in (
            f"revisions/{path_of(digest)}",
            f"tags/ancient/index/{path_of(digest)}",
            "tags/ancient/current",
        ):
            (manifests / place).mkdir(parents=True)
            (manifests / place / "link").write_text(digest)
        self._repository(number).tags["ancient"] = digest
        self._step_over("manifest-refused", number, digest)

    # --- what that is to lead to ---

    def _tag_link(self, number: int, tag: str) -> None:
        """A tag whose own link is broken."""
        target = f"{names()[number]}:{tag}"
        self.findings.append(("broken-link", target))
        self.lost.add(target)

    def _lose(self, number: int, tag: str) -> None:
        """A tag that names nothing which could be used."""
        target = f"{names()[number]}:{tag}"
        self.findings.append(("tag-lost", target))
        self.lost.add(target)

    def _step_over(self, kind: str, number: int, digest: str) -> None:
        """A manifest that is lost, and its tags."""
        self.findings.append((kind, f"{names()[number]}@{digest}"))
        self.stepped_over.setdefault(names()[number], []).append(digest)
        for tag, named in self._repository(number).tags.items():
            if named == digest:
                self._lose(number, tag)

    def _miss(self, kind: str, number: int) -> None:
        """A manifest whose layer is lost, and its tags."""
        digest, layer = self._named(number, "v1"), self._layer(number)
        self.findings.append((kind, layer))
        self.findings.append(("manifest-incomplete", f"{names()[number]}@{digest}"))
        for tag, named in self._repository(number).tags.items():
            if named == digest:
                self.incomplete[f"{names()[number]}:{tag}"] = layer

    # --- files ---

    def _emptied(self, path: Path) -> None:
        assert path.stat().st_size > 0
        path.write_bytes(b"")

    def _flipped(self, path: Path) -> None:
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)

    def _strange(self, kind: str, path: Path, content: bytes | None) -> None:
        """A file of that content, or a folder, that no registry makes."""
        if content is None:
            path.mkdir(parents=True)
        else:
            path.write_bytes(content)
        self.findings.append((kind, str(path.relative_to(self.root))))

    def _repository(self, number: int) -> Repository:
        return self.repositories[names()[number]]

    def _folder(self, number: int) -> Path:
        return self.root / BASE / "repositories" / names()[number]

    def _tag(self, number: int, tag: str) -> Path:
        return self._folder(number) / "_manifests" / "tags" / tag

    def _named(self, number: int, tag: str) -> str:
        return self._repository(number).tags[tag]

    def _layer(self, number: int) -> str:
        """The layer that only `v1` has."""
        repository = self._repository(number)
        digest: str = json.loads(repository.manifests[repository.tags["v1"]])["layers"][-1][
            "digest"
        ]
        return digest

    def _data(self, digest: str) -> Path:
        return data_path(self.root, digest)


def path_of(digest: str) -> str:
    """Of the folder that a link is in."""
    return digest.replace(":", "/")


def data_path(root: Path, digest: str) -> Path:
    """Where the bytes are."""
    algorithm, _, value = digest.partition(":")
    return root / BASE / "blobs" / algorithm / value[:2] / value / "data"
