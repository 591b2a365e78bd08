"""An image, or whatever else a tag or a digest names: what it is, and what it is made of.

What takes queries of its own is on pages of its own, which scripts fetch into this one: what is
attached to it, how its tag moved, the manifest.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.web.page import public_page
from accounts.web.paging import page_of
from accounts.web.server import server_of
from repositories import images, referrer_trees, rollback, sharing, tag_history
from repositories.images import Description, Entry, Image, Layer
from repositories.models import Tag
from repositories.oci.artifacts import Kind
from repositories.oci.digests import is_digest
from repositories.oci.image import HistoryRow
from repositories.sharing import SharedWith
from repositories.web import header, snippets

# Beyond this a page would be slow to open; the rest is in the download.
MAX_SHOWN = 64 * 1024
MAX_LAYERS = 200
MAX_OTHER_TAGS = 50
# The colours of the style sheet, c0 to c5.
_COLOURS = 6


class Segment(NamedTuple):
    """A layer in the bar: where it begins, in bytes of the image, and its colour."""

    layer: Layer
    start: int
    colour: int
    shared: SharedWith | None


class Step(NamedTuple):
    """A row of the history: its keyword apart, and the layer that it made."""

    keyword: str
    rest: str
    row: HistoryRow
    layer: Layer | None


@public_page("GET")
def image(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """What the tag or digest names, for the platform that is asked for."""
    found = header.found(request, name)
    description = images.describe(
        repository=found.repository,
        reference=reference,
        platform=request.GET.get("platform", "")[:200],
    )
    context = _context(request, found, reference) | {
        "description": description,
        "manifest": description.manifest,
        "kind": description.manifest.artifact.kind,
        "platforms": [entry for entry in description.entries if not entry.attests],
        "attestations": _attestations(description.entries),
        "snippets": snippets.of(
            server=server_of(request),
            name=name,
            reference=reference,
            kind=description.manifest.artifact.kind,
        ),
        **_of_image(found, description),
    }
    return render(request, "repositories/image.html", context)


def _context(request: HttpRequest, found: header.Found, reference: str) -> dict[str, Any]:
    return header.context_of(request, found) | {
        "tab": "tags",
        "reference": reference,
        "is_tag": not is_digest(reference),
        "address": snippets.address(server_of(request), found.repository.name, reference),
    }


def _attestations(entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
    """The entries that attest something of others, each with the platform of that."""
    platforms = {entry.digest: str(entry.platform) for entry in entries}
    return [(entry, platforms.get(entry.attests, "")) for entry in entries if entry.attests]


def _of_image(found: header.Found, description: Description) -> dict[str, Any]:
    image = description.image
    if image is None:
        return {"image": None}
    layers = image.layers[:MAX_LAYERS]
    shared = sharing.of_layers(
        principal=found.principal,
        repository=found.repository,
        digests=[layer.digest for layer in layers],
    )
    config = image.config
    return {
        "image": image,
        "is_image": image.manifest.artifact.kind is Kind.IMAGE,
        "segments": _segments(layers, shared),
        "most_links": any(found.is_partial for found in shared.values()) and sharing.MAX_LINKS,
        "more_layers": len(image.layers) - len(layers),
        "layers_size": sum(layer.size for layer in image.layers if layer.is_here),
        "steps": list(_steps(image)),
        "config": config,
        "build_attestations": [
            entry
            for entry in description.entries
            if entry.attests == image.manifest.digest and entry.is_here
        ],
    }


def _segments(layers: Sequence[Layer], shared: Any) -> list[Segment]:
    segments, start = [], 0
    for layer in layers:
        colour = layer.position % _COLOURS
        segments.append(Segment(layer, start, colour, shared.get(layer.digest)))
        start += layer.size if layer.is_here else 0
    return segments


def _steps(image: Image) -> Iterable[Step]:
    for row in image.history:
        keyword, space, rest = row.instruction.partition(" ")
        if keyword.startswith("#") or not keyword.isupper():
            keyword, rest = "", row.instruction
        layer = image.layers[row.layer] if row.layer is not None else None
        yield Step(keyword, space + rest if keyword else rest, row, layer)


@public_page("GET")
def referrers(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """Signatures, SBOMs and whatever else is attached, as a tree."""
    found = header.found(request, name)
    subject = images.resolve(repository=found.repository, reference=reference)
    tree = referrer_trees.tree(repository=found.repository, subject=subject)
    context = {"tree": tree, "subject": str(subject)}
    return render(
        request, "repositories/referrers.html", _context(request, found, reference) | context
    )


@public_page("GET")
def history(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """How the tag moved, and which other tags name the same."""
    found = header.found(request, name)
    digest = str(images.resolve(repository=found.repository, reference=reference))
    tags = Tag.objects.filter(repository=found.repository, manifest__digest=digest)
    others = tags.exclude(name=reference).order_by("name").values_list("name", flat=True)
    names = list(others[: MAX_OTHER_TAGS + 1])
    context: dict[str, Any] = {
        "digest": digest,
        "other_tags": names[:MAX_OTHER_TAGS],
        "has_more_tags": len(names) > MAX_OTHER_TAGS,
        "page": None,
    }
    if not is_digest(reference):
        changes = tag_history.changes(repository=found.repository, tag=reference)
        page = page_of(request, changes)
        gone = [row.digest for row in page.rows if row.digest and not row.is_here]  # type: ignore[attr-defined]
        context |= {
            "page": page,
            "may_push": found.may_push,
            "kept": rollback.is_kept(repository=found.repository, digests=gone),
        }
    return render(
        request, "repositories/tag_history.html", _context(request, found, reference) | context
    )


@public_page("GET")
def manifest(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """The manifest's JSON, indented to be read."""
    found = header.found(request, name)
    raw = images.raw(repository=found.repository, reference=reference)
    context = {
        "raw": raw,
        "text": raw.text[:MAX_SHOWN],
        "is_cut": len(raw.text) > MAX_SHOWN,
        "size": len(raw.payload),
    }
    return render(
        request, "repositories/manifest.html", _context(request, found, reference) | context
    )


@public_page("GET")
def manifest_download(request: HttpRequest, name: str, reference: str) -> HttpResponse:
    """The manifest, byte for byte as it was pushed."""
    found = header.found(request, name)
    raw = images.raw(repository=found.repository, reference=reference)
    # Whatever its own type: nothing that was pushed is shown by a browser as a page of this site.
    response = HttpResponse(raw.payload, content_type="application/octet-stream")
    file = f"{raw.digest.partition(':')[2][:12]}.json"
    response.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
