"""What a client of the registry does, step by step, so that a fault can come between any two."""

from __future__ import annotations

import json
import random
from typing import Any

from tests.badinput.corpus import OCI_CONFIG, OCI_IMAGE, OCI_LAYER, descriptor, sha256
from tests.badinput.wire import Answer, Headers, exchange, path_of
from tests.faults.ledger import Ledger

OCTETS: Headers = (("Content-Type", "application/octet-stream"),)
IMAGE: Headers = (("Content-Type", OCI_IMAGE),)
CONFIG = b"{}"


def random_bytes(seed: object, size: int) -> bytes:
    """The same bytes for the same seed."""
    return random.Random(repr(seed)).randbytes(size)


def open_upload(host: str, repository: str) -> str:
    """A new upload session's path."""
    answer = exchange(host, "POST", f"/v2/{repository}/blobs/uploads/")
    assert answer.status == 202, answer
    return path_of(answer.header("location"))


def status(host: str, upload: str) -> Answer:
    return exchange(host, "GET", upload)


def held(answer: Answer) -> int:
    """How many bytes a status answer says that the session holds; `0-0` is none."""
    last = int(answer.header("range").removeprefix("0-"))
    return last + 1 if last else 0


def content_range(start: int, size: int) -> Headers:
    return (("Content-Range", f"{start}-{start + size - 1}"),)


def patch(host: str, upload: str, data: bytes, start: int | None = None) -> Answer:
    """Append a chunk; with a Content-Range if `start` is given."""
    fields = OCTETS if start is None else OCTETS + content_range(start, len(data))
    return exchange(host, "PATCH", upload, fields, data)


def finish(host: str, upload: str, digest: str, data: bytes = b"") -> Answer:
    return exchange(host, "PUT", with_digest(upload, digest), OCTETS, data)


def with_digest(upload: str, digest: str) -> str:
    return f"{upload}{'&' if '?' in upload else '?'}digest={digest}"


def push_blob(host: str, repository: str, data: bytes, digest: str = "") -> Answer:
    """Push in one request; with another digest than its own, if one is given."""
    target = f"/v2/{repository}/blobs/uploads/?digest={digest or sha256(data)}"
    return exchange(host, "POST", target, OCTETS, data)


def push_manifest(host: str, repository: str, reference: str, manifest: bytes) -> Answer:
    return exchange(host, "PUT", f"/v2/{repository}/manifests/{reference}", IMAGE, manifest)


def image(layer: bytes, **more: Any) -> bytes:
    """An image manifest of one layer over the smallest config."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": OCI_IMAGE,
            "config": descriptor(CONFIG, OCI_CONFIG),
            "layers": [descriptor(layer, OCI_LAYER)],
            **more,
        }
    ).encode()


def push_image(host: str, repository: str, tag: str, layer: bytes, ledger: Ledger) -> None:
    """Push a whole image and write each step down. Raises whatever a dying server causes."""
    for data in (CONFIG, layer):
        ledger.attempt("blob", repository, sha256(data))
        assert push_blob(host, repository, data).status == 201
        ledger.acknowledge("blob", repository, sha256(data))
    manifest = image(layer)
    digest = sha256(manifest)
    ledger.attempt("tag", repository, tag, digest)
    assert push_manifest(host, repository, tag, manifest).status == 201
    ledger.acknowledge("manifest", repository, digest)
    ledger.acknowledge("tag", repository, tag, digest)
