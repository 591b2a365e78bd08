"""The files of a layer, and of a whole image."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NamedTuple

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Number, Text
from api.v1.pagination import Page, address_of_next
from api.v1.permissions import SignedInOrReading
from repositories import contents
from repositories.layers import listing, merged, texts
from repositories.layers.cache import NotListed
from repositories.layers.process import RETRY_SECONDS, Progress, State
from repositories.layers.store import Listing, Row
from repositories.layers.tree import Kind
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, NameUnknown, Unavailable
from repositories.storage.base import BlobMissing

_PATIENCE_SECONDS = 1.0
_VISIBLE = r"[^\x00-\x1f\x7f]{1,4096}"


class FilesQuery(Page):
    """A page of a folder, or a search."""

    folder = Text(
        pattern=_VISIBLE,
        required=False,
        help_text="The folder to list, such as `usr/bin`; the root by default.",
    )
    search = Text(
        pattern=r"[^\x00-\x1f\x7f]{1,100}",
        required=False,
        help_text="List what has this in its name instead, in all folders: the first 200.",
    )
    cursor = Number(
        most=10**9,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


class _File(NamedTuple):
    row: Row
    path: str


class FileShape(serializers.Serializer[_File]):
    """A file, folder or link; or the deletion of what the layers below have by this name."""

    path = serializers.CharField()
    type = serializers.ChoiceField(choices=[kind.value for kind in Kind], source="row.kind")
    size = serializers.IntegerField(
        source="row.total", help_text="In bytes; a folder's is that of all that is below it."
    )
    mode = serializers.SerializerMethodField(help_text="The permissions in octal: `0755`.")
    uid = serializers.IntegerField(source="row.uid")
    gid = serializers.IntegerField(source="row.gid")
    modified_at = serializers.SerializerMethodField()
    link = serializers.CharField(source="row.link", help_text="Where a link leads, else empty.")
    replaces = serializers.BooleanField(
        source="row.hides", help_text="Whether the layer deletes what was there before."
    )
    is_opaque = serializers.BooleanField(
        source="row.is_opaque", help_text="Whether the layer deletes what was in the folder before."
    )
    layer = serializers.IntegerField(
        source="row.layer", help_text="The number of the layer that it is from; 0 is the lowest."
    )

    def get_mode(self, file: _File) -> str:
        return f"{file.row.mode:04o}"

    def get_modified_at(self, file: _File) -> datetime:
        return datetime.fromtimestamp(file.row.mtime, UTC)


class ListingShape(serializers.Serializer[Any]):
    """Files of a folder, or what a search found."""

    results = FileShape(many=True)
    next = serializers.CharField(
        allow_null=True, help_text="The address of the next page; null on the last one."
    )
    entries = serializers.IntegerField(help_text="How many the whole listing has.")
    problem = serializers.CharField(help_text="Why something is not listed; empty if all is.")
    wasted = serializers.DictField(
        child=serializers.IntegerField(),
        help_text=(
            "Of an image, by layer: bytes of files that a later layer replaces or deletes. "
            "Layers without any are left out."
        ),
    )


class ProgressShape(serializers.Serializer[Any]):
    """The listing is being made: ask again."""

    state = serializers.ChoiceField(choices=[State.WAITING.value, State.WORKING.value])
    read = serializers.IntegerField(help_text="Bytes of a layer, layers of an image.")
    total = serializers.IntegerField()
    entries = serializers.IntegerField(help_text="What has been found so far.")


class _Files(Endpoint):
    permission_classes = [SignedInOrReading]

    def _files(self, look: Callable[..., Progress], opened: Callable[[], Any]) -> Response:
        """Raises Unavailable, BlobUnknown for what is lost."""
        try:
            progress = look(seconds=_PATIENCE_SECONDS)
            if progress.is_done:
                with opened() as found:
                    return Response(ListingShape(self._page(found)).data)
        except NotListed:
            progress = Progress(State.WAITING)
        except BlobMissing as error:
            raise BlobUnknown(
                "the bytes of a layer are missing on the server: push the image again"
            ) from error
        if progress.state is State.FAILED:
            raise Unavailable(
                "The process that reads the layer was ended, which the log says more about; the "
                "listing is tried again in a minute.",
                headers={"Retry-After": str(RETRY_SECONDS)},
            )
        return Response(ProgressShape(progress).data, status=202, headers={"Retry-After": "1"})

    def _page(self, found: Listing) -> dict[str, Any]:
        limit, cursor = self.query["limit"], None
        if "search" in self.query:
            files = [_File(row, path) for path, row in found.find(self.query["search"]).rows]
        else:
            path = self.query.get("folder", "").strip("/")
            folder = found.folder(path, after=self.query.get("cursor", 0), limit=limit)
            if folder is None:
                raise NoFolder
            prefix = f"{path}/" if path else ""
            files = [_File(row, prefix + row.name) for row in folder.rows]
            cursor = folder.next
        return {
            "results": files,
            "next": address_of_next(self.request, cursor),
            "entries": found.summary["entries"],
            "problem": texts.problem(found.summary),
            "wasted": found.summary.get("wasted", {}),
        }


class NoFolder(NameUnknown):
    """The listing has no folder of that path."""

    def __init__(self) -> None:
        super().__init__("there is no such folder in it: list the folder above")


class LayerFilesView(_Files):
    @operation(
        "List the files of a layer",
        answer=ListingShape,
        query=FilesQuery,
        also={202: ProgressShape},
    )
    def get(self, request: Request, repository: str, digest: str) -> Response:
        """What one layer adds, changes and deletes, folders first. For whoever may pull.

        The first request has the listing made, which can take some seconds: 202 says how far it is.
        """
        layer = contents.layer(
            principal=self.principal, repository=repository, digest=Digest.parse(digest)
        )

        def look(seconds: float) -> Progress:
            return listing.wait(digest=layer.digest, seconds=seconds)

        return self._files(look, lambda: listing.opened(digest=layer.digest))


class ImageFilesView(_Files):
    @operation(
        "List the files of an image",
        answer=ListingShape,
        query=FilesQuery,
        also={202: ProgressShape},
    )
    def get(self, request: Request, repository: str, digest: str) -> Response:
        """What a container of the image would see, folders first. For whoever may pull.

        The first request has the listing made, which can take some seconds: 202 says how far it is.
        """
        image = contents.image(
            principal=self.principal, repository=repository, digest=Digest.parse(digest)
        )

        def look(seconds: float) -> Progress:
            return merged.wait(image=image, seconds=seconds)

        return self._files(look, lambda: merged.opened(image=image))
