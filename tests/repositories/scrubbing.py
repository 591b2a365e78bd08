"""What tests of the scrub share: damage to do, and what was found."""

import os
from collections.abc import Mapping

from repositories import scrub
from repositories.access import Principal
from repositories.models import Blob, ScrubFinding, ScrubPass
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage

OPERATOR = Principal(name="command line", credential="command line")
Kind = ScrubFinding.Kind


def flip(disk: FilesystemStorage, digest: Digest) -> None:
    """Turn one bit over, as a disk does: without a trace in the file's times."""
    path = disk.blob_path(digest)
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def cut(disk: FilesystemStorage, digest: Digest) -> None:
    path = disk.blob_path(digest)
    path.write_bytes(path.read_bytes()[:-1])


def remove(disk: FilesystemStorage, digest: Digest) -> None:
    disk.blob_path(digest).unlink()


def look(*, is_repairing: bool = False, is_anew: bool = False) -> ScrubPass:
    return scrub.run(principal=OPERATOR, is_repairing=is_repairing, is_anew=is_anew)


def repair() -> ScrubPass:
    return look(is_repairing=True)


def found(row: ScrubPass) -> Mapping[str, str]:
    """What a pass has found: the kind, by the target."""
    rows = row.findings.values_list("target", "kind")
    assert len({target for target, _ in rows}) == len(rows)
    return dict(rows)


def marked() -> set[str]:
    return set(Blob.objects.exclude(damaged_at=None).values_list("digest", flat=True))


def quarantined(disk: FilesystemStorage) -> list[str]:
    return sorted(str(blob.digest) for blob in disk.quarantined())
