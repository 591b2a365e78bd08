"""The records of a tree: which repositories there are, and what their links name.

```
<root>/docker/registry/v2/repositories/<name…>/
  _layers/<alg>/<hex>/link                          blobs that the repository may serve
  _manifests/revisions/<alg>/<hex>/link             its manifests
  _manifests/tags/<tag>/current/link                what a tag names
  _manifests/tags/<tag>/index/<alg>/<hex>/link      what it has named
  _uploads/…                                        uploads in flight, which nobody can go on with
```

A link is a file that holds `<alg>:<hex>` and nothing else; its time is when it was last written.
What is deleted leaves its folder without the link. The target may differ from the folder's name in
its algorithm: Distribution keeps a blob that was pushed by sha512 once, as sha256.

No symbolic link is followed. A folder is a repository if it has `_manifests` or `_layers`; `a` and
`a/b` can both be one.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from repositories.adoption.findings import Finding, Kind
from repositories.oci.digests import HEX_LENGTHS, Digest
from repositories.oci.errors import DigestInvalid, TagInvalid
from repositories.oci.names import MAX_NAME_BYTES, is_repository, validate_tag

BASE = Path("docker", "registry", "v2")
_OWN_FOLDERS = frozenset({"_layers", "_manifests", "_uploads"})
_MOST_LINK_BYTES = 256


class NoTree(Exception):
    """There is nothing to take over, or it is not where the root says; with what to do."""


class Link(NamedTuple):
    """What a link names, and when it was written."""

    target: Digest
    at: datetime


class TagRecord(NamedTuple):
    """A tag: what it names, since when, and what it named before, in no order."""

    name: str
    current: Link
    earlier: tuple[Link, ...]


@dataclass(slots=True)
class Records:
    """What the records of a repository say; links by the digest that their folder is named for.

    `doubtful` are the digests and tags whose link is there and cannot be used: not deleted.
    `is_whole` is false where a folder could not be read.
    """

    name: str
    layers: dict[Digest, Link] = field(default_factory=dict)
    revisions: dict[Digest, Link] = field(default_factory=dict)
    tags: list[TagRecord] = field(default_factory=list)
    doubtful: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    is_whole: bool = True

    def named(self) -> Iterator[Digest]:
        """Every digest whose bytes the repository's records speak of."""
        for links in (self.layers, self.revisions):
            for digest, link in links.items():
                yield digest
                yield link.target
        for text in self.doubtful:
            with suppress(DigestInvalid):
                yield Digest.parse(text)


@dataclass(slots=True)
class Walk:
    """The repositories of a tree by name, those whose names none can have, and what else there is.

    `is_whole` is false where a folder could not be looked into.
    """

    names: list[str] = field(default_factory=list)
    misnamed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    is_whole: bool = True


class Tree:
    """A tree at `root`, the folder that holds `docker/`. Raises NoTree."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.blobs = self.root / BASE / "blobs"
        self.repositories = self.root / BASE / "repositories"
        if not self.repositories.is_dir():
            raise NoTree(
                f"{self.root} holds no tree of Docker's registry: there is no {BASE}/repositories "
                "below it. Name the folder that its configuration calls rootdirectory."
            )
        for folder in (self.blobs, self.repositories):
            if not folder.resolve().is_relative_to(self.root):
                raise NoTree(
                    f"{folder} leads out of {self.root}, and symbolic links are not followed there:"
                    " mount what it leads to in its place."
                )

    def walk(self) -> Walk:
        """Find the repositories."""
        found, folders = Walk(), [""]
        while folders:
            name = folders.pop()
            reader = _Reader(self, name, found.findings)
            is_found = False
            for entry in reader.entries(self.repositories / name):
                if entry.name in _OWN_FOLDERS:
                    is_found |= entry.name != "_uploads"
                elif entry.name.startswith("_"):
                    reader.find(Kind.UNKNOWN, entry.path)
                elif len(inner := f"{name}/{entry.name}".lstrip("/")) > MAX_NAME_BYTES:
                    reader.find(Kind.NAME, entry.path, "longer than any repository's name")
                    found.is_whole = False
                else:
                    folders.append(inner)
            found.is_whole &= reader.is_whole
            if is_found and is_repository(name):
                found.names.append(name)
            elif is_found:
                reader.find(Kind.NAME, str(self.repositories / name), "no name of a repository")
                found.misnamed.append(name)
        found.names.sort()
        return found

    def records(self, name: str) -> Records:
        """Read the records of a repository."""
        records = Records(name)
        reader = _Reader(self, name, records.findings)
        folder = self.repositories / name
        manifests = folder / "_manifests"
        reader.links(folder / "_layers", records.layers, records.doubtful)
        for entry in reader.entries(manifests):
            if entry.name == "revisions":
                reader.links(
                    manifests / "revisions", records.revisions, records.doubtful, f"{name}@"
                )
            elif entry.name == "tags":
                records.tags = list(reader.tags(manifests / "tags", records.doubtful))
            else:
                reader.find(Kind.UNKNOWN, entry.path)
        records.is_whole = reader.is_whole
        return records


class _Reader:
    """Reads folders of one repository, and writes down what is wrong with them."""

    def __init__(self, tree: Tree, name: str, findings: list[Finding]) -> None:
        self._tree, self._name, self._findings = tree, name, findings
        self.is_whole = True

    def find(self, kind: Kind, path: str, detail: str = "", target: str = "") -> None:
        below = os.path.relpath(path, self._tree.root)
        self._findings.append(Finding(kind, self._name, target or below, below, detail))

    def entries(self, folder: Path) -> list[os.DirEntry[str]]:
        """The folders in a folder, by name; none where it is missing."""
        return [entry for entry in self._scan(str(folder)) if not self._is_other(entry)]

    def _scan(self, folder: str) -> list[os.DirEntry[str]]:
        if os.path.islink(folder):  # which was told where it was found
            self.is_whole = False
            return []
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except OSError as error:
            self.is_whole = False
            self.find(Kind.UNREADABLE, folder, error.strerror or "")
            return []

    def _is_other(self, entry: os.DirEntry[str]) -> bool:
        """Whether it is no folder; then that is written down."""
        if entry.is_dir(follow_symlinks=False):
            return False
        if entry.is_symlink():
            self.is_whole = False
            self.find(Kind.SYMLINK, entry.path)
        else:
            self.find(Kind.LEFTOVER if entry.name.endswith(".tmp") else Kind.UNKNOWN, entry.path)
        return True

    def links(
        self, folder: Path, into: dict[Digest, Link], doubtful: set[str], prefix: str = ""
    ) -> None:
        """The links by digest; findings name the digest with `prefix` before it."""
        for algorithm in self.entries(folder):
            if algorithm.name not in HEX_LENGTHS:
                self.find(Kind.UNKNOWN, algorithm.path)
                continue
            for entry in self.entries(Path(algorithm.path)):
                try:
                    digest = Digest.parse(f"{algorithm.name}:{entry.name}")
                except DigestInvalid:
                    self.find(Kind.UNKNOWN, entry.path)
                    continue
                link = self._link(entry.path, f"{prefix}{digest}", str(digest), doubtful, digest)
                if link is not None:
                    into[digest] = link

    def tags(self, folder: Path, doubtful: set[str]) -> Iterator[TagRecord]:
        for entry in self.entries(folder):
            try:
                tag = validate_tag(entry.name)
            except TagInvalid:
                self.find(Kind.NAME, entry.path, "no name of a tag")
                continue
            target, current, earlier = f"{self._name}:{tag}", None, dict[Digest, Link]()
            for inner in self.entries(Path(entry.path)):
                if inner.name == "current":
                    current = self._link(inner.path, target, tag, doubtful)
                elif inner.name == "index":
                    self.links(Path(inner.path), earlier, set())
                else:
                    self.find(Kind.UNKNOWN, inner.path)
            if current is not None:
                before = (each for each in earlier.values() if each.target != current.target)
                yield TagRecord(tag, current, tuple(before))
            elif earlier and tag not in doubtful:
                self.find(Kind.TAG_LOST, entry.path, "it has no current link", target)

    def _link(
        self, folder: str, target: str, key: str, doubtful: set[str], digest: Digest | None = None
    ) -> Link | None:
        """The link in a folder of its own; None without one, or when it cannot be used."""
        found = None
        for entry in self._scan(folder):
            if entry.name == "signatures":  # of schema 1, beside the link of such a manifest
                continue
            if entry.name != "link":
                kind = Kind.LEFTOVER if entry.name.endswith(".tmp") else Kind.UNKNOWN
                self.find(kind, entry.path)
                continue
            found, flaw, detail = _read_link(entry.path)
            if found and digest and found.target.algorithm == digest.algorithm:
                flaw = None if found.target == digest else Kind.LINK
                detail = f"it names {found.target}"
            if flaw is not None:
                found = None
                doubtful.add(key)
                self.find(flaw, entry.path, detail, target)
        return found


def _read_link(path: str) -> tuple[Link | None, Kind | None, str]:
    """The link in a file, or what is wrong with it, in words."""
    try:
        # A pipe would keep us waiting; a symbolic link is not followed.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return None, Kind.UNKNOWN, "it is no file"
            content = os.read(descriptor, _MOST_LINK_BYTES)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        return None, None, ""  # deleted just now
    except OSError as error:
        if os.path.islink(path):
            return None, Kind.SYMLINK, ""
        return None, Kind.UNREADABLE, error.strerror or ""
    try:
        target = Digest.parse(content.decode("ascii"))
    except (DigestInvalid, UnicodeDecodeError):
        return None, Kind.LINK, f"{len(content)} bytes, no digest" if content else "it is empty"
    return Link(target, datetime.fromtimestamp(status.st_mtime, UTC)), None, ""
