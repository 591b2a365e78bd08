"""Tags that list what refers to a manifest: distribution-spec, "Referrers Tag Schema".

A registry without the referrers API, such as Docker's, has clients keep that list in a tag, which
is called by the subject's digest and names an index. Clients that pushed to Berth had no need to.
"""

import json
import re
from collections.abc import Iterable
from typing import Any

from repositories.oci.media_types import OCI_INDEX

_MOST_ALGORITHM, _MOST_REFERENCE = 32, 64


def tag_of(subject: str) -> str:
    """The tag for what refers to the digest `subject`: `sha256-<hex>`."""
    algorithm, _, reference = subject.partition(":")
    tag = f"{algorithm[:_MOST_ALGORITHM]}-{reference[:_MOST_REFERENCE]}"
    return re.sub(r"[^A-Za-z0-9._-]", "-", tag)


def listing(referrers: Iterable[str], old: bytes | None) -> bytes | None:
    """The index for the tag; None where `old`, which it names now, does.

    `referrers` are descriptors as JSON. What `old` lists stays, and so does what is no index at
    all: somebody has called it so for reasons of their own.
    """
    document: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    if old is not None:
        document = json.loads(old)
        if not isinstance(document.get("manifests"), list):
            return None
    entries = document["manifests"]
    known = {entry["digest"] for entry in entries}
    found = [json.loads(referrer) for referrer in referrers]
    added = [entry for entry in found if entry["digest"] not in known]
    if not added:
        return None
    entries += added
    return json.dumps(document, separators=(",", ":")).encode("ascii")
