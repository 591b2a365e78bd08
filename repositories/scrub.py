"""The scrub: looks whether everything that is stored is still what was pushed.

A pass goes through the blobs, reading every byte of them; through the files, for those that no row
names; through the uploads; and through the manifests with all that they name. It keeps how far it
has come in a row (`scrub_passes`), so whoever comes next goes on there: a command, or the
background job, a slice at a time.

A blob that is found damaged or missing is looked at again with its digest locked (`damage`). When
it repairs, such a blob is marked, its file set apart, and the next push of it heals every
repository that links it. Nothing else is changed: files that no row names are the garbage
collector's.
"""

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from repositories import damage, hits, read_only, reviews, scrub_passes, trash
from repositories.access import Principal
from repositories.damage import Outcome
from repositories.database import lock_digest
from repositories.integrity import BlobRow, Flaw, Look, ManifestRow, Verdict, flaws_of
from repositories.models import Blob, Manifest, ScrubFinding, ScrubPass, Upload
from repositories.models.scrub import MAX_TARGET_LENGTH, no_hits
from repositories.oci.digests import Digest
from repositories.oci.errors import DigestInvalid
from repositories.pace import Bucket
from repositories.scrub_passes import Busy, TakenOver
from repositories.storage import storage
from repositories.storage.base import StoredBlob

Kind = ScrubFinding.Kind
Stage = ScrubPass.Stage
Progress = Callable[[ScrubPass], None]

# For the audit log.
SCRUBBER = Principal(name="scrub", credential="job")
# Nothing is lost by these.
NOTICES = frozenset({Kind.INDEX_SPARSE, Kind.ORPHAN, Kind.STRAY_UPLOAD})
OF_MANIFESTS = frozenset({Kind.MANIFEST_CHANGED, Kind.MANIFEST_INCOMPLETE})
SAVE_SECONDS = 2.0
# Nobody watches the background job: from so many on, or a tenth of what it has looked at if that is
# more, damaged blobs are left as they are. A disk that is not mounted looks like that.
MOST_UNATTENDED = 100

_PIECE = 500
_PAYLOADS = 16
_MOST_LOOKS = 3

logger = logging.getLogger(__name__)


def nobody_watches(row: ScrubPass) -> None:
    """The progress that nobody wants to see."""


def run(
    *,
    principal: Principal,
    is_repairing: bool,
    rate: int | None = None,
    is_anew: bool = False,
    progress: Progress = nobody_watches,
) -> ScrubPass:
    """Go on with the pass under way, or begin one, to its end; `rate` in bytes a second.

    With `is_anew` the one under way is forgotten. Raises Busy, TakenOver, OSError, and ReadOnly
    where it was to repair and the registry is.
    """
    if is_repairing:
        read_only.check("")
    name = scrub_passes.holder(is_command=True)
    row = scrub_passes.begin()
    scrub_passes.claim(row, name)
    if is_anew and (row.position or row.stage != Stage.BLOBS):
        scrub_passes.abandon(row)
        row = scrub_passes.begin()
        scrub_passes.claim(row, name)
    _Scrub(row, principal, Bucket(rate), is_repairing=is_repairing, progress=progress).run()
    return row


# Of this process: whoever comes back in the next slice, and what they had half read.
_name = ""
_half: Look | None = None


def run_slice(*, rate: int, seconds: float, days: int) -> ScrubPass | None:
    """Go on in the background for so many seconds, repairing; begin a pass when the last one is so
    many days old. None when there is nothing to do. Raises OSError."""
    global _name, _half  # noqa: PLW0603  (one background job for each process)
    _name = _name or scrub_passes.holder(is_command=False)
    if not scrub_passes.is_due(every=timedelta(days=days)):
        return None
    row = scrub_passes.begin()
    try:
        scrub_passes.claim(row, _name)
        work = _Scrub(
            row, SCRUBBER, Bucket(rate), is_repairing=True, seconds=seconds, half_read=_half
        )
        work.run()
    except (Busy, TakenOver):
        return None
    _half = work.half_read
    return row


class _Scrub:
    """Work on a pass that was claimed: to its end, or for some seconds if those are limited."""

    def __init__(
        self,
        row: ScrubPass,
        principal: Principal,
        pace: Bucket,
        *,
        is_repairing: bool,
        seconds: float | None = None,
        half_read: Look | None = None,
        progress: Progress = nobody_watches,
    ) -> None:
        self.row = row
        self.half_read = half_read
        self._principal, self._pace, self._progress = principal, pace, progress
        self._is_repairing = is_repairing
        self._until = None if seconds is None else time.monotonic() + seconds
        self._saved_at = time.monotonic()
        marks = row.findings.filter(marked_at__gte=row.started_at)
        self._marks = marks.count()

    def run(self) -> None:
        """Raises TakenOver, OSError; what was done until then is not done again."""
        stages = list(_STAGES)
        is_done = False
        try:
            if self._is_repairing and self._until is None:
                self._look_again()
            for stage in stages[stages.index(Stage(self.row.stage)) :]:
                if self.row.stage != stage:
                    self.row.stage, self.row.position = stage, 0
                if not _STAGES[stage](self):
                    return
            is_done = True
        finally:
            if not is_done:
                scrub_passes.let_go(self.row, is_half_read=self.half_read is not None)
        reviews.nominate_forgotten()
        self.row.unlinked = Blob.objects.filter(links=None).count()
        scrub_passes.finish(self.row)
        self._progress(self.row)

    def _is_over(self) -> bool:
        return self._until is not None and time.monotonic() >= self._until

    def _goes_on(self) -> bool:
        """Show and now and then save how far it is; whether there is time for more."""
        self._progress(self.row)
        if time.monotonic() - self._saved_at > SAVE_SECONDS:
            self._save()
        return not self._is_over()

    def _save(self) -> None:
        scrub_passes.save(self.row)
        self._saved_at = time.monotonic()

    # --- blobs ---

    def _look_again(self) -> None:
        """Repair what the pass has found already, and left as it was: nobody watched, or nobody
        wanted it repaired."""
        since = timezone.now()
        left = self.row.findings.filter(is_damage=True, marked_at=None, healed_at=None)
        targets = left.exclude(kind__in=OF_MANIFESTS).values_list("target", flat=True).distinct()
        self.row.withheld = 0
        for target in list(targets):
            for row in self._parsed(Blob.objects.filter(digest=target)):
                self._look_at_blob(row)
            # What was confirmed has been written down anew.
            left.filter(target=target, found_at__lt=since).update(healed_at=timezone.now())

    def blobs(self) -> bool:
        """Read the blobs; whether that was all of them."""
        for row in self._blob_rows():
            if not self._look_at_blob(row):
                return False
            self.row.position, self.row.blobs = row.id, self.row.blobs + 1
            if not self._goes_on():
                return False
        return True

    def _blob_rows(self) -> Iterator[BlobRow]:
        blobs = Blob.objects.filter(pk__lte=self.row.last_blob).order_by("pk")
        while piece := list(blobs.filter(pk__gt=self.row.position)[:_PIECE]):
            yield from self._parsed(piece)
            self.row.position = piece[-1].pk

    def _parsed(self, blobs: Iterable[Blob]) -> Iterator[BlobRow]:
        for blob in blobs:
            try:
                digest = Digest.parse(blob.digest)
            except DigestInvalid:
                self._record(Kind.MISSING, blob.digest, blob.size, "its digest is none")
            else:
                yield BlobRow(blob.pk, digest, blob.size, blob.damaged_at is not None)

    def _look_at_blob(self, row: BlobRow) -> bool:
        """Read a blob and deal with what is found; whether it was read to its end."""
        for _ in range(_MOST_LOOKS):
            look, self.half_read = self.half_read, None
            if look is None or look.row.id != row.id:
                look = Look(row)
            verdict = look.go_on(self._has_read)
            if verdict is None:
                self.half_read = look
                return False
            if self._settle(row, verdict):
                return True
        logger.info("the blob %s was replaced whenever it was looked at", row.digest)
        return True

    def _has_read(self, count: int) -> bool:
        self.row.bytes += count
        self._pace.take(count)
        return self._goes_on()

    def _settle(self, row: BlobRow, verdict: Verdict) -> bool:
        """Deal with what was found; False when something else is stored by now."""
        seen = verdict.fingerprint
        if verdict.kind is None:
            if not row.is_marked:
                return True
            if self._is_repairing:
                return damage.heal_if_same(digest=row.digest, seen=seen, size=row.size)
            self._record(Kind.MARKED, str(row.digest), row.size, hit=hits.of_blob(str(row.digest)))
            return True
        is_repairing = self._is_repairing and verdict.may_repair and self._is_plausible(verdict)
        try:
            outcome = self._confirm(row, verdict, is_repairing=is_repairing)
        except OSError as error:
            logger.error("the blob %s could not be set apart: %s", row.digest, error)
            outcome = self._confirm(row, verdict, is_repairing=False)
        if outcome is Outcome.MARKED and is_repairing and not row.is_marked:
            self._marks += 1
        if outcome is Outcome.CONFIRMED and self._is_repairing:
            self.row.withheld += 1
        return outcome is not Outcome.OTHER

    def _confirm(self, row: BlobRow, verdict: Verdict, *, is_repairing: bool) -> Outcome:
        assert verdict.kind is not None  # noqa: S101  (for the type checker)
        digest = str(row.digest)
        hit = hits.of_blob(digest)  # before anybody has to wait for us
        with transaction.atomic():
            outcome = damage.confirm(
                principal=self._principal,
                digest=row.digest,
                seen=verdict.fingerprint,
                kind=verdict.kind,
                is_repairing=is_repairing,
            )
            # Whoever was killed after they had marked it has written down what they saw.
            is_known = row.is_marked and self.row.findings.filter(target=digest).exists()
            if outcome in (Outcome.CONFIRMED, Outcome.MARKED) and not is_known:
                self._record(verdict.kind, digest, row.size, verdict.detail, hit=hit)
        return outcome

    def _is_plausible(self, verdict: Verdict) -> bool:
        """Whether it is the blob, rather than the disk, that is not there."""
        if self._until is None:
            return True  # somebody watches
        if verdict.kind is Kind.MISSING and not _has_anything():
            return False
        return self._marks < max(MOST_UNATTENDED, self.row.blobs // 10)

    def _record(
        self, kind: Kind, target: str, size: int, detail: str = "", *, hit: hits.Hits | None = None
    ) -> None:
        marked = Blob.objects.filter(digest=target).values_list("damaged_at", flat=True).first()
        scrub_passes.record([self._finding(kind, target, size, detail, hit=hit, marked_at=marked)])

    def _finding(
        self,
        kind: Kind,
        target: str,
        size: int,
        detail: str = "",
        *,
        hit: hits.Hits | None = None,
        marked_at: datetime | None = None,
    ) -> ScrubFinding:
        return ScrubFinding(
            scrub=self.row,
            kind=kind,
            is_damage=kind not in NOTICES,
            target=target[:MAX_TARGET_LENGTH],
            size=size,
            detail=detail,
            hits=hit or no_hits(),
            marked_at=marked_at,
        )

    # --- files and uploads ---

    def files(self) -> bool:
        """Look for files that no row names; whether that was all of them."""
        for shard in range(self.row.position, trash.SHARDS):
            strays = trash.strays(shard, before=_before())
            if storage().is_shared():
                self.row.foreign_files += sum(1 for _ in strays)
            else:
                orphans = (blob for blob in strays if _is_orphan(blob))
                scrub_passes.record(
                    self._finding(Kind.ORPHAN, str(blob.digest), blob.size) for blob in orphans
                )
            self.row.position = shard + 1
            if not self._goes_on():
                return False
        return True

    def uploads(self) -> bool:
        """Look for the bytes of uploads that no row names, in one go."""
        # First the files: a session's row goes before its bytes do, and comes after them.
        found = [upload for upload in storage().uploads() if upload.modified < _before()]
        known = {str(id) for id in Upload.objects.values_list("id", flat=True).iterator()}
        scrub_passes.record(
            self._finding(Kind.STRAY_UPLOAD, _printable(upload.id), upload.size)
            for upload in found
            if upload.id not in known
        )
        return True

    # --- manifests ---

    def manifests(self) -> bool:
        """Look at the manifests; whether that was all of them."""
        rows = Manifest.objects.filter(pk__lte=self.row.last_manifest).order_by("pk")
        values = rows.values_list(
            *("pk", "repository_id", "repository__name", "digest", "media_type", "payload")
        )
        while piece := list(values.filter(pk__gt=self.row.position)[:_PAYLOADS]):
            for id, repository_id, name, digest, media_type, content in piece:
                payload = bytes(content)
                row = ManifestRow(id, repository_id, name, digest, media_type, payload)
                self._look_at_manifest(row)
                self._pace.take(len(payload))
                self.row.position, self.row.manifests = id, self.row.manifests + 1
                if not self._goes_on():
                    return False
        return True

    def _look_at_manifest(self, row: ManifestRow) -> None:
        flaws: list[Flaw] = list(flaws_of(row))
        # One that was deleted meanwhile took what it names with it.
        if not flaws or not Manifest.objects.filter(pk=row.id).exists():
            return
        hit = hits.of_manifest(
            repository=row.repository, digest=row.digest, id=row.id, repository_id=row.repository_id
        )
        target = f"{row.repository}@{row.digest}"
        scrub_passes.record(
            self._finding(flaw.kind, target, len(row.payload), flaw.detail, hit=hit)
            for flaw in flaws
        )


_STAGES: dict[Stage, Callable[[_Scrub], bool]] = {
    Stage.BLOBS: _Scrub.blobs,
    Stage.FILES: _Scrub.files,
    Stage.UPLOADS: _Scrub.uploads,
    Stage.MANIFESTS: _Scrub.manifests,
}


def _before() -> datetime:
    return timezone.now() - timedelta(seconds=settings.GARBAGE_GRACE)


def _is_orphan(blob: StoredBlob) -> bool:
    """Whether there is still a file and no row, now that nobody publishes or collects it."""
    with transaction.atomic():
        lock_digest(blob.digest)
        has_row = Blob.objects.filter(digest=str(blob.digest)).exists()
        return not has_row and bool(damage.fingerprint(blob.digest))


def _has_anything() -> bool:
    return any(True for shard in range(trash.SHARDS) for _ in storage().stored(shard))


def _printable(name: str) -> str:
    """A file's name, which can have any bytes, as a database takes it."""
    return name.encode("utf-8", "backslashreplace").decode()
