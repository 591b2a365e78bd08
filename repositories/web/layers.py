"""The files of a layer, and of a whole image, folder by folder.

Both pages begin the listing when there is none, wait a moment, and else show how far it is.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.web.page import public_page
from accounts.web.principal import principal_of
from repositories import contents
from repositories.layers import listing, merged, texts
from repositories.layers.cache import NotListed
from repositories.layers.merged import Image
from repositories.layers.process import Progress, State
from repositories.layers.store import Listing, Row
from repositories.oci.digests import Digest
from repositories.storage.base import BlobMissing
from repositories.web import header

# Most layers are listed by then, and nobody sees a page about progress.
_PATIENCE_SECONDS = 1.0
_MAX_PATH = 4096 * 4


class SearchForm(forms.Form):
    q = forms.CharField(
        max_length=100,
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"type": "search", "placeholder": gettext_lazy("Name")}),
    )


@dataclass(frozen=True, slots=True)
class Line:
    """A row of the table: `path` is where it is, and `shown` how it is named there."""

    row: Row
    path: str
    shown: str
    link: str  # the query string of a folder's page


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page needs beside the listing."""

    template: str
    look: Callable[[float], Progress]
    opened: Callable[[], AbstractContextManager[Listing]]
    context: dict[str, Any] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)


@public_page("GET")
def layer(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """The files that one layer adds, changes and deletes."""
    parsed = Digest.parse(digest)
    context: dict[str, Any] = {"name": name, "digest": digest, **header.names_of(name)}
    try:
        found = contents.layer(
            principal=principal_of(request),
            repository=name,
            digest=parsed,
            image=request.GET.get("image", ""),
        )
    except ValidationError as error:
        return _refused(request, context, " ".join(error.messages))
    return _show(
        request,
        Shown(
            "repositories/layer.html",
            lambda seconds: listing.wait(digest=parsed, seconds=seconds),
            lambda: listing.opened(digest=parsed),
            context | {"image": found.image, "media_type": found.media_type},
            {"image": found.image} if request.GET.get("image") else {},
        ),
    )


@public_page("GET")
def files(request: HttpRequest, name: str, digest: str) -> HttpResponse:
    """The files that a container of the image would see."""
    context: dict[str, Any] = {"name": name, "digest": digest, **header.names_of(name)}
    try:
        image = contents.image(
            principal=principal_of(request), repository=name, digest=Digest.parse(digest)
        )
    except ValidationError as error:
        return _refused(request, context, " ".join(error.messages))
    return _show(
        request,
        Shown(
            "repositories/files.html",
            lambda seconds: merged.wait(image=image, seconds=seconds),
            lambda: merged.opened(image=image),
            context | {"image": digest, "layers": image.layers},
        ),
    )


def _refused(request: HttpRequest, context: dict[str, Any], reason: str) -> HttpResponse:
    return render(request, "repositories/layer_refused.html", context | {"reason": reason})


def _show(request: HttpRequest, shown: Shown) -> HttpResponse:
    try:
        progress = shown.look(_PATIENCE_SECONDS)
        if progress.is_done:
            with shown.opened() as found:
                return _listing(request, shown, found)
    except NotListed:
        progress = Progress(State.WAITING)
    except BlobMissing:
        reason = _("The bytes of this layer are missing on the server. Push the image again.")
        return _refused(request, shown.context, reason)
    if progress.state is State.FAILED:
        reason = _(
            "The listing could not be made: the process that reads the layer was ended. The log of "
            "the server says more. It is tried again in a minute; reload this page then."
        )
        return _refused(request, shown.context, reason)
    context = {**shown.context, "progress": progress, "is_image": "layers" in shown.context}
    return render(request, "repositories/layer_working.html", context)


def _listing(request: HttpRequest, shown: Shown, found: Listing) -> HttpResponse:
    form = SearchForm(request.GET)
    text = form.cleaned_data["q"] if form.is_valid() else ""
    context = shown.context | {
        "search": form,
        "text": text,
        "keep": shown.query,
        "problem": texts.problem(found.summary),
        "skipped": found.summary.get("skipped", 0),
        **_of_image(shown, found),
        **(_hits(shown, found, text) if text else _folder(request, shown, found)),
    }
    return render(request, shown.template, context)


def _hits(shown: Shown, found: Listing, text: str) -> dict[str, Any]:
    hits = found.find(text)
    return {"lines": [_line(shown, row, path, path) for path, row in hits.rows], "hits": hits}


def _folder(request: HttpRequest, shown: Shown, found: Listing) -> dict[str, Any]:
    path = request.GET.get("folder", "").strip("/")
    after = request.GET.get("after", "")
    is_number = after.isascii() and after.isdigit() and len(after) < 10
    folder = None
    if len(path) <= _MAX_PATH and path.isprintable():
        folder = found.folder(path, after=int(after) if is_number else 0)
    if folder is None:
        raise Http404
    prefix = f"{path}/" if path else ""
    return {
        "folder": folder.row,
        "path": path,
        "above": _above(shown, path),
        "lines": [_line(shown, row, prefix + row.name, row.name) for row in folder.rows],
        "next": _query(shown, path, after=folder.next) if folder.next else "",
    }


def _line(shown: Shown, row: Row, path: str, name: str) -> Line:
    return Line(row, path, name, _query(shown, path) if row.is_folder else "")


def _query(shown: Shown, path: str, **more: object) -> str:
    return urlencode({**shown.query, "folder": path, **more})


def _above(shown: Shown, path: str) -> list[tuple[str, str]]:
    """The folders on the way to one: the query string of each, and its name."""
    names = path.split("/") if path else []
    # Of a deep path the last folders are enough, each of which has the whole path in its address.
    first = max(0, len(names) - 20)
    return [
        (_query(shown, "/".join(names[: number + 1])), names[number])
        for number in range(first, len(names))
    ]


def _of_image(shown: Shown, found: Listing) -> dict[str, Any]:
    """For an image: its layers with what each wastes, and those that are not in the tree."""
    layers = shown.context.get("layers")
    if layers is None:
        return {}
    wasted = {int(number): size for number, size in found.summary["wasted"].items()}
    problems = {int(number) for number in found.summary["problems"]}
    readable = {number for number, _digest in Image(Digest("", ""), layers).readable()}
    rows = [
        {
            "number": number + 1,
            "digest": layer.digest,
            "size": layer.size,
            "wasted": wasted.get(number, 0),
            "is_cut": number in problems,
            "is_left_out": number not in readable,
        }
        for number, layer in enumerate(layers)
    ]
    return {"layers": rows, "wasted": sum(wasted.values())}
