"""The errors of the distribution-spec ("Error Codes"), and the few that its implementations add.

This is the one table that turns what went wrong into a status and a code: domain functions raise
these classes, and only `api/v2/endpoint.py` writes them out.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class OCIError(Exception):
    """Base of every error that a client is told about.

    `message` says what is wrong and what to do; `detail` is JSON-able data about it; `headers` go
    out with the answer.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: ClassVar[int] = 500

    def __init__(
        self, message: str, *, detail: object = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.headers = dict(headers or {})


class BlobUnknown(OCIError):
    """code-1: the repository links no such blob."""

    code, status = "BLOB_UNKNOWN", 404


class BlobUploadInvalid(OCIError):
    """code-2: what was sent cannot be made into a blob."""

    code, status = "BLOB_UPLOAD_INVALID", 400


class BlobUploadUnknown(OCIError):
    """code-3: the repository has no such upload session."""

    code, status = "BLOB_UPLOAD_UNKNOWN", 404


class BlobUploadBusy(OCIError):
    """Another request is writing to the upload session (Distribution answers alike)."""

    code, status = "BLOB_UPLOAD_INVALID", 409


class BlobInUse(OCIError):
    """A blob cannot be deleted while a manifest of the repository is made of it."""

    code, status = "UNSUPPORTED", 405


class DigestInvalid(OCIError):
    """code-4: malformed, of an unsupported algorithm, or not that of the content."""

    code, status = "DIGEST_INVALID", 400


class ManifestBlobUnknown(OCIError):
    """code-5: the manifest names a blob that the repository does not link."""

    code, status = "MANIFEST_BLOB_UNKNOWN", 404


class ManifestInvalid(OCIError):
    """code-6: see `oci/manifests.py` for what a manifest must be."""

    code, status = "MANIFEST_INVALID", 400


class ManifestTooLarge(OCIError):
    """A manifest over the limit (CVE-2023-2253 was an unbounded read)."""

    code, status = "MANIFEST_INVALID", 413


class ManifestUnknown(OCIError):
    """code-7: the repository has no such manifest, or none of a type that the client accepts."""

    code, status = "MANIFEST_UNKNOWN", 404


class NameInvalid(OCIError):
    """code-8: not a repository name."""

    code, status = "NAME_INVALID", 400


class NameUnknown(OCIError):
    """code-9: no such repository, or none that the caller may know of."""

    code, status = "NAME_UNKNOWN", 404


class SizeInvalid(OCIError):
    """code-10: the body was shorter than it said, or not framed as it said."""

    code, status = "SIZE_INVALID", 400


class Unauthorized(OCIError):
    """code-11: sign in first."""

    code, status = "UNAUTHORIZED", 401


class Denied(OCIError):
    """code-12: signed in, and still not allowed."""

    code, status = "DENIED", 403


class QuotaExceeded(Denied):
    """The team or the repository would have more bytes than it may.

    Clients that try again on 5xx, as docker does, show a 403 with its message at once.
    """

    def __init__(
        self, message: str, *, whose: Mapping[str, str], numbers: Mapping[str, int]
    ) -> None:
        """`whose` says which team or repository; `numbers` are bytes: `quota`, `used`, `wanted`."""
        super().__init__(message, detail={**whose, **numbers})
        self.numbers = numbers


class TagImmutable(Denied):
    """A tag that may not change, now that it is there. No code of the specification's says so."""

    def __init__(self, message: str, *, tags: Sequence[str], more: int = 0) -> None:
        """`tags` are the first of those, beside which there are `more`."""
        super().__init__(message, detail={"tags": list(tags)})
        self.tags = tags
        self.more = more


class Unsupported(OCIError):
    """code-13: the operation is switched off or does not exist here."""

    code, status = "UNSUPPORTED", 405


class ReadOnly(Unsupported):
    """The registry or the repository takes no changes (Distribution answers alike)."""

    def __init__(self, message: str, *, repository: str = "", by_setting: bool = False) -> None:
        """With a `repository`, that one is archived; else all of the registry is read-only."""
        reason = "archived" if repository else "setting" if by_setting else "switch"
        super().__init__(message, detail={"reason": reason})
        self.reason = reason

    @property
    def is_of_registry(self) -> bool:
        """Whether no repository can be written to."""
        return self.reason != "archived"


class RouteUnknown(OCIError):
    """No endpoint of the specification has this path."""

    code, status = "UNSUPPORTED", 404


class RequestInvalid(OCIError):
    """The request cannot be understood at all, such as a query that is not UTF-8."""

    code, status = "UNSUPPORTED", 400


class TooManyRequests(OCIError):
    """code-14: over a limit; the message names it."""

    code, status = "TOOMANYREQUESTS", 429


class TagInvalid(OCIError):
    """Not a tag (a code of Distribution's, which clients know)."""

    code, status = "TAG_INVALID", 400


class TooManyTags(OCIError):
    """More `tag=` parameters in one manifest PUT than are taken (end-7b)."""

    code, status = "TAG_INVALID", 414


class RangeInvalid(OCIError):
    """Bytes out of order in an upload, or outside of a blob (RFC 9110, section 15.5.17)."""

    code, status = "RANGE_INVALID", 416


class PaginationNumberInvalid(OCIError):
    """`n` is no number of entries (a code of Distribution's)."""

    code, status = "PAGINATION_NUMBER_INVALID", 400


class BodyTooSlow(OCIError):
    """The body came slower than the minimum rate."""

    code, status = "BLOB_UPLOAD_INVALID", 408


class StorageFull(OCIError):
    """The disk or its quota is full (RFC 4918, section 11.5)."""

    code, status = "UNAVAILABLE", 507


class Unavailable(OCIError):
    """The database or the storage cannot be reached just now."""

    code, status = "UNAVAILABLE", 503
