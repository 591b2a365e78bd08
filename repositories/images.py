"""Images as people look at them: what they are made of, how they were built, for which platforms.

Everything here is for a repository that the caller was allowed to read.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from repositories import configs
from repositories.manifest_facts import ManifestFacts, facts_of, read
from repositories.manifest_trees import MAX_DEPTH, Target, Trees, unknown
from repositories.models import Manifest, Repository
from repositories.oci import json_strict
from repositories.oci.artifacts import (
    ATTESTATION_MANIFEST,
    IMAGE_CONFIGS,
    REFERENCE_DIGEST,
    REFERENCE_TYPE,
    TITLE,
)
from repositories.oci.digests import Digest, is_digest
from repositories.oci.errors import DigestInvalid, ManifestUnknown
from repositories.oci.image import HistoryRow, ImageConfig
from repositories.oci.manifests import Descriptor, ParsedManifest
from repositories.oci.platforms import Platform
from repositories.oci.texts import cut
from repositories.sizes import Blobs, blobs_of

DEFAULT_PLATFORM = "linux/amd64"
# How many indexes are followed, one within the other, to come to an image.
MAX_INDEXES = MAX_DEPTH + 1
MAX_PRETTY_BYTES = 256 * 1024
MAX_SHOWN_CHARACTERS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image. `size` in bytes; `share` of the image's size, from 0 to 1.

    `instruction` is the step of the history that made it, if that can be told; `title` the name of
    a file that is kept as a layer. A layer that is not here is one that may not be distributed, and
    lies elsewhere.
    """

    position: int
    digest: str
    media_type: str
    size: int
    share: float
    instruction: str
    title: str
    is_here: bool


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an index. `size`: bytes of all that the manifest is made of; None if unknown.

    `attests` is the digest of the entry that this one attests something of (BuildKit).
    """

    digest: str
    media_type: str
    platform: Platform
    size: int | None
    is_here: bool
    attests: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Image:
    """An image, or an artifact that is stored as one. `size`: bytes of all distinct content.

    `config_problem` is empty, or says why the config cannot be shown. What is no image has no
    config to show either, and no problem.
    """

    manifest: ManifestFacts
    platform: Platform
    size: int
    config_digest: str
    config: ImageConfig | None
    config_problem: str
    layers: tuple[Layer, ...]
    history: tuple[HistoryRow, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What a tag or a digest names. `image` is that itself, or the one of the index's `entries`
    that was chosen; None when no image is here."""

    manifest: ManifestFacts
    entries: tuple[Entry, ...]
    image: Image | None


class RawManifest(NamedTuple):
    """The exact bytes, and a text to read: indented where it is JSON of a reasonable size."""

    digest: str
    media_type: str
    payload: bytes
    text: str


class _Read(NamedTuple):
    row: Manifest
    parsed: ParsedManifest | str
    size: int

    @property
    def facts(self) -> ManifestFacts:
        return facts_of(self.row, self.parsed, size=self.size)


class Found(NamedTuple):
    """What a target names, and the image that was chosen there, each with what its payload says.

    `entries` are those of an index, `chosen` the number of one. Neither is measured yet.
    """

    root: _Read
    entries: Sequence[Descriptor]
    rows: Sequence[Manifest | None]
    chosen: int | None
    image: _Read | None

    @property
    def is_image(self) -> bool:
        """Whether there is an image, whose manifest can be explained."""
        return self.image is not None and isinstance(self.image.parsed, ParsedManifest)


def describe(*, repository: Repository, reference: str, platform: str = "") -> Description:
    """What a tag or a digest names, and the image for `platform` (`os/architecture[/variant]`).

    Without a platform that is linux/amd64, or the first that is here. Raises ManifestUnknown, also
    for a platform that an index lacks. Six queries at most.
    """
    target = (repository, reference)
    found = find(trees=Trees(target), target=target, platform=platform)
    rows = [row for row in found.rows if row is not None]
    images = [found.image.row] if found.image else []
    blobs = blobs_of({row.pk for row in (*rows, *images)})
    entries = _entries(found, _sizes(rows, blobs))
    return Description(found.root.facts, entries, _image(found.image, blobs))


def find(*, trees: Trees, target: Target, platform: str) -> Found:
    """What one of the targets of `trees` names, and the image for the platform, not yet measured.

    Raises ManifestUnknown.
    """
    repository, reference = target
    root = read_one = _read(trees, trees.root(target))
    found = Found(root, (), (), None, None)
    for depth in range(MAX_INDEXES):
        parsed = read_one.parsed
        if not (isinstance(parsed, ParsedManifest) and parsed.is_index):
            return found._replace(image=read_one)
        rows = [trees.listed(repository, str(entry.digest)) for entry in parsed.manifests]
        chosen = _choose(parsed.manifests, rows, platform)
        if depth == 0:
            found = Found(root, parsed.manifests, rows, chosen, None)
        row = rows[chosen] if chosen is not None else None
        if row is None or depth + 1 == MAX_INDEXES:
            break
        read_one = _read(trees, row)
    if platform:
        raise ManifestUnknown(
            f"there is no image for the platform {platform[:100]!r} here",
            detail={"reference": reference, "platform": platform[:100]},
        )
    return found


def _read(trees: Trees, row: Manifest) -> _Read:
    payload = trees.payload(row)
    return _Read(row, read(payload, row.media_type), len(payload))


def measured(*found: Found) -> list[Image]:
    """The images that were found, with their sizes; two queries for all of them."""
    blobs = blobs_of({one.image.row.pk for one in found if one.image})
    images = (_image(one.image, blobs) for one in found)
    return [image for image in images if image is not None]


def platform_of(found: Found) -> Platform:
    """What the image that was found is for, as its config says, which the repository links."""
    parsed = found.image.parsed if found.image else ""
    if not isinstance(parsed, ParsedManifest) or parsed.config is None:
        return Platform()
    config, _ = _config(parsed, {str(parsed.config.digest)})
    return config.platform if config else Platform()


def resolve(*, repository: Repository, reference: str) -> Digest:
    """The digest that a tag names; a digest itself, be it here or not. Raises ManifestUnknown."""
    if not is_digest(reference):
        tags = repository.tags.filter(name=reference)
        reference = tags.values_list("manifest__digest", flat=True).first() or reference
    try:
        return Digest.parse(reference)
    except DigestInvalid as error:
        raise unknown(reference) from error


def _row(repository: Repository, reference: str) -> Manifest:
    if is_digest(reference):
        rows = repository.manifests.filter(digest=reference)
    else:
        # By the tag's repository, so that PostgreSQL goes by that index whatever its plan.
        rows = Manifest.objects.filter(tags__repository=repository, tags__name=reference)
    row = rows.defer("referrer").first()
    if row is None:
        raise unknown(reference)
    return row


def _entries(found: Found, sizes: Mapping[str, int | None]) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            digest=str(entry.digest),
            media_type=entry.media_type,
            platform=Platform.of(entry.platform),
            size=sizes.get(str(entry.digest)),
            is_here=row is not None,
            attests=_attested(entry),
            is_chosen=number == found.chosen,
        )
        for number, (entry, row) in enumerate(zip(found.entries, found.rows, strict=True))
    )


def _sizes(rows: Iterable[Manifest], blobs: Blobs) -> Mapping[str, int | None]:
    """For each manifest the bytes of all that it is made of; None if that was too much to read."""
    sizes: dict[str, int | None] = {}
    for row in rows:
        distinct = {use.blob_id: use.size for use in blobs.of.get(row.pk, ())}
        payload: int = row.size  # type: ignore[attr-defined]
        sizes[row.digest] = payload + sum(distinct.values()) if not blobs.is_partial else None
    return sizes


def _attested(descriptor: Descriptor) -> str:
    if descriptor.annotations.get(REFERENCE_TYPE) != ATTESTATION_MANIFEST:
        return ""
    return descriptor.annotations.get(REFERENCE_DIGEST, "")[:200] or "unknown"


def _choose(
    entries: Sequence[Descriptor], rows: Sequence[Manifest | None], wanted: str
) -> int | None:
    """Which entry is meant: the exact platform before one that is like it."""
    text = wanted or DEFAULT_PLATFORM
    platforms = [Platform.of(entry.platform) for entry in entries]
    candidates = [
        number
        for number, entry in enumerate(entries)
        if rows[number] is not None and not _attested(entry)
    ]
    exact = [number for number in candidates if str(platforms[number]) == text]
    alike = [number for number in candidates if platforms[number].matches(text)]
    if exact or alike:
        return (exact or alike)[0]
    # An index within the index has no platform of its own: what is wanted may be in there.
    nameless = [number for number in candidates if not str(platforms[number])]
    found = nameless if wanted else candidates
    return found[0] if found else None


def _image(found: _Read | None, blobs: Blobs) -> Image | None:
    if found is None or not isinstance(found.parsed, ParsedManifest):
        return None
    parsed = found.parsed
    uses = blobs.of.get(found.row.pk, ())
    size = found.size + sum({use.blob_id: use.size for use in uses}.values())
    here = {use.digest for use in uses}
    config, problem = _config(parsed, here)
    history = config.history_of(len(parsed.layers)) if config else ()
    return Image(
        manifest=found.facts,
        platform=config.platform if config else Platform(),
        size=size,
        config_digest=str(parsed.config.digest) if parsed.config else "",
        config=config,
        config_problem=problem,
        layers=tuple(_layers(parsed, here, size, history)),
        history=history,
    )


def _layers(
    parsed: ParsedManifest, here: set[str], size: int, history: Iterable[HistoryRow]
) -> Iterator[Layer]:
    instructions = {step.layer: step.instruction for step in history if step.layer is not None}
    for position, layer in enumerate(parsed.layers):
        digest = str(layer.digest)
        yield Layer(
            position=position,
            digest=digest,
            media_type=layer.media_type,
            size=layer.size,
            share=layer.size / size if digest in here else 0.0,
            instruction=instructions.get(position, ""),
            title=cut(layer.annotations.get(TITLE, "")),
            is_here=digest in here,
        )


def _config(parsed: ParsedManifest, here: set[str]) -> tuple[ImageConfig | None, str]:
    config = parsed.config
    if config is None or config.media_type not in IMAGE_CONFIGS:
        return None, ""
    if str(config.digest) not in here:
        return None, "this repository does not have it"
    try:
        return configs.read(digest=config.digest, size=config.size), ""
    except configs.ConfigUnreadable as error:
        return None, str(error)


def raw(*, repository: Repository, reference: str) -> RawManifest:
    """The manifest as it was pushed, and as a text to read. Raises ManifestUnknown."""
    row = _row(repository, reference)
    payload = bytes(row.payload)
    return RawManifest(row.digest, row.media_type, payload, _readable(payload))


def _readable(payload: bytes) -> str:
    text = ""
    if len(payload) <= MAX_PRETTY_BYTES:
        try:
            text = json.dumps(json_strict.loads(payload), indent=2, ensure_ascii=False)
        except json_strict.StrictJSONError:
            text = ""
    if not 0 < len(text) <= MAX_SHOWN_CHARACTERS:
        text = payload.decode(errors="replace")
    return text[:MAX_SHOWN_CHARACTERS]
