"""Manifests as the exact bytes that were pushed, and what they refer to."""

from django.db import models
from django.utils import timezone

from repositories.models.blob import MAX_DIGEST_LENGTH, BlobLink
from repositories.models.fields import ByteOrderedCharField
from repositories.models.repository import Repository

MAX_MEDIA_TYPE_LENGTH = 255


class Manifest(models.Model):
    """An image manifest or index of a repository (invariant I4: served as it was pushed)."""

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="manifests",
        db_index=False,  # the constraint below has an index that begins with it
    )
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    media_type = models.CharField(max_length=MAX_MEDIA_TYPE_LENGTH)
    payload = models.BinaryField()
    # What the referrers API filters by: an image without one has its config's type.
    artifact_type = models.CharField(max_length=MAX_MEDIA_TYPE_LENGTH, blank=True)
    # The digest that the manifest refers to, which may not be here (yet).
    subject = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH, blank=True)
    # The entry that the referrers API lists for this manifest, as JSON; empty without a subject.
    # Text, not jsonb: that cannot hold \u0000 and rewrites numbers.
    referrer = models.TextField(blank=True)
    pushed_at = models.DateTimeField(default=timezone.now)
    # A user's or a robot's name, written out: what was pushed outlives who pushed it.
    pushed_by = models.CharField(max_length=128, blank=True)
    pull_count = models.BigIntegerField(default=0, db_default=0)
    pulled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["repository", "digest"], name="manifest_unique"),
        )
        indexes = (
            models.Index(
                fields=["repository", "subject", "digest"],
                name="manifest_referrers",
                condition=~models.Q(subject=""),
            ),
            # The same, of one type: there may be few of it among very many.
            models.Index(
                fields=["repository", "subject", "artifact_type", "digest"],
                name="manifest_referrers_of_type",
                condition=~models.Q(subject=""),
            ),
            # Which repositories have it: people search for digests.
            models.Index(fields=["digest"], name="manifest_digest"),
        )

    def __str__(self) -> str:
        return self.digest


class ManifestBlob(models.Model):
    """A config or layer of an image, in the manifest's order.

    It points at the repository's link, so that the database itself keeps a blob from leaving the
    repository while an image there is made of it.
    """

    class Role(models.TextChoices):
        CONFIG = "config"
        LAYER = "layer"

    manifest = models.ForeignKey(Manifest, models.CASCADE, related_name="blobs")
    link = models.ForeignKey(BlobLink, models.PROTECT, related_name="uses")
    role = models.CharField(max_length=6, choices=Role.choices)
    position = models.PositiveSmallIntegerField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["manifest", "position"], name="manifest_blob_position"),
        )

    def __str__(self) -> str:
        return f"{self.manifest_id}[{self.position}]"


class ManifestChild(models.Model):
    """An entry of an index. The manifest that it names may be absent: indexes can be sparse."""

    parent = models.ForeignKey(Manifest, models.CASCADE, related_name="children")
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    position = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name_plural = "manifest children"
        constraints = (
            models.UniqueConstraint(fields=["parent", "position"], name="manifest_child_position"),
        )
        indexes = (models.Index(fields=["digest"], name="manifest_child_digest"),)

    def __str__(self) -> str:
        return self.digest
