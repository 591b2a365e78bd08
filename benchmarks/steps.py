"""The steps that `docker push` and `docker pull` take, each checked.

A wrong status, digest or length raises WrongAnswer, which fails the row that was being measured.
"""

from __future__ import annotations

import hashlib
import json
import re
from urllib.parse import quote, urlsplit

from benchmarks.client import Answer, Connection, WrongAnswer
from benchmarks.content import IMAGE, MANIFEST_TYPE, Blob, Content, digest_of

ACCEPT = {"Accept": MANIFEST_TYPE}
_NEXT = re.compile(r'<([^>]+)>; *rel="?next"?')
DIGEST = "docker-content-digest"


def blob_path(repository: str, digest: str) -> str:
    """Where a blob is (end-2 of the specification)."""
    return f"/v2/{repository}/blobs/{digest}"


def manifest_path(repository: str, reference: str) -> str:
    """Where a manifest is (end-3), by tag or digest."""
    return f"/v2/{repository}/manifests/{reference}"


def push_blob(connection: Connection, repository: str, blob: Blob) -> None:
    """POST, one chunked PATCH, PUT: what the docker engine does."""
    opened = connection.request("POST", f"/v2/{repository}/blobs/uploads/")
    opened.expect(202, "open an upload")
    sent = connection.send_chunked("PATCH", _location(opened), blob).expect(202, "PATCH")
    where = _location(sent)
    close = f"{where}{'&' if '?' in where else '?'}digest={quote(blob.digest, safe='')}"
    _check_digest(connection.request("PUT", close).expect(201, "close the upload"), blob.digest)


def put_manifest(connection: Connection, repository: str, tag: str, manifest: bytes) -> None:
    """Put a manifest under a tag."""
    path, headers = manifest_path(repository, tag), {"Content-Type": MANIFEST_TYPE}
    answer = connection.request("PUT", path, headers, manifest)
    _check_digest(answer.expect(201, f"PUT {path}"), digest_of(manifest))


def mount(connection: Connection, repository: str, digest: str, source: str) -> None:
    """Mount a blob from another repository; an upload opened instead (202) is a wrong answer."""
    path = f"/v2/{repository}/blobs/uploads/?mount={quote(digest, safe='')}"
    answer = connection.request("POST", f"{path}&from={quote(source, safe='')}")
    answer.expect(201, f"mount {digest} into {repository}")


def create_repository(connection: Connection, repository: str, content: Content) -> None:
    """Two mounts and a manifest: how an image whose layers are known arrives in a new place."""
    for blob in (content.config, content.layers[0]):
        mount(connection, repository, blob.digest, IMAGE)
    put_manifest(connection, repository, "latest", content.small_manifest)


def pull_blob(connection: Connection, repository: str, blob: Blob, *, verify: bool = False) -> None:
    """GET a large blob and count its bytes; with `verify`, hash them, which costs us CPU."""
    answer, chunks = connection.receive(blob_path(repository, blob.digest))
    answer.expect(200, f"GET blob {blob.digest}")
    if answer.headers.get("content-length") != str(blob.size):
        raise WrongAnswer(f"Content-Length {answer.headers.get('content-length')}, not {blob.size}")
    state, size = hashlib.sha256(), 0
    for chunk in chunks:
        size += len(chunk)
        if verify:
            state.update(chunk)
    if size != blob.size:
        raise WrongAnswer(f"{size} bytes of {blob.size}")
    if verify and f"sha256:{state.hexdigest()}" != blob.digest:
        raise WrongAnswer(f"the bytes are not those of {blob.digest}")


def get_list(connection: Connection, path: str, key: str) -> tuple[list[str], str | None]:
    """One page of the catalog or of tags: its names, and where the next one is."""
    answer = connection.request("GET", path).expect(200, f"GET {path}")
    names = json.loads(answer.body)[key]
    following = _NEXT.search(answer.headers.get("link", ""))
    return names or [], _local(following.group(1)) if following else None


def _location(answer: Answer) -> str:
    if "location" not in answer.headers:
        raise WrongAnswer("no Location")
    return _local(answer.headers["location"])


def _local(url: str) -> str:
    parts = urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def _check_digest(answer: Answer, digest: str) -> None:
    if answer.headers.get(DIGEST, digest) != digest:
        raise WrongAnswer(f"{DIGEST} {answer.headers[DIGEST]} instead of {digest}")
