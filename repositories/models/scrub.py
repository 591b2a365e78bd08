"""What looking through all that is stored has found: see `repositories.scrub`."""

from django.db import models
from django.utils import timezone

MAX_TARGET_LENGTH = 400


def no_hits() -> dict[str, object]:
    """What is hit by something that hits nothing, as `repositories.hits.Hits` has it."""
    return {"images": [], "image_count": 0, "repositories": [], "repository_count": 0}


class ScrubPass(models.Model):
    """One look at everything: how far it has come, and what it has looked at so far.

    The one that is under way has no `finished_at`; there is one at most.
    """

    class Stage(models.TextChoices):
        BLOBS = "blobs"
        FILES = "files"
        UPLOADS = "uploads"
        MANIFESTS = "manifests"

    # Two processes that begin one at the same time begin the same.
    number = models.PositiveIntegerField(unique=True)
    started_at = models.DateTimeField(default=timezone.now)
    looked_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    stage = models.CharField(max_length=9, default=Stage.BLOBS)  # a Stage
    # The id of the last row, or how many shards, that the stage has looked at.
    position = models.BigIntegerField(default=0)
    # Rows that come later wait for the next pass: one that is slow would never end.
    last_blob = models.BigIntegerField()
    last_manifest = models.BigIntegerField()
    # What there is to look at, when it began; and what has been.
    expected_blobs = models.BigIntegerField()
    expected_bytes = models.BigIntegerField()
    blobs = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)  # read
    manifests = models.BigIntegerField(default=0)
    # Files that no row names, and that another registry may need.
    foreign_files = models.BigIntegerField(default=0)
    # Rows that nothing links: the garbage collector's business.
    unlinked = models.BigIntegerField(default=0)
    # Blobs that were left as they are, because very many are damaged.
    withheld = models.BigIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, blank=True)
    claimed_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"pass {self.number}"


class ScrubFinding(models.Model):
    """Something that is not as it should be, as one pass saw it."""

    class Kind(models.TextChoices):
        # A blob that cannot be served as it was pushed.
        CHANGED = "changed"  # its bytes hash to something else
        CUT = "cut"  # it has another size
        MISSING = "missing"  # there is no file
        UNREADABLE = "unreadable"  # the disk fails, or does not let us
        MARKED = "marked"  # it was one of these, and is right again; it is still not served
        # A manifest that cannot.
        MANIFEST_CHANGED = "manifest-changed"
        MANIFEST_INCOMPLETE = "manifest-incomplete"  # it names blobs that its repository lacks
        # Nothing is lost by these.
        INDEX_SPARSE = "index-sparse"  # it lists manifests that its repository lacks
        ORPHAN = "orphan"  # a file that no row names
        STRAY_UPLOAD = "stray-upload"  # the bytes of an upload that no row names

    scrub = models.ForeignKey(ScrubPass, models.CASCADE, related_name="findings", db_index=False)
    kind = models.CharField(max_length=20)  # a Kind
    is_damage = models.BooleanField()
    # A digest, `repository@digest` of a manifest, or an upload's id.
    target = models.CharField(max_length=MAX_TARGET_LENGTH)
    size = models.BigIntegerField()  # that it should have, or that a file without a row has
    detail = models.CharField(max_length=200, blank=True)  # what is there instead
    hits = models.JSONField(default=no_hits)
    found_at = models.DateTimeField(default=timezone.now)
    # Since when the blob is not served, so that clients push it again; and when one did.
    marked_at = models.DateTimeField(null=True, blank=True)
    healed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["scrub", "kind", "target"], name="scrub_finding_once"),
        )
        indexes = (
            models.Index(fields=["scrub", "is_damage", "id"], name="scrub_finding_page"),
            models.Index(fields=["target"], name="scrub_finding_target"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"
