"""Uploads: opened and mounted (end-4, end-11), appended to (end-5), finished (end-6), asked after
(end-13), cancelled (end-14)."""

import re

from api.v2 import links
from api.v2.request import Request
from api.v2.response import Response, warned
from repositories import blobs, uploads
from repositories.oci.digests import CANONICAL, Digest
from repositories.oci.errors import BlobUploadInvalid, DigestInvalid, RangeInvalid, SizeInvalid
from repositories.uploads import Chunk, Session

# The specification's form, and the one of RFC 9110 that some clients send.
_CONTENT_RANGE = re.compile(
    r"(?:bytes[ =])?([0-9]{1,19})-([0-9]{1,19})(?:/(?:\*|[0-9]{1,19}))?", re.ASCII
)


def post(request: Request, name: str) -> Response:
    """end-4a, end-4b, end-4c and end-11.

    Raises DigestInvalid, SizeInvalid, TooManyRequests, InsufficientScope, ReadOnly, QuotaExceeded.
    """
    mount = request.parameter("mount")
    if mount is not None:
        digest = Digest.parse(mount)
        source = request.parameter("from") or ""
        if blobs.mount(principal=request.principal, repository=name, source=source, digest=digest):
            return _created(request, name, digest)
    elif request.query.get("digest"):
        digest = _digest(request)
        fill = uploads.push_whole(
            principal=request.principal,
            repository=name,
            digest=digest,
            content=request.body,
            length=request.body.length,
        )
        return warned(_created(request, name, digest), fill)
    session = uploads.start(
        principal=request.principal,
        repository=name,
        algorithm=request.parameter("digest-algorithm") or CANONICAL,
    )
    return _accepted(request, session)


def patch(request: Request, name: str, upload: str) -> Response:
    """end-5. Raises BlobUploadUnknown, BlobUploadBusy, RangeInvalid, SizeInvalid, ReadOnly,
    QuotaExceeded."""
    session = uploads.append(repository=name, upload=upload, chunk=_chunk(request))
    return _accepted(request, session)


def put(request: Request, name: str, upload: str) -> Response:
    """end-6. Raises DigestInvalid, and what `patch` raises."""
    digest = _digest(request)
    fill = uploads.finish(repository=name, upload=upload, digest=digest, chunk=_chunk(request))
    return warned(_created(request, name, digest), fill)


def get(request: Request, name: str, upload: str) -> Response:
    """end-13. Raises BlobUploadUnknown."""
    response = _accepted(request, uploads.status(repository=name, upload=upload))
    response.status = 204
    return response


def delete(request: Request, name: str, upload: str) -> Response:
    """end-14. Raises BlobUploadUnknown, ReadOnly."""
    uploads.cancel(repository=name, upload=upload)
    return Response(204)


def _digest(request: Request) -> Digest:
    values = request.query.get("digest", ())
    if len(values) != 1:
        raise DigestInvalid(
            f"the request has {len(values)} digests: name the blob by one, as ?digest=sha256:…"
        )
    return Digest.parse(values[0])


def _chunk(request: Request) -> Chunk:
    """The body, and where Content-Range puts it.

    Raises RangeInvalid, BlobUploadInvalid, SizeInvalid.
    """
    header = request.header("Content-Range")
    if not header:
        return Chunk(request.body, length=request.body.length)
    match = _CONTENT_RANGE.fullmatch(header.strip())
    if match is None:
        raise BlobUploadInvalid(
            "Content-Range is first and last byte, such as 0-1023", detail={"range": header[:100]}
        )
    start, end = int(match[1]), int(match[2])
    if end < start:
        raise RangeInvalid(f"Content-Range ends at {end}, before its start {start}")
    length = request.body.length
    if length is not None and length != end - start + 1:
        raise SizeInvalid(
            f"Content-Range announces {end - start + 1} bytes and Content-Length {length}; "
            "make them equal"
        )
    return Chunk(request.body, start, end, length)


def _accepted(request: Request, session: Session) -> Response:
    """Where the upload goes on. An empty one has the range 0-0: the grammar knows no emptier."""
    path = f"/v2/{session.repository}/blobs/uploads/{session.id}"
    return Response(
        202,
        {
            "Location": links.absolute(request, path),
            "Range": f"0-{max(session.size - 1, 0)}",
            "Docker-Upload-UUID": session.id,
        },
    )


def _created(request: Request, name: str, digest: Digest) -> Response:
    return Response(
        201,
        {
            "Location": links.absolute(request, f"/v2/{name}/blobs/{digest}"),
            "Docker-Content-Digest": str(digest),
        },
    )
