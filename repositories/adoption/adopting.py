"""`manage.py adopt`: a tree of Docker's registry taken over as it lies, once.

Where the tree is the storage's own, nothing of it is written, renamed or removed; where it is
another, its blobs get second names in the storage. Either way no byte is copied.

A repository is done when its row (`AdoptedRepository`) is there: who was killed goes on with the
others, and begins anew with the one that was half done, which changes nothing twice. What is done
is remembered by its name for ever, so that what people delete or move in Berth stays as they left
it. In the end the files that no record names become blobs that nothing needs: the collector's.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import Count
from django.utils import timezone

from repositories import quotas, reviews
from repositories.access import Principal
from repositories.adoption import rows
from repositories.adoption.blobs import Blobs, StoredFile
from repositories.adoption.contents import MOST_IMAGES, Batch, Contents
from repositories.adoption.findings import TAKEN, Finding, Kind
from repositories.adoption.reports import AdoptionError, Progress, Report, report_of
from repositories.adoption.tree import NoTree, Tree, Walk
from repositories.audit import record as write_down
from repositories.database import again_on_conflict, give_way, lock_digests, pieces
from repositories.models import AdoptedRepository, Adoption, Blob, Repository
from repositories.models.adoption import MAX_ROOT_LENGTH
from repositories.oci.digests import Digest
from repositories.reviews import Kind as Reviewed
from repositories.storage import storage
from repositories.storage.base import BlobMissing
from repositories.storage.filesystem import FilesystemStorage

SHARDS = 256
_GARBAGE_PIECE = 200
# Where each blob gets a second name, which is synced: others should not wait so long for us.
_FEW_IMAGES = 20
# What is wrong with a file that no record names, and makes it none of a blob's.
_NO_BLOB = frozenset({Kind.SYMLINK, Kind.UNKNOWN})


def default_visibility(*, is_open: bool = False) -> str:
    """As a first push gives it: what nobody in particular could push to, everybody could reach."""
    may_push = is_open or settings.OPEN_ACCESS or settings.ANONYMOUS_ACCESS == "push"
    kinds = Repository.Visibility
    return (kinds.PUBLIC if may_push else kinds.PRIVATE).value


def is_called_for() -> bool:
    """Whether a start has to take over the tree that lies in the storage, or to go on with it."""
    keeper = storage()
    if settings.SHADOW or not isinstance(keeper, FilesystemStorage) or not keeper.is_shared():
        return False
    row = Adoption.objects.filter(root="").first()
    if row is not None:
        return row.finished_at is None
    return not Repository.objects.exists()


def adopt(
    *,
    principal: Principal,
    root: Path | None = None,
    visibility: str = "",
    verify: bool = False,
    again: bool = False,
    dry_run: bool = False,
    is_alone: bool = False,
    progress: Progress | None = None,
    pace: Callable[[int], None] = lambda _: None,
) -> Report:
    """Take over the tree at `root`, or that of the storage; what there is of it then.

    With `verify` all bytes are read and hashed, at the `pace` of who is told how many. A tree that
    was taken over is left alone, but `again` looks at what was damaged then, and at repositories
    that have come since. A `dry_run` writes nothing. Where nobody else can be writing, who
    `is_alone` gives way to nobody. Raises AdoptionError, OSError, Error.
    """
    keeper = storage()
    if not isinstance(keeper, FilesystemStorage):
        raise AdoptionError("The storage is no folder, so that no tree can lie in it.")
    if settings.SHADOW and not dry_run:
        raise AdoptionError(
            f"This is a shadow of {settings.SHADOW}, which follows it by itself: --dry-run says "
            "what adopting it would do. To adopt it, start Berth without --shadow."
        )
    try:
        tree = Tree(root or Path(settings.SHADOW or keeper.root))
    except NoTree as error:
        raise AdoptionError(str(error)) from error
    is_own = tree.root == keeper.root.resolve()
    if not (is_own or dry_run):
        _check_linkable(tree, keeper)
    row = _row("" if is_own else str(tree.root), is_dry_run=dry_run)
    if row.finished_at and not again:
        return report_of(row, was_finished=True)
    watcher = progress or Progress()

    def read(count: int) -> None:
        watcher.read(count)
        pace(count)

    blobs = Blobs(tree, verify=verify, read=read)
    work = _Work(tree, row, blobs, watcher, is_own=is_own, is_alone=is_alone, is_dry_run=dry_run)
    return work.run(principal, visibility or default_visibility())


def _row(root: str, *, is_dry_run: bool) -> Adoption:
    if len(root) > MAX_ROOT_LENGTH or not root.isprintable():
        raise AdoptionError(f"{root[:100]!r}… cannot be written down: mount it by another name.")
    if is_dry_run:
        return Adoption(root=root)
    return Adoption.objects.get_or_create(root=root)[0]


def _check_linkable(tree: Tree, keeper: FilesystemStorage) -> None:
    """Raises AdoptionError, OSError."""
    keeper.make_durable(keeper.blobs)
    if tree.blobs.exists() and tree.blobs.stat().st_dev != keeper.blobs.stat().st_dev:
        raise _unlinkable(tree)


def _unlinkable(tree: Tree) -> AdoptionError:
    return AdoptionError(
        f"The blobs of {tree.root} cannot get second names in the storage: it is another file "
        "system, or they belong to somebody else. Nothing is ever copied: let "
        f"REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY={tree.root} make it the storage itself, and "
        "adopt it where it is."
    )


class _Work:
    """A tree on its way; a row that is not saved is that of a dry run."""

    def __init__(
        self,
        tree: Tree,
        row: Adoption,
        blobs: Blobs,
        progress: Progress,
        *,
        is_own: bool,
        is_alone: bool,
        is_dry_run: bool,
    ) -> None:
        self._tree, self._row, self._blobs, self._progress = tree, row, blobs, progress
        self._is_own, self._is_alone = is_own, is_alone
        self._report = Report(str(tree.root), is_dry_run=is_dry_run)
        # All that the records speak of.
        self._named: set[Digest] = set()
        # Names of bytes that have another one, by which they are counted.
        self._aliases: set[Digest] = set()
        self._is_whole = True

    def run(self, principal: Principal, visibility: str) -> Report:
        """Raises AdoptionError, OSError, Error."""
        found = self._tree.walk()
        self._is_whole = found.is_whole
        done = self._done()
        self._progress.begin("Adopting repositories", len(found.names))
        for name in found.names:
            self._repository(name, visibility, done.get(name))
            self._progress.advance()
        for records in map(self._tree.records, found.misnamed):
            self._is_whole &= records.is_whole
            self._named.update(records.named())
        self._finish(principal, found)
        return self._report if self._report.is_dry_run else report_of(self._row)

    def _done(self) -> dict[str, AdoptedRepository]:
        if self._report.is_dry_run:
            return {}
        return {each.name: each for each in AdoptedRepository.objects.filter(adoption=self._row)}

    # --- a repository ---

    def _repository(self, name: str, visibility: str, done: AdoptedRepository | None) -> None:
        records = self._tree.records(name)
        self._is_whole &= records.is_whole
        self._named.update(records.named())
        links = records.layers.items()
        self._aliases.update(digest for digest, link in links if link.target != digest)
        if done is not None and not (self._row.finished_at and done.findings):
            return
        contents = Contents(records, self._blobs)
        if done is not None:
            facts = (each for each in done.findings if each["kind"] not in TAKEN)
            contents.only({each["target"] for each in facts})
        if self._report.is_dry_run:
            self._count(contents)
        else:
            self._write(contents, visibility, done)

    def _count(self, contents: Contents) -> None:
        """What a dry run tells of it."""
        report = self._report
        is_empty = True
        for batch in contents.batches():
            is_empty &= not (batch.images or batch.blobs)
            report.manifests += len(batch.images)
            self._named.update(held.source for held in batch.blobs.values())
        report.tags += sum(1 for _ in contents.tags())
        report.repositories += not is_empty
        report.left += contents.left
        report.findings += contents.findings

    def _write(self, contents: Contents, visibility: str, done: AdoptedRepository | None) -> None:
        """Write the rows of a repository, and remember that it is done."""
        name = contents.records.name
        manifests, tags = (done.manifests, done.tags) if done else (0, 0)
        place = None
        with suppress(rows.Gone):
            for batch in contents.batches(MOST_IMAGES if self._is_own else _FEW_IMAGES):
                if batch.images or batch.blobs:
                    place = place or self._place(name, visibility, contents, done)
                    self._write_batch(place, batch)
                    manifests += len(batch.images)
            tags += self._write_tags(place, contents)
        findings = [finding.dump() for finding in contents.findings]
        if done is not None:
            findings += [
                each for each in done.findings if each not in findings and self._still_holds(each)
            ]
        AdoptedRepository.objects.update_or_create(
            adoption=self._row,
            name=name,
            defaults={
                "is_empty": place is None and (done is None or done.is_empty),
                "manifests": manifests,
                "tags": tags,
                "left": contents.left,
                "findings": findings,
            },
        )

    def _write_batch(self, place: rows.Place, batch: Batch) -> None:
        """Raises Gone, AdoptionError, OSError."""
        start = time.monotonic()
        try:
            rows.write(place=place, batch=batch, paths=self._blobs.path)
        except rows.CannotLink as error:
            raise _unlinkable(self._tree) from error
        self._give_way(start)

    def _write_tags(self, place: rows.Place | None, contents: Contents) -> int:
        """How many tags name what they name in the tree. Raises Gone."""
        wanted = list(contents.tags())
        if place is None and wanted:  # their manifests came by an earlier run
            place = rows.find_place(name=contents.records.name)
        if place is None:
            return 0
        for piece in pieces(wanted):
            start = time.monotonic()
            rows.write_tags(place=place, tags=piece)
            self._give_way(start)
        kept = rows.kept_tags(place=place, tags=wanted)
        contents.findings += kept
        return len(wanted) - len(kept)

    def _still_holds(self, facts: dict[str, str]) -> bool:
        """Whether a finding of an earlier look stands that this one had no eye for."""
        if facts["kind"].startswith("blob-"):
            return self._blobs.look(Digest.parse(facts["target"])).flaw is not None
        return facts["kind"] in TAKEN

    def _give_way(self, since: float) -> None:
        if not self._is_alone:
            give_way(since=since)

    def _place(
        self, name: str, visibility: str, contents: Contents, done: AdoptedRepository | None
    ) -> rows.Place:
        """Raises Gone where one that was done has been deleted since."""
        if done is not None and not done.is_empty:
            return rows.find_place(name=name)
        return rows.open_place(name=name, visibility=visibility, contents=contents)

    # --- all of it ---

    def _finish(self, principal: Principal, found: Walk) -> None:
        findings = list(found.findings)
        self._blobs.strange(findings)
        self._progress.begin("Looking through the files", SHARDS)
        garbage = 0
        for number in range(SHARDS):
            for piece in _in_pieces(self._blobs.shard(number, findings)):
                counted = [file.seen.size for file in piece if file.digest not in self._aliases]
                self._report.blobs += len(counted)
                self._report.bytes += sum(counted)
                garbage += self._take_garbage(piece, findings)
            self._progress.advance()
        self._report.garbage += garbage
        self._report.findings = findings + self._report.findings
        if not self._report.is_dry_run:
            self._close(principal, findings, garbage)

    def _take_garbage(self, files: Iterable[StoredFile], findings: list[Finding]) -> int:
        """Have the collector look at the files that no record names; how many there are."""
        unnamed = [file for file in files if file.digest not in self._named]
        if not (self._is_own and self._is_whole):
            return 0
        known = Blob.objects.filter(digest__in=[str(file.digest) for file in unnamed])
        rows_of = dict(known.annotate(uses=Count("links")).values_list("digest", "uses"))
        for digest, seen in unnamed:
            # What a repository links has been told of there.
            if seen.flaw is not None and not rows_of.get(str(digest)):
                path = self._blobs.below(digest)
                findings.append(Finding(seen.flaw, "", str(digest), path, seen.detail))
        new = [file for file in unnamed if str(file.digest) not in rows_of]
        new = [file for file in new if file.seen.flaw not in _NO_BLOB]
        return len(new) if self._report.is_dry_run or not new else _nominate(new)

    def _close(self, principal: Principal, findings: list[Finding], garbage: int) -> None:
        # Whose grace begins now.
        reviews.nominate_forgotten()
        quotas.recount()
        report = self._report
        self._row.blobs, self._row.bytes = report.blobs, report.bytes
        self._row.garbage += garbage
        self._row.findings = [finding.dump() for finding in findings]
        self._row.finished_at = timezone.now()
        with transaction.atomic():
            self._row.save()
            done = report_of(self._row)
            write_down(
                principal,
                "registry.adopt",
                str(self._tree.root),
                repositories=done.repositories,
                tags=done.tags,
                findings=len(done.findings),
            )


@again_on_conflict
def _nominate(files: list[StoredFile]) -> int:
    """Give the files rows, and have those looked at when the grace is over; how many they were."""
    with transaction.atomic():
        ids = []
        # As the collector does, which may be about to move a file.
        lock_digests(digest for digest, _ in files)
        for digest, seen in sorted(files):
            try:
                storage().blob_size(digest)
            except BlobMissing:
                continue
            damaged = timezone.now() if seen.flaw is not None else None
            row, is_new = Blob.objects.get_or_create(
                digest=str(digest),
                defaults={
                    "size": seen.size,
                    "created_at": seen.at or timezone.now(),
                    "damaged_at": damaged,
                },
            )
            ids += [row.pk] if is_new else []
        reviews.nominate(Reviewed.BLOB, ids)
    return len(ids)


def _in_pieces(files: Iterator[StoredFile]) -> Iterator[list[StoredFile]]:
    piece: list[StoredFile] = []
    for file in files:
        piece.append(file)
        if len(piece) == _GARBAGE_PIECE:
            yield piece
            piece = []
    yield piece
