"""Manifests: pulled (end-3), pushed (end-7), deleted (end-9)."""

from django.conf import settings

from api.v2 import links
from api.v2.request import Request
from api.v2.response import Response, warned
from repositories import manifests, pulls, tags
from repositories.oci.accept import accepts
from repositories.oci.digests import Digest, is_digest
from repositories.oci.errors import ManifestUnknown, TagInvalid, TooManyTags, Unsupported
from repositories.oci.manifests import MAX_BYTES
from repositories.oci.names import validate_tag

MAX_TAGS = 32


def get(request: Request, name: str, reference: str) -> Response:
    """end-3, GET and HEAD. Raises ManifestUnknown, NameUnknown, DigestInvalid."""
    reference = _existing(reference)
    manifest = manifests.read(repository=name, reference=reference)
    headers = {
        "Content-Type": manifest.media_type,
        "Docker-Content-Digest": manifest.digest,
        "ETag": f'"{manifest.digest}"',
    }
    if is_unchanged(request, manifest.digest):
        return Response(304, headers)
    # By digest the client knows what it asks for, and nothing else could be given.
    if not is_digest(reference) and not accepts(request.header("Accept"), manifest.media_type):
        raise ManifestUnknown(
            f"the tag names a manifest of type {manifest.media_type}, which the Accept header "
            "does not allow",
            detail={"reference": reference, "mediaType": manifest.media_type},
        )
    if request.method == "GET":
        pulls.note(
            repository_id=manifest.repository_id,
            manifest_id=manifest.id,
            tag_id=manifest.tag_id,
            reference=reference,
            digest=manifest.digest,
            principal_name=request.principal.name,
        )
    else:
        manifests.renew(principal=request.principal, repository=name, manifest=manifest)
    return Response(200, headers, manifest.payload)


def put(request: Request, name: str, reference: str) -> Response:
    """end-7a and end-7b. Raises ManifestInvalid, ManifestBlobUnknown, TagImmutable, …"""
    names = [validate_tag(tag) for tag in request.query.get("tag", ())]
    if len(names) > MAX_TAGS:
        raise TooManyTags(f"{len(names)} tags in one request; {MAX_TAGS} are the most")
    digest = None
    if is_digest(reference):
        digest = Digest.parse(reference)
    else:
        names.insert(0, validate_tag(reference))
    pushed = manifests.push(
        principal=request.principal,
        repository=name,
        digest=digest,
        names=list(dict.fromkeys(names)),
        payload=request.body.read(MAX_BYTES),
        content_type=request.header("Content-Type") or "",
    )
    headers = {
        "Location": links.absolute(request, f"/v2/{name}/manifests/{pushed.digest}"),
        "Docker-Content-Digest": str(pushed.digest),
    }
    if pushed.subject:
        headers["OCI-Subject"] = pushed.subject
    if digest and pushed.tags:
        headers["OCI-Tag"] = ", ".join(pushed.tags)
    return warned(Response(201, headers), pushed.fill)


def delete(request: Request, name: str, reference: str) -> Response:
    """end-9. Raises ManifestUnknown, NameUnknown, Unsupported, TagImmutable."""
    check_deletes_enabled()
    reference = _existing(reference)
    if not is_digest(reference):
        tags.delete(principal=request.principal, repository=name, name=reference)
        return Response(202)
    children = manifests.delete(
        principal=request.principal, repository=name, digest=Digest.parse(reference)
    )
    if not children:
        return Response(202)
    note = f"{children} manifests that this index listed stay in the repository"
    return Response(202, {"Warning": f'299 - "{note}"'})


def check_deletes_enabled() -> None:
    """Raises Unsupported where the operator has switched deletes off."""
    if not settings.DELETE_ENABLED:
        raise Unsupported(
            "deleting is switched off: set REGISTRY_STORAGE_DELETE_ENABLED=true to allow it"
        )


def is_unchanged(request: Request, digest: str) -> bool:
    """Whether If-None-Match names what would be sent (RFC 9110, section 13.1.2)."""
    header = request.header("If-None-Match")
    if header is None:
        return False
    known = [tag.strip().removeprefix("W/").strip('"') for tag in header[:8000].split(",")]
    return digest in known or "*" in known


def _existing(reference: str) -> str:
    """A reference that could name something. What could not is not there, rather than wrong:
    clients probe for tags of any form, and the conformance suite wants 404."""
    if is_digest(reference):
        return str(Digest.parse(reference))
    try:
        return validate_tag(reference)
    except TagInvalid as error:
        raise ManifestUnknown(error.message, detail=error.detail) from error
