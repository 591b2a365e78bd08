"""What a client does to a registry, whichever one it is."""

from __future__ import annotations

import requests

from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.interop.tools import ACCEPT
from tests.oci import documents
from tests.oci.documents import CONFIG


def push_blob(url: str, repository: str, content: bytes, algorithm: str = "sha256") -> Digest:
    """Push a blob."""
    digest = Digest.of(content, algorithm)
    begun = requests.post(f"{url}/v2/{repository}/blobs/uploads/", timeout=30)
    begun.raise_for_status()
    done = requests.put(
        requests.compat.urljoin(url, begun.headers["Location"]),
        params={"digest": str(digest)},
        data=content,
        headers={"Content-Type": "application/octet-stream"},
        timeout=30,
    )
    done.raise_for_status()
    return digest


def push_image(url: str, repository: str, tag: str, content: bytes, **fields: object) -> Digest:
    """Push an image of one layer."""
    for blob in (CONFIG, content):
        push_blob(url, repository, blob)
    payload = documents.encode(documents.image(content, **fields))
    done = requests.put(
        f"{url}/v2/{repository}/manifests/{tag}",
        data=payload,
        headers={"Content-Type": media_types.OCI_MANIFEST},
        timeout=30,
    )
    done.raise_for_status()
    return Digest.of(payload)


def pull(url: str, repository: str, reference: str) -> str:
    """The digest of what is pulled, with every blob; empty where there is none."""
    answer = requests.get(
        f"{url}/v2/{repository}/manifests/{reference}", headers={"Accept": ACCEPT}, timeout=30
    )
    if answer.status_code == 404:
        return ""
    answer.raise_for_status()
    document = answer.json()
    for blob in (document["config"], *document["layers"]):
        content = requests.get(f"{url}/v2/{repository}/blobs/{blob['digest']}", timeout=30)
        content.raise_for_status()
        digest = Digest.parse(blob["digest"])
        assert Digest.of(content.content, digest.algorithm) == digest
    return str(Digest.of(answer.content))
