"""What may have become garbage: looked at again when its grace is over."""

from django.db import models
from django.utils import timezone


class Review(models.Model):
    """A row that something may have stopped needing, and since when.

    A nomination decides nothing: `repositories.garbage` looks whether the row is needed, once
    nobody has nominated or renewed it for as long as the grace is.
    """

    class Kind(models.TextChoices):
        MANIFEST = "manifest"
        LINK = "link"
        BLOB = "blob"

    kind = models.CharField(max_length=8)  # a Kind; nobody chooses it in a form
    # The row's id, which is never given to another one. No foreign key: whoever deletes the row for
    # another reason need not know of the review, and a review of nothing is soon dropped.
    target = models.BigIntegerField()
    nominated_at = models.DateTimeField(default=timezone.now)
    # After a failure it is not tried again before this time.
    retry_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["kind", "target"], name="review_target_unique"),
        )
        indexes = (models.Index(fields=["kind", "nominated_at", "id"], name="review_due"),)

    def __str__(self) -> str:
        return f"{self.kind} {self.target}"
