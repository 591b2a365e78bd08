"""end-12: what refers to a manifest."""

from api.v2 import links, paging
from api.v2.request import Request
from api.v2.response import Response
from repositories import referrers
from repositories.oci.digests import Digest
from repositories.oci.media_types import OCI_INDEX


def get(request: Request, name: str, digest: str) -> Response:
    """end-12a and end-12b. Raises DigestInvalid."""
    subject = Digest.parse(digest)
    artifact_type = request.parameter("artifactType") or ""
    found = referrers.listing(
        repository=name,
        subject=subject,
        artifact_type=artifact_type,
        last=paging.start_after(request),
    )
    headers = {"Content-Type": OCI_INDEX}
    if artifact_type:
        headers["OCI-Filters-Applied"] = "artifactType"
    if found.has_more:
        query = {"last": found.last} | ({"artifactType": artifact_type} if artifact_type else {})
        headers["Link"] = links.next_page(f"/v2/{name}/referrers/{subject}", query)
    # The entries are JSON already, as they were written down when their manifests were pushed.
    body = '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}'
    return Response(200, headers, (body % (OCI_INDEX, ",".join(found.entries))).encode("ascii"))
