"""Whether a single thing is as it was pushed: the bytes of a blob, a manifest with all it names."""

import errno
import hashlib
from collections.abc import Callable, Collection, Iterator
from typing import NamedTuple

from repositories.damage import fingerprint
from repositories.database import fetch, pieces, placeholders
from repositories.models import ScrubFinding
from repositories.oci import manifests as oci
from repositories.oci.digests import Digest
from repositories.oci.errors import DigestInvalid, ManifestInvalid
from repositories.storage import storage
from repositories.storage.base import BlobMissing

Kind = ScrubFinding.Kind
CHUNK = 256 * 1024

# `+ 0`: a repository may have very many links, by which PostgreSQL must not begin.
_LINKED = """
SELECT blob.digest FROM repositories_manifestblob AS part
JOIN repositories_bloblink AS link ON link.id = part.link_id
JOIN repositories_blob AS blob ON blob.id = link.blob_id
WHERE part.manifest_id = %s AND link.repository_id + 0 = %s
"""
_PRESENT = "SELECT digest FROM repositories_manifest WHERE repository_id = %s AND digest IN "


class BlobRow(NamedTuple):
    """What a blob should be."""

    id: int
    digest: Digest
    size: int
    is_marked: bool


class Verdict(NamedTuple):
    """What is wrong with a blob, if anything, when storage held what the fingerprint says."""

    kind: Kind | None
    fingerprint: str
    detail: str = ""
    # What is wrong with the machine at the moment is no reason to take a blob away.
    may_repair: bool = True


class Look:
    """Reads a blob from its beginning to its end, in as many goes as it takes.

    Between two of them nothing is held open. A file that is another one then is read anew.
    """

    def __init__(self, row: BlobRow) -> None:
        self.row = row
        self._fingerprint = ""
        self._hash = hashlib.new(row.digest.algorithm)
        self._read = 0

    def _begin(self) -> None:
        self._fingerprint = fingerprint(self.row.digest)
        self._hash = hashlib.new(self.row.digest.algorithm)
        self._read = 0

    def go_on(self, may_go_on: Callable[[int], bool]) -> Verdict | None:
        """Read while `may_go_on` says so, which is told how many bytes it were this time; None when
        there is more to read."""
        try:
            if fingerprint(self.row.digest) != self._fingerprint:
                self._begin()
            size = storage().blob_size(self.row.digest)
            if size != self.row.size:
                return self._found(Kind.CUT, f"{size} bytes")
            return self._read_on(may_go_on)
        except BlobMissing:
            # Where it was there a moment ago, the second look will see that it was replaced.
            return Verdict(Kind.MISSING, "")
        except OSError as error:
            detail = f"{error.strerror or error} at {self._read}"[:200]
            is_bad = error.errno == errno.EIO
            return Verdict(Kind.UNREADABLE, self._fingerprint, detail, may_repair=is_bad)

    def _read_on(self, may_go_on: Callable[[int], bool]) -> Verdict | None:
        with storage().open_blob(self.row.digest) as file:
            file.seek(self._read)
            while chunk := file.read(CHUNK):
                self._hash.update(chunk)
                self._read += len(chunk)
                if not may_go_on(len(chunk)):
                    return None
        actual = Digest(self.row.digest.algorithm, self._hash.hexdigest())
        if self._read != self.row.size:
            return self._found(Kind.CUT, f"{self._read} bytes")
        if actual != self.row.digest:
            return self._found(Kind.CHANGED, str(actual))
        return Verdict(None, self._fingerprint)

    def _found(self, kind: Kind, detail: str) -> Verdict:
        return Verdict(kind, self._fingerprint, detail)


class ManifestRow(NamedTuple):
    """A manifest as it is stored."""

    id: int
    repository_id: int
    repository: str
    digest: str
    media_type: str
    payload: bytes


class Flaw(NamedTuple):
    """Something that is wrong with a manifest."""

    kind: Kind
    detail: str


def flaws_of(row: ManifestRow) -> Iterator[Flaw]:
    """What is wrong with a manifest: its bytes, and what it names that is not there.

    That an index lists manifests which its repository lacks is no damage: it may be sparse.
    """
    try:
        digest = Digest.parse(row.digest)
    except DigestInvalid:
        yield Flaw(Kind.MANIFEST_CHANGED, "its digest is none")
        return
    actual = Digest.of(row.payload, digest.algorithm)
    if actual != digest:
        yield Flaw(Kind.MANIFEST_CHANGED, str(actual))
        return
    try:
        parsed = oci.parse(row.payload, row.media_type)
    except ManifestInvalid:
        return  # the bytes are those that were pushed, when the rules were others
    linked = {digest for (digest,) in fetch(_LINKED, [row.id, row.repository_id])}
    missing = {str(blob.digest) for blob in parsed.stored_blobs} - linked
    if missing:
        yield Flaw(Kind.MANIFEST_INCOMPLETE, _some(missing))
    listed = {str(child.digest) for child in parsed.manifests}
    absent = listed - _present(row.repository_id, listed)
    if absent:
        yield Flaw(Kind.INDEX_SPARSE, _some(absent))


def _present(repository_id: int, digests: Collection[str]) -> set[str]:
    found: set[str] = set()
    for piece in pieces(sorted(digests)):
        rows = fetch(_PRESENT + placeholders(len(piece)), [repository_id, *piece])
        found |= {digest for (digest,) in rows}
    return found


def _some(digests: Collection[str]) -> str:
    """How many they are, and the first."""
    return f"{len(digests)}: {min(digests)}"
