"""What was deleted: kept until the grace is over, so that the delete can be undone."""

from django.db import models
from django.utils import timezone

from accounts.models import Team
from repositories.models.blob import MAX_DIGEST_LENGTH
from repositories.models.fields import ByteOrderedCharField
from repositories.models.manifest import MAX_MEDIA_TYPE_LENGTH
from repositories.models.repository import Repository
from repositories.oci.names import MAX_NAME_BYTES, MAX_TAG_BYTES

MAX_REASON_LENGTH = 200


class Deletion(models.Model):
    """One delete, of however much: see `repositories/deleted.py`.

    Until `until` whatever it took can be put back. Names are written out: it outlives whom and
    what they name.
    """

    class Kind(models.TextChoices):
        TAGS = "tags"
        IMAGES = "images"
        UNTAGGED = "untagged"
        RETENTION = "retention"
        REPOSITORY = "repository"

    kind = models.CharField(max_length=10)  # a Kind; nobody chooses it in a form
    name = ByteOrderedCharField(max_length=MAX_NAME_BYTES)  # of the repository
    team = models.ForeignKey(
        Team,
        models.CASCADE,
        related_name="deletions",
        db_index=False,  # the indexes below begin with it
    )
    # None where the repository itself was deleted, by this or by what it is `within`.
    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="deletions",
        null=True,
        blank=True,
        db_index=False,
    )
    # The delete of the repository that this one was made in before.
    within = models.ForeignKey(
        "self", models.CASCADE, related_name="earlier", null=True, blank=True
    )
    deleted_at = models.DateTimeField(default=timezone.now)
    deleted_by = models.CharField(max_length=128, blank=True)
    # Such as the rule that wanted it; empty for what somebody did by hand.
    reason = models.CharField(max_length=MAX_REASON_LENGTH, blank=True)
    until = models.DateTimeField(db_index=True)
    # Of a repository: its row and those of its settings, as Django serialises them, in JSON.
    settings = models.TextField(blank=True, default="")

    class Meta:
        indexes = (
            models.Index(fields=["repository", "id"], name="deletion_repository"),
            models.Index(fields=["team", "kind", "id"], name="deletion_team"),
        )

    def __str__(self) -> str:
        return f"{self.kind} of {self.name}"


class DeletedManifest(models.Model):
    """A manifest that went, with what its row knew. What it is made of, its payload says."""

    deletion = models.ForeignKey(Deletion, models.CASCADE, related_name="manifests")
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    media_type = models.CharField(max_length=MAX_MEDIA_TYPE_LENGTH)
    payload = models.BinaryField()
    artifact_type = models.CharField(max_length=MAX_MEDIA_TYPE_LENGTH, blank=True)
    subject = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH, blank=True)
    referrer = models.TextField(blank=True)
    pushed_at = models.DateTimeField()
    pushed_by = models.CharField(max_length=128, blank=True)
    pull_count = models.BigIntegerField(default=0, db_default=0)
    pulled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["digest"], name="deleted_manifest_digest"),
            models.Index(
                fields=["subject"],
                name="deleted_manifest_subject",
                condition=~models.Q(subject=""),
            ),
        )

    def __str__(self) -> str:
        return self.digest


class DeletedTag(models.Model):
    """A tag that went, and what it named."""

    deletion = models.ForeignKey(Deletion, models.CASCADE, related_name="tags", db_index=False)
    name = ByteOrderedCharField(max_length=MAX_TAG_BYTES)
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    created_at = models.DateTimeField()
    pushed_at = models.DateTimeField()
    pull_count = models.BigIntegerField(default=0, db_default=0)
    pulled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["deletion", "name"], name="deleted_tag_unique"),
        )

    def __str__(self) -> str:
        return self.name
