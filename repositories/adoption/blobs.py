"""The bytes of a tree by digest: whether they are there, how many, and what they hash to.

A blob's size is its file's, which is looked at once. Its bytes are read where that was asked for
(`--verify`), where a manifest gives another size, and where its name is of another algorithm.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from repositories.adoption.findings import Finding, Kind
from repositories.adoption.tree import Tree
from repositories.oci.digests import HEX_LENGTHS, Digest
from repositories.oci.errors import DigestInvalid

_CHUNK = 1024 * 1024
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

# Called with how many bytes were read.
Read = Callable[[int], None]


def nobody_counts(count: int) -> None:
    """How many bytes are read is of no interest."""


class Seen(NamedTuple):
    """A blob's file: its size in bytes, when it was written, and what is wrong with it, if
    anything is."""

    size: int
    at: datetime | None
    flaw: Kind | None = None
    detail: str = ""


class StoredFile(NamedTuple):
    """A file of a blob, wherever a look at all of them came by it."""

    digest: Digest
    seen: Seen


class Blobs:
    """What is known of the blobs of a tree. With `verify` all that are looked at are read."""

    def __init__(self, tree: Tree, *, verify: bool = False, read: Read = nobody_counts) -> None:
        self._tree, self._verify, self._read = tree, verify, read
        self._seen: dict[Digest, Seen] = {}
        # Folders of many blobs that are no symbolic links.
        self._plain: set[str] = set()
        self._hashes: dict[tuple[Digest, str], str] = {}

    def path(self, digest: Digest) -> str:
        """Where its bytes are, or would be."""
        place = f"{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"
        return f"{self._tree.blobs}/{place}"

    def look(self, digest: Digest) -> Seen:
        """What is at its place."""
        if digest not in self._seen:
            seen = self.at_place(digest)
            if self._verify and seen.flaw is None:
                seen = self._compared(digest, digest, seen)
            self._seen[digest] = seen
        return self._seen[digest]

    def below(self, digest: Digest) -> str:
        """The same below the root."""
        return os.path.relpath(self.path(digest), self._tree.root)

    def look_at(self, digest: Digest, target: Digest) -> Seen:
        """What a link has that names `target` for `digest`: hashed, unless they are the same."""
        seen = self.look(target)
        if target == digest or seen.flaw is not None:
            return seen
        return self._compared(digest, target, seen)

    def compare(self, digest: Digest) -> Seen:
        """What is at its place, hashed."""
        seen = self.look(digest)
        return self._compared(digest, digest, seen) if seen.flaw is None else seen

    def at_place(self, digest: Digest) -> Seen:
        """What is at its place, not read: nor kept, for what is looked at once."""
        path = self.path(digest)
        try:
            status = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Seen(0, None, Kind.BLOB_MISSING)
        except OSError as error:
            return Seen(0, None, Kind.UNREADABLE, error.strerror or "")
        at = datetime.fromtimestamp(status.st_mtime, UTC)
        if stat.S_ISLNK(status.st_mode) or self._is_led_astray(digest):
            return Seen(0, None, Kind.SYMLINK)
        if not stat.S_ISREG(status.st_mode):
            return Seen(0, None, Kind.UNKNOWN, "it is no file")
        if not status.st_size and digest != Digest.of(b"", digest.algorithm):
            return Seen(0, at, Kind.BLOB_EMPTY)
        if not os.access(path, os.R_OK):
            return Seen(status.st_size, at, Kind.UNREADABLE, os.strerror(errno.EACCES))
        return Seen(status.st_size, at)

    def _is_led_astray(self, digest: Digest) -> bool:
        """Whether a folder on the way from the blobs' to this one's is a symbolic link."""
        folder = f"{self._tree.blobs}/{digest.algorithm}"
        for path in (folder, f"{folder}/{digest.hex[:2]}"):
            if path not in self._plain:
                if os.path.islink(path):
                    return True
                self._plain.add(path)
        return os.path.islink(f"{folder}/{digest.hex[:2]}/{digest.hex}")

    def _compared(self, digest: Digest, target: Digest, seen: Seen) -> Seen:
        """What was seen at `target`, and whether it hashes to `digest`."""
        key = (target, digest.algorithm)
        try:
            if key not in self._hashes:
                self._hashes[key] = self._hash(*key)
        except OSError as error:
            return seen._replace(flaw=Kind.UNREADABLE, detail=error.strerror or "")
        if self._hashes[key] == digest.hex:
            return seen
        actual = f"its bytes hash to {digest.algorithm}:{self._hashes[key]}"
        return seen._replace(flaw=Kind.BLOB_CHANGED, detail=actual)

    def _hash(self, target: Digest, algorithm: str) -> str:
        value = hashlib.new(algorithm)
        with open(os.open(self.path(target), _OPEN), "rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                value.update(chunk)
                self._read(len(chunk))
        return value.hexdigest()

    def read(self, digest: Digest, most: int) -> bytes:
        """The first `most` bytes of a blob that was seen to be there. Raises OSError."""
        with open(os.open(self.path(digest), _OPEN), "rb", buffering=0) as file:
            content = file.read(most) or b""
            while chunk := file.read(most - len(content)):
                content += chunk
        return content

    def shard(self, number: int, findings: list[Finding]) -> Iterator[StoredFile]:
        """The blobs whose hex begins with that byte; what else is there goes to `findings`."""
        for algorithm in HEX_LENGTHS:
            folder = f"{self._tree.blobs}/{algorithm}/{number:02x}"
            for entry in self._entries(folder, findings):
                try:
                    digest = Digest.parse(f"{algorithm}:{entry.name}")
                except DigestInvalid:
                    findings.append(self._finding(entry.path))
                    continue
                names = self._entries(entry.path, findings)
                findings += [self._finding(each.path) for each in names if each.name != "data"]
                if any(each.name == "data" for each in names):
                    yield StoredFile(digest, self.look(digest))

    def strange(self, findings: list[Finding]) -> None:
        """Write down what lies above the blobs that is none of theirs."""
        for algorithm in self._entries(str(self._tree.blobs), findings):
            if algorithm.name not in HEX_LENGTHS:
                findings.append(self._finding(algorithm.path))
                continue
            known = {f"{number:02x}" for number in range(256)}
            entries = self._entries(algorithm.path, findings)
            findings += [self._finding(each.path) for each in entries if each.name not in known]

    def _entries(self, folder: str, findings: list[Finding]) -> list[os.DirEntry[str]]:
        if os.path.islink(folder):
            findings.append(self._finding(folder, Kind.SYMLINK))
            return []
        try:
            with os.scandir(folder) as entries:
                return sorted(entries, key=lambda entry: entry.name)
        except FileNotFoundError:
            return []
        except NotADirectoryError:
            findings.append(self._finding(folder))
        except OSError as error:
            findings.append(self._finding(folder, Kind.UNREADABLE, error.strerror or ""))
        return []

    def _finding(self, path: str, kind: Kind | None = None, detail: str = "") -> Finding:
        below = os.path.relpath(path, self._tree.root)
        other = Kind.LEFTOVER if path.endswith(".tmp") else Kind.UNKNOWN
        return Finding(kind or other, "", below, below, detail)
