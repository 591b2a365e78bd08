"""A repository's tags, as its list shows them: what each is, how large, for which platforms."""

from collections.abc import Sequence
from dataclasses import dataclass

from repositories import configs
from repositories.manifest_facts import ManifestFacts, facts_of, read
from repositories.models import Repository, Tag
from repositories.oci.artifacts import IMAGE_CONFIGS
from repositories.oci.manifests import ParsedManifest
from repositories.oci.platforms import Platform
from repositories.sizes import TagSize, measure

MAX_PLATFORMS = 50
# For a list, larger configs are not read: a page has a hundred of them.
MAX_CONFIG_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class TagFacts:
    """A tag: what it names, since when, how large that is, and what it runs on."""

    tag: Tag
    manifest: ManifestFacts
    size: TagSize
    platforms: tuple[Platform, ...]


def facts(*, repository: Repository, tags: Sequence[Tag]) -> list[TagFacts]:
    """The facts of up to `sizes.MAX_TAGS` tags, in their order; four queries.

    A tag that is deleted meanwhile is left out.
    """
    sizes = measure(repository=repository, tags=tags)
    return [_of(tag, sizes[tag.name]) for tag in tags if tag.name in sizes]


def _of(tag: Tag, size: TagSize) -> TagFacts:
    row = size.root
    parsed = read(row.small_payload, row.media_type)  # type: ignore[attr-defined]
    manifest = facts_of(row, parsed, size=row.size)  # type: ignore[attr-defined]
    platforms = _platforms(parsed, size) if isinstance(parsed, ParsedManifest) else ()
    return TagFacts(tag, manifest, size, platforms)


def _platforms(parsed: ParsedManifest, size: TagSize) -> tuple[Platform, ...]:
    """Those of an index, in its order; that of an image."""
    found = [Platform.of(entry.platform) for entry in parsed.manifests]
    config = parsed.config
    if size.config and config and config.media_type in IMAGE_CONFIGS:
        if config.size > MAX_CONFIG_BYTES:
            return ()
        try:
            found = [configs.read(digest=config.digest, size=config.size).platform]
        except configs.ConfigUnreadable:
            return ()
    return tuple(dict.fromkeys(p for p in found if p.is_known))[:MAX_PLATFORMS]
