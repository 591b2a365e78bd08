"""What a case of the corpus is, and the images that the cases talk about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from tests.badinput.wire import Headers, request

OCI_IMAGE = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"

# One repository must stay as it is, one is for requests that are refused, and one for what is odd
# but lawful and so may leave something behind. The last does not exist.
CANARY = "canary/image"
REFUSED = "corpus/refused"
LAWFUL = "corpus/lawful"
NOWHERE = "corpus/nowhere"

# Codes of the specification, then those of the Distribution project that clients know as well.
KNOWN_CODES = frozenset(
    [
        "BLOB_UNKNOWN",
        "BLOB_UPLOAD_INVALID",
        "BLOB_UPLOAD_UNKNOWN",
        "DIGEST_INVALID",
        "MANIFEST_BLOB_UNKNOWN",
        "MANIFEST_INVALID",
        "MANIFEST_UNKNOWN",
        "NAME_INVALID",
        "NAME_UNKNOWN",
        "SIZE_INVALID",
        "UNAUTHORIZED",
        "DENIED",
        "UNSUPPORTED",
        "TOOMANYREQUESTS",
        "RANGE_INVALID",
        "PAGINATION_NUMBER_INVALID",
        "TAG_INVALID",
    ]
)


def sha256(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha512(data: bytes) -> str:
    return f"sha512:{hashlib.sha512(data).hexdigest()}"


def descriptor(data: bytes, media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": sha256(data), "size": len(data)}


CONFIG = b'{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}'
LAYER = bytes(range(256)) * 4
PRIVATE = b"a layer that only the canary repository holds\n" * 9
ABSENT = sha256(b"a blob that nobody ever pushed")
EMPTY = sha256(b"")

IMAGE: Mapping[str, Any] = {
    "schemaVersion": 2,
    "mediaType": OCI_IMAGE,
    "config": descriptor(CONFIG, OCI_CONFIG),
    "layers": [descriptor(LAYER, OCI_LAYER)],
}


def encode(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def image(**changes: Any) -> bytes:
    """The good image manifest with some keys set to something else; `...` removes a key."""
    merged = {**IMAGE, **changes}
    return encode({key: value for key, value in merged.items() if value is not ...})


def index(*children: bytes, **changes: Any) -> bytes:
    """An image index over the given manifests, with changes as in `image`."""
    merged: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [descriptor(child, OCI_IMAGE) for child in children],
        **changes,
    }
    return encode({key: value for key, value in merged.items() if value is not ...})


GOOD = image()
CANARY_IMAGE = image(layers=[descriptor(LAYER, OCI_LAYER), descriptor(PRIVATE, OCI_LAYER)])
CANARY_INDEX = index(CANARY_IMAGE)
CANARY_TAGS = {"latest": CANARY_IMAGE, "v1": CANARY_IMAGE, "multi": CANARY_INDEX}


class Given(Enum):
    """The state in which a case finds its upload session, if it has one."""

    NOTHING = ""
    UPLOAD = "opened, 5 bytes sent"
    EMPTY_UPLOAD = "opened, nothing sent"
    FINISHED = "finished by PUT"
    CANCELLED = "cancelled by DELETE"


HELD = b"hello"  # what an upload session holds under Given.UPLOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One request and the answer it must get.

    Texts may hold `{host}`, and with an upload `{upload}` (its path), `{uuid}`, `{UUID}` (in upper
    case) and `{hex}` (without hyphens).
    """

    id: str
    status: int | tuple[int, ...]
    code: str | tuple[str, ...] = ()  # empty: any code that is known
    method: str = "GET"
    target: str = "/v2/"
    headers: Headers = ()
    body: bytes | Callable[[], bytes] = b""
    raw: bytes = b""  # the whole request, where it is none that `request` would write
    half_close: bool = False  # say after the request that nothing follows
    by_server: bool = False  # malformed HTTP, refused before the application sees it
    outside: bool = False  # not under /v2/, so that the error need not be OCI JSON
    given: Given = Given.NOTHING
    holds: bytes | None = None  # what the upload session must hold afterwards
    holds_up_to: bytes | None = None  # the same, where any prefix will do that has HELD
    answer_headers: Headers = ()  # fields that the answer must carry, each with a part of its value
    answer_body: bytes | None = None
    location_is_relative: bool = False  # nothing of a bad Host comes back
    message_has: str = ""
    publishes: tuple[str, ...] = ()  # digests that a lawful request may add to the blobs
    within: float = 5.0  # seconds, the best of five if below one

    @property
    def statuses(self) -> tuple[int, ...]:
        return self.status if isinstance(self.status, tuple) else (self.status,)

    @property
    def codes(self) -> frozenset[str]:
        if not self.code:
            return KNOWN_CODES
        return frozenset(self.code if isinstance(self.code, tuple) else (self.code,))

    @property
    def is_head(self) -> bool:
        return self.method == "HEAD"

    def render(self, values: Mapping[str, str]) -> bytes:
        """The bytes to send, with the texts' placeholders filled in."""
        if self.raw:
            data = self.raw
            for key, value in values.items():
                data = data.replace(b"{%b}" % key.encode(), value.encode())
            return data
        body = self.body if isinstance(self.body, bytes) else self.body()
        headers = [(name, fill(value, values)) for name, value in self.headers]
        target = fill(self.target, values)
        return request(self.method, target, values["host"], headers, body)


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values in; where the upload's path has a query of its own, ours is added to it."""
    if "?" in values.get("upload", ""):
        text = text.replace("{upload}?", "{upload}&")
    for key, value in values.items():
        text = text.replace(f"{{{key}}}", value)
    return text
