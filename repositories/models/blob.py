"""Blobs, stored once, and the repositories that may serve them."""

from django.db import models
from django.utils import timezone

from repositories.models.fields import ByteOrderedCharField, SizeOfBlob
from repositories.models.repository import Repository

MAX_DIGEST_LENGTH = len("sha512:") + 128


class Blob(models.Model):
    """Bytes in storage that hash to `digest`: a committed row has its file (invariant I0), unless
    it was damaged or lost behind our back."""

    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    size = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    # Since when its bytes are known to be wrong or lost: it is not served until it is pushed again.
    damaged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["digest"], name="blob_digest_unique"),
            models.CheckConstraint(condition=models.Q(size__gte=0), name="blob_size_not_negative"),
        )
        # Hardly ever has it an entry: a push asks whether an image is made of one of them.
        indexes = (
            models.Index(
                fields=["damaged_at"], name="blob_damaged", condition=~models.Q(damaged_at=None)
            ),
        )

    def __str__(self) -> str:
        return self.digest


class BlobLink(models.Model):
    """The permission to read `blob` through `repository` (invariant I2)."""

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="blob_links",
        db_index=False,  # the indexes below begin with it
    )
    blob = models.ForeignKey(Blob, models.PROTECT, related_name="links")
    # The blob's, which never changes: so that an index has the largest of a repository.
    size = SizeOfBlob(editable=False)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "blob"], name="blob_link_unique"),
        )
        indexes = (models.Index(fields=["repository", "-size", "id"], name="blob_link_size"),)

    def __str__(self) -> str:
        return f"{self.repository_id}/{self.blob_id}"
