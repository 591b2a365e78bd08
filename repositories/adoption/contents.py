"""A repository as its records and bytes have it: what can be taken over, and what is wrong.

- A manifest is taken when its bytes hash to its digest and Berth's parser takes them. The others
  are stepped over, with the tags that name them.
- A blob that such a manifest names and that is lost or damaged is taken as just that: so the
  manifest is kept, and whoever pushes the blob again heals it.
- A link that no manifest needs is taken, too: it lets clients read. But where a manifest was
  stepped over, nobody knows what that one needs, and such links are left where they are.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from repositories.adoption.blobs import Blobs, Seen
from repositories.adoption.findings import Finding, Kind
from repositories.adoption.tree import Link, Records, TagRecord
from repositories.oci import json_strict, media_types
from repositories.oci import manifests as oci
from repositories.oci.digests import Digest
from repositories.oci.errors import ManifestInvalid

MOST_IMAGES = 500
MOST_BLOBS = 500
MOST_BYTES = 8 * 1024 * 1024
_KINDS = {Kind.BLOB_MISSING: Kind.MANIFEST_MISSING, Kind.BLOB_EMPTY: Kind.MANIFEST_EMPTY}


class Held(NamedTuple):
    """A blob of the repository: its bytes are at `source`, unless they `is_lost`; `size` is then
    what a manifest says. `at` is when they were written, `linked_at` when the link was."""

    source: Digest
    size: int
    at: datetime
    linked_at: datetime
    is_lost: bool = False


class Image(NamedTuple):
    """A manifest or an index as it was pushed, and when."""

    digest: Digest
    payload: bytes
    parsed: oci.ParsedManifest
    at: datetime


@dataclass(slots=True)
class Batch:
    """Manifests with every blob that they name, or blobs alone."""

    images: list[Image] = field(default_factory=list)
    blobs: dict[Digest, Held] = field(default_factory=dict)
    bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is as much as one transaction should have: each blob may be locked in it."""
        return len(self.blobs) >= MOST_BLOBS or self.bytes > MOST_BYTES


class _Unusable(Exception):
    """A manifest that cannot be taken: its kind of finding, and in words why."""


class Contents:
    """What there is of a repository; `findings` has what is wrong of what was asked for so far.

    Manifests whose digests are `known` are there already, and not looked at, nor are links that
    are `linked`.
    """

    def __init__(
        self,
        records: Records,
        blobs: Blobs,
        *,
        known: Collection[Digest] = frozenset(),
        linked: Collection[Digest] = frozenset(),
    ) -> None:
        self.records = records
        self.findings: list[Finding] = list(records.findings)
        self.left = 0  # links that are left where they are
        self._blobs = blobs
        self._known, self._linked = known, linked
        self._taken: set[Digest] = {digest for digest in records.revisions if digest in known}
        self._held: dict[Digest, Held] = {}
        prefix = f"{records.name}@"  # a link of a manifest that cannot be used
        broken = any(finding.target.startswith(prefix) for finding in records.findings)
        self._is_stepped_over = broken or not records.is_whole
        self._wanted: Collection[str] | None = None

    def only(self, targets: Collection[str]) -> None:
        """Take only what findings called by these targets: all else was taken before."""
        self._wanted = targets

    def _is_wanted(self, target: str) -> bool:
        return self._wanted is None or target in self._wanted

    @property
    def created_at(self) -> datetime | None:
        """When the oldest of its links was written; None without any."""
        return min((link.at for link in self._links()), default=None)

    @property
    def pushed_at(self) -> datetime | None:
        """When something was last pushed by its name; None where no manifest ever was."""
        revisions = [link.at for link in self.records.revisions.values()]
        return max([*revisions, *(tag.current.at for tag in self.records.tags)], default=None)

    def _links(self) -> Iterator[Link]:
        yield from self.records.layers.values()
        yield from self.records.revisions.values()
        for tag in self.records.tags:
            yield from (tag.current, *tag.earlier)

    def batches(self, most: int = MOST_IMAGES) -> Iterator[Batch]:
        """The manifests that can be taken, at most so many at a time and the oldest first; then
        the blobs that none needs."""
        batch = Batch()
        for image in self._images():
            batch.images.append(image)
            batch.blobs |= self._parts(image)
            batch.bytes += len(image.payload)
            if len(batch.images) == most or batch.is_full:
                yield batch
                batch = Batch()
        for digest, held in self._loose():
            batch.blobs[digest] = held
            if batch.is_full:
                yield batch
                batch = Batch()
        yield batch

    def _images(self) -> Iterator[Image]:
        revisions = sorted(self.records.revisions.items(), key=lambda each: (each[1].at, each[0]))
        for digest, link in revisions:
            if digest in self._known:
                continue
            if self._is_wanted(f"{self.records.name}@{digest}"):
                try:
                    yield self._image(digest, link)
                except _Unusable as error:
                    self._is_stepped_over = True
                    self._find(f"{self.records.name}@{digest}", digest, *error.args)
                    continue
            self._taken.add(digest)

    def tags(self) -> Iterator[TagRecord]:
        """The tags that name what was taken. After all of `batches`."""
        for tag in self.records.tags:
            if not self._is_wanted(f"{self.records.name}:{tag.name}"):
                continue
            if tag.current.target in self._taken:
                yield tag
                continue
            name, digest = self.records.name, tag.current.target
            is_there = digest in self.records.revisions or str(digest) in self.records.doubtful
            why = "cannot be used" if is_there else "is not in the repository any more"
            detail = f"its manifest {digest} {why}"
            self.findings.append(Finding(Kind.TAG_LOST, name, f"{name}:{tag.name}", "", detail))

    def _find(self, target: str, digest: Digest, kind: Kind, detail: str = "") -> None:
        path = self._blobs.below(digest)
        self.findings.append(Finding(kind, self.records.name, target, path, detail))

    # --- manifests ---

    def _image(self, digest: Digest, link: Link) -> Image:
        """Raises _Unusable."""
        seen = self._blobs.at_place(link.target)
        if seen.flaw is not None:
            raise _Unusable(_KINDS.get(seen.flaw, seen.flaw), seen.detail)
        if seen.size > oci.MAX_BYTES:
            raise _Unusable(Kind.MANIFEST_REFUSED, f"it has {seen.size} bytes")
        try:
            payload = self._blobs.read(link.target, oci.MAX_BYTES)
        except OSError as error:
            raise _Unusable(Kind.UNREADABLE, error.strerror or "") from error
        actual = Digest.of(payload, digest.algorithm)
        if actual != digest:
            raise _Unusable(Kind.MANIFEST_CHANGED, f"its bytes hash to {actual}")
        try:
            return Image(digest, payload, _parsed(payload), link.at)
        except ManifestInvalid as error:
            raise _Unusable(Kind.MANIFEST_REFUSED, error.message) from error

    def _parts(self, image: Image) -> dict[Digest, Held]:
        """The blobs that the image is made of, and what is wrong with them."""
        parts, lost, odd = {}, set[str](), set[str]()
        for blob in image.parsed.stored_blobs:
            seen, held = self._part(blob, image.at)
            parts[blob.digest] = held
            if held.is_lost:
                lost.add(str(blob.digest))
            elif seen.size != blob.size:
                odd.add(f"{blob.digest} has {seen.size} bytes, and it says {blob.size}")
        target = f"{self.records.name}@{image.digest}"
        if lost:
            detail = f"without {', '.join(sorted(lost))}{self._named_by(image.digest)}"
            self._find(target, image.digest, Kind.MANIFEST_INCOMPLETE, detail)
        if odd:
            self._find(target, image.digest, Kind.MANIFEST_SIZES, "; ".join(sorted(odd)))
        return parts

    def _named_by(self, digest: Digest) -> str:
        names = sorted(tag.name for tag in self.records.tags if tag.current.target == digest)
        return f"; its tags: {', '.join(names)}" if names else ""

    def _part(self, blob: oci.Descriptor, at: datetime) -> tuple[Seen, Held]:
        """What is there of a blob, and what is taken of it, be it that it is lost."""
        link = self.records.layers.get(blob.digest)
        source = link.target if link else blob.digest
        seen = self._blobs.look_at(blob.digest, source)
        if seen.flaw is None and seen.size != blob.size and source == blob.digest:
            # Either the file is not whole, or the manifest is wrong, which nobody has checked.
            seen = self._blobs.compare(blob.digest)
        if seen.flaw is Kind.BLOB_CHANGED and seen.size != blob.size:
            detail = f"it has {seen.size} bytes, and should have {blob.size}"
            seen = seen._replace(flaw=Kind.BLOB_SIZE, detail=detail)
        linked_at = link.at if link else at
        if blob.digest not in self._held:
            if seen.flaw is not None:
                self._find(str(blob.digest), source, seen.flaw, seen.detail)
            is_lost = seen.flaw is not None
            size = blob.size if is_lost else seen.size
            self._held[blob.digest] = Held(source, size, seen.at or at, linked_at, is_lost)
        return seen, self._held[blob.digest]

    # --- links ---

    def _loose(self) -> Iterator[tuple[Digest, Held]]:
        """The blobs that the repository links, and that no manifest needed."""
        for digest, link in self.records.layers.items():
            if digest in self._held or digest in self._linked or not self._is_wanted(str(digest)):
                continue
            if self._is_stepped_over:
                self.left += 1
                continue
            seen = self._blobs.look_at(digest, link.target)
            if seen.flaw is not None:
                self._find(str(digest), link.target, seen.flaw, seen.detail)
                continue
            yield digest, Held(link.target, seen.size, seen.at or link.at, link.at)


def _parsed(payload: bytes) -> oci.ParsedManifest:
    """What a manifest says whose type nothing keeps but itself. Raises ManifestInvalid."""
    try:
        document = json_strict.loads(payload)
    except json_strict.StrictJSONError as error:
        raise ManifestInvalid(f"the manifest cannot be read: {error}") from error
    if isinstance(document, dict) and "mediaType" not in document:
        is_index = "manifests" in document
        return oci.parse(payload, media_types.OCI_INDEX if is_index else media_types.OCI_MANIFEST)
    return oci.parse(payload)
