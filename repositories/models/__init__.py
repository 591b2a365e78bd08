"""Rows and constraints: no I/O, no wire format, no signals.

```
Team ─┬─ Repository ─┬─ BlobLink ── Blob            what a repository may serve (invariant I2)
      │              ├─ Manifest ─┬─ ManifestBlob ── BlobLink
      │              │            └─ ManifestChild  an index's entries; they may be absent
      │              ├─ Tag ── Manifest
      │              ├─ TagChange                   who moved which tag when
      │              ├─ Pull                        who pulled what, for the last weeks
      │              ├─ RepositoryUsage             how much it stores
      │              ├─ RepositoryLimits            its quota, immutable tags, archived or not
      │              ├─ RepositoryGrant             a role beside those of the team
      │              ├─ Deletion                    what was deleted, until it cannot be undone
      │              └─ Upload                      a blob on its way
      ├─ TeamUsage, TeamLimits                      the same of the team's repositories
      ├─ StorageSample                              and how that grew; of the whole, too
      └─ Membership ── User
Job                                                 periodic work, claimed by whoever is free
Host                                                who works on this database (hosts.py)
RetentionPolicy                                     what stays, of a team or a repository
RetentionRun ── Repository                          and when that was last looked at
Review                                              what may have become garbage (garbage.py)
RegistryMode                                        whether all of it is read-only
ScrubPass ── ScrubFinding                           what is damaged, and what that hits (scrub.py)
Adoption ── AdoptedRepository                       what came from a tree of Docker's registry
BackupLease                                         while a backup runs, the trash stays (leases.py)
```
"""

from repositories.models.adoption import AdoptedRepository, Adoption
from repositories.models.blob import Blob, BlobLink
from repositories.models.deletion import DeletedManifest, DeletedTag, Deletion
from repositories.models.grant import RepositoryGrant
from repositories.models.host import Host
from repositories.models.job import Job
from repositories.models.lease import BackupLease
from repositories.models.limits import RegistryMode, RepositoryLimits, TeamLimits
from repositories.models.manifest import Manifest, ManifestBlob, ManifestChild
from repositories.models.pull import Pull
from repositories.models.repository import Repository
from repositories.models.retention import RetentionPolicy, RetentionRun
from repositories.models.review import Review
from repositories.models.scrub import ScrubFinding, ScrubPass
from repositories.models.tag import Tag, TagChange
from repositories.models.upload import Upload
from repositories.models.usage import RepositoryUsage, StorageSample, TeamUsage

__all__ = [
    "AdoptedRepository",
    "Adoption",
    "BackupLease",
    "Blob",
    "BlobLink",
    "DeletedManifest",
    "DeletedTag",
    "Deletion",
    "Host",
    "Job",
    "Manifest",
    "ManifestBlob",
    "ManifestChild",
    "Pull",
    "RegistryMode",
    "Repository",
    "RepositoryGrant",
    "RepositoryLimits",
    "RepositoryUsage",
    "RetentionPolicy",
    "RetentionRun",
    "Review",
    "ScrubFinding",
    "ScrubPass",
    "StorageSample",
    "Tag",
    "TagChange",
    "TeamLimits",
    "TeamUsage",
    "Upload",
]
