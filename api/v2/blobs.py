"""Blobs: pulled (end-2), deleted (end-10)."""

import logging

from django.conf import settings

from api.v2.manifests import check_deletes_enabled, is_unchanged
from api.v2.ranges import select
from api.v2.request import Request
from api.v2.response import FilePart, Response
from repositories import blobs, database, presence
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown
from repositories.oci.media_types import OCTET_STREAM
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from repositories.waiting import read

# Up to here one send of headers and bytes together is cheaper than sendfile after the headers.
SMALL = 64 * 1024
# From here on a transfer takes long enough that it should not hold a database connection.
LARGE = 1024 * 1024

logger = logging.getLogger(__name__)


def get(request: Request, name: str, digest: str) -> Response:
    """end-2, GET and HEAD, whole or in part. Raises BlobUnknown, NameUnknown, RangeInvalid."""
    blob = blobs.find(repository=name, digest=Digest.parse(digest))
    headers = {
        "Content-Type": OCTET_STREAM,
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        # A digest never means anything else; each use is authorised all the same.
        "Cache-Control": "private, max-age=31536000, immutable",
        "Accept-Ranges": "bytes",
    }
    if is_unchanged(request, digest):
        return Response(304, headers)
    if settings.ACCEL_REDIRECT and request.method == "GET":
        path = storage().internal_path(blob.digest)
        del headers["Accept-Ranges"]  # nginx says it as well
        return Response(200, {**headers, "X-Accel-Redirect": f"{settings.ACCEL_REDIRECT}/{path}"})
    part = select(_range(request, digest), blob.size)
    if part is None:
        offset, length, status = 0, blob.size, 200
    else:
        offset, length, status = part.start, part.end - part.start + 1, 206
        headers["Content-Range"] = f"bytes {part.start}-{part.end}/{blob.size}"
    if request.method == "HEAD":
        _check_stored(name, blob)
        blobs.renew(principal=request.principal, repository=name, blob=blob)
        return Response(status, {**headers, "Content-Length": str(length)})
    return Response(status, headers, _open(name, blob, offset, length))


def _range(request: Request, digest: str) -> str | None:
    """The Range header, unless If-Range makes it depend on another version (section 13.1.5)."""
    condition = request.header("If-Range")
    if condition is not None and condition.strip() != f'"{digest}"':
        return None
    return request.header("Range")


def _check_stored(name: str, blob: blobs.FoundBlob) -> None:
    """A client asks by HEAD before it pushes: told of a loss, it pushes again and heals it."""
    if not presence.is_whole(digest=blob.digest, size=blob.size):
        raise _lost(name, blob)


def _open(name: str, blob: blobs.FoundBlob, offset: int, length: int) -> bytes | FilePart:
    try:
        if blob.size <= presence.SMALL:
            return presence.content(digest=blob.digest, size=blob.size)[offset : offset + length]
        file = storage().open_blob(blob.digest)
    except BlobMissing as error:
        raise _lost(name, blob) from error
    if length > SMALL:
        if length > LARGE:
            database.release()
        return FilePart(file, offset, length)
    with file:
        return read(file, offset, length)


def _lost(name: str, blob: blobs.FoundBlob) -> BlobUnknown:
    logger.error("the file of blob %s, which %s links, is missing or cut", blob.digest, name)
    return blobs.lost(blob.digest)


def delete(request: Request, name: str, digest: str) -> Response:
    """end-10. Raises BlobUnknown, NameUnknown, BlobInUse, Unsupported."""
    check_deletes_enabled()
    blobs.unlink(principal=request.principal, repository=name, digest=Digest.parse(digest))
    return Response(202)
