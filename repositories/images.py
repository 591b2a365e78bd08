"""Images as people look at them: what they are made of, how they were built, for which platforms.

Everything here is for a repository that the caller was allowed to read.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from repositories import configs
from repositories.manifest_facts import ManifestFacts, facts_of, read, sized
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
from repositories.sizes import blobs_of

DEFAULT_PLATFORM = "linux/amd64"
# How many indexes are followed, one within the other, to come to an image.
MAX_INDEXES = 3
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


def describe(*, repository: Repository, reference: str, platform: str = "") -> Description:
    """What a tag or a digest names, and the image for `platform` (`os/architecture[/variant]`).

    Without a platform that is linux/amd64, or the first that is here. Raises ManifestUnknown, also
    for a platform that an index lacks.
    """
    row = _row(repository, reference)
    parsed = read(row.payload, row.media_type)
    root = facts_of(row, parsed, size=len(row.payload))
    entries: tuple[Entry, ...] = ()
    for depth in range(MAX_INDEXES):
        if not (isinstance(parsed, ParsedManifest) and parsed.is_index):
            return Description(root, entries, _image(row, parsed))
        listed = _entries(repository, parsed.manifests, platform)
        entries = entries if depth else listed
        chosen = next((entry.digest for entry in listed if entry.is_chosen), "")
        if not chosen:
            break
        row = _row(repository, chosen)
        parsed = read(row.payload, row.media_type)
    if platform:
        raise ManifestUnknown(
            f"there is no image for the platform {platform[:100]!r} here",
            detail={"reference": reference, "platform": platform[:100]},
        )
    return Description(root, entries, None)


def resolve(*, repository: Repository, reference: str) -> Digest:
    """The digest that a tag names; a digest itself, be it here or not. Raises ManifestUnknown."""
    if not is_digest(reference):
        tags = repository.tags.filter(name=reference)
        reference = tags.values_list("manifest__digest", flat=True).first() or reference
    try:
        return Digest.parse(reference)
    except DigestInvalid as error:
        raise _unknown(reference) from error


def _unknown(reference: str) -> ManifestUnknown:
    return ManifestUnknown("this repository has no such manifest", detail={"reference": reference})


def _row(repository: Repository, reference: str) -> Manifest:
    names = {"digest": reference} if is_digest(reference) else {"tags__name": reference}
    row = repository.manifests.filter(**names).defer("referrer").first()
    if row is None:
        raise _unknown(reference)
    return row


def _entries(
    repository: Repository, descriptors: Sequence[Descriptor], wanted: str
) -> tuple[Entry, ...]:
    digests = {str(descriptor.digest) for descriptor in descriptors}
    rows = sized(repository.manifests.filter(digest__in=digests))
    sizes = _sizes(rows)
    platforms = [Platform.of(descriptor.platform) for descriptor in descriptors]
    attests = [_attested(descriptor) for descriptor in descriptors]
    candidates = [
        number
        for number, descriptor in enumerate(descriptors)
        if str(descriptor.digest) in sizes and not attests[number]
    ]
    chosen = _choose(candidates, platforms, wanted)
    return tuple(
        Entry(
            digest=str(descriptor.digest),
            media_type=descriptor.media_type,
            platform=platforms[number],
            size=sizes.get(str(descriptor.digest)),
            is_here=str(descriptor.digest) in sizes,
            attests=attests[number],
            is_chosen=number == chosen,
        )
        for number, descriptor in enumerate(descriptors)
    )


def _sizes(rows: Iterable[Manifest]) -> Mapping[str, int | None]:
    """For each manifest the bytes of all that it is made of; None if that was too much to read."""
    found = {row.pk: row for row in rows}
    blobs = blobs_of(found)
    sizes: dict[str, int | None] = {}
    for pk, row in found.items():
        distinct = {use.blob_id: use.size for use in blobs.of.get(pk, ())}
        payload: int = row.size  # type: ignore[attr-defined]
        sizes[row.digest] = payload + sum(distinct.values()) if not blobs.is_partial else None
    return sizes


def _attested(descriptor: Descriptor) -> str:
    if descriptor.annotations.get(REFERENCE_TYPE) != ATTESTATION_MANIFEST:
        return ""
    return descriptor.annotations.get(REFERENCE_DIGEST, "")[:200] or "unknown"


def _choose(candidates: Sequence[int], platforms: Sequence[Platform], wanted: str) -> int | None:
    """Which entry is meant: the exact platform before one that is like it."""
    text = wanted or DEFAULT_PLATFORM
    exact = [number for number in candidates if str(platforms[number]) == text]
    alike = [number for number in candidates if platforms[number].matches(text)]
    if exact or alike:
        return (exact or alike)[0]
    # An index within the index has no platform of its own: what is wanted may be in there.
    nameless = [number for number in candidates if not str(platforms[number])]
    found = nameless if wanted else candidates
    return found[0] if found else None


def _image(row: Manifest, parsed: ParsedManifest | str) -> Image | None:
    if not isinstance(parsed, ParsedManifest):
        return None
    uses = blobs_of([row.pk]).of.get(row.pk, ())
    size = len(row.payload) + sum({use.blob_id: use.size for use in uses}.values())
    here = {use.digest for use in uses}
    config, problem = _config(parsed, here)
    history = config.history_of(len(parsed.layers)) if config else ()
    instructions = {step.layer: step.instruction for step in history if step.layer is not None}
    return Image(
        manifest=facts_of(row, parsed, size=len(row.payload)),
        platform=config.platform if config else Platform(),
        size=size,
        config_digest=str(parsed.config.digest) if parsed.config else "",
        config=config,
        config_problem=problem,
        layers=tuple(
            Layer(
                position=position,
                digest=str(layer.digest),
                media_type=layer.media_type,
                size=layer.size,
                share=layer.size / size if str(layer.digest) in here else 0.0,
                instruction=instructions.get(position, ""),
                title=cut(layer.annotations.get(TITLE, "")),
                is_here=str(layer.digest) in here,
            )
            for position, layer in enumerate(parsed.layers)
        ),
        history=history,
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
