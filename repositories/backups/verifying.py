"""`manage.py backup --verify`: everything that a snapshot needs, read again."""

from pathlib import Path

from repositories.backups import database, files
from repositories.backups.archive import Archive, BackupError, NamedBlob, Snapshot
from repositories.backups.files import Advance, Progress
from repositories.backups.taking import size_of


def verify(*, archive: Archive, snapshot: Snapshot, progress: Progress) -> list[str]:
    """What is damaged in the snapshot, and what to do about it, a line for each.

    Blobs that were lost when it was taken are no damage. Raises BackupError, OSError.
    """
    manifest = snapshot.manifest()
    progress.begin("Checking the database", None)
    found: list[str] = []
    for entry in manifest.files:
        path = snapshot.folder / entry.name
        if problem := _problem(path, entry.size, "sha256", entry.sha256, lambda _: None):
            found.append(f"{path}: {problem}; use another snapshot, or take one")
    if not found:
        found += database.problems(snapshot.folder, manifest)
    progress.begin("Checking blobs", manifest.blob_bytes)
    try:
        for blob in snapshot.blobs():
            problem = _problem_of(archive, blob, progress.advance)
            if problem and str(blob.digest) not in manifest.missing:
                found.append(problem)
    except (BackupError, FileNotFoundError) as error:
        found.append(str(error))
    return found


def _problem_of(archive: Archive, blob: NamedBlob, advance: Advance) -> str:
    path = archive.blob_path(blob.digest)
    problem = _problem(path, blob.size, blob.digest.algorithm, blob.digest.hex, advance)
    if not problem:
        return ""
    if path.exists() and path.stat().st_nlink > 1:
        return f"{path}: {problem}; it is the registry's own file, so that one is damaged, too"
    return f"{path}: {problem}; remove it, and the next backup saves it again"


def _problem(path: Path, size: int, algorithm: str, value: str, advance: Advance) -> str:
    found = size_of(path)
    if found is None:
        return "is missing"
    if found != size:
        return f"has {found} bytes instead of {size}"
    with path.open("rb") as file:
        is_whole = files.hash_of(file, algorithm, advance) == value
    return "" if is_whole else "is not what was written: its bytes have changed"
