"""Rows and constraints: no I/O, no wire format, no signals.

```
Team ─┬─ Repository ─┬─ BlobLink ── Blob            what a repository may serve (invariant I2)
      │              ├─ Manifest ─┬─ ManifestBlob ── BlobLink
      │              │            └─ ManifestChild  an index's entries; they may be absent
      │              ├─ Tag ── Manifest
      │              ├─ TagChange                   who moved which tag when
      │              ├─ RepositoryGrant             a role beside those of the team
      │              └─ Upload                      a blob on its way
      └─ Membership ── User
Job                                                 periodic work, claimed by whoever is free
```
"""

from repositories.models.blob import Blob, BlobLink
from repositories.models.grant import RepositoryGrant
from repositories.models.job import Job
from repositories.models.manifest import Manifest, ManifestBlob, ManifestChild
from repositories.models.repository import Repository
from repositories.models.tag import Tag, TagChange
from repositories.models.upload import Upload

__all__ = [
    "Blob",
    "BlobLink",
    "Job",
    "Manifest",
    "ManifestBlob",
    "ManifestChild",
    "Repository",
    "RepositoryGrant",
    "Tag",
    "TagChange",
    "Upload",
]
