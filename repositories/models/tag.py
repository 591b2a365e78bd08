"""Tags, and how they moved."""

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone

from repositories.models.blob import MAX_DIGEST_LENGTH
from repositories.models.fields import ByteOrderedCharField
from repositories.models.manifest import Manifest
from repositories.models.repository import Repository
from repositories.oci.names import MAX_TAG_BYTES


class Tag(models.Model):
    """A name for a manifest, which moves."""

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="tags",
        db_index=False,  # the constraint below has an index that begins with it
    )
    name = ByteOrderedCharField(max_length=MAX_TAG_BYTES)
    manifest = models.ForeignKey(Manifest, models.CASCADE, related_name="tags")
    created_at = models.DateTimeField(default=timezone.now)
    pushed_at = models.DateTimeField(default=timezone.now)
    pull_count = models.BigIntegerField(default=0, db_default=0)
    pulled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "name"], name="tag_unique"),)
        indexes = (
            # The same name in all repositories: people search for tags.
            models.Index(fields=["name", "repository"], name="tag_name"),
            # The orders in which pages list them: repositories/tag_lists.py. With the name, so that
            # filtering by it reads the index alone.
            models.Index(fields=["repository", "pushed_at", "id", "name"], name="tag_pushed"),
            models.Index(
                models.F("repository"),
                Coalesce("pulled_at", "created_at"),
                models.F("id"),
                models.F("name"),
                name="tag_used",
            ),
        )

    def __str__(self) -> str:
        return self.name


class TagChange(models.Model):
    """One move of a tag. A deleted tag has a last change with an empty digest."""

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="tag_changes",
        db_index=False,  # the indexes below begin with it
    )
    name = ByteOrderedCharField(max_length=MAX_TAG_BYTES)
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH, blank=True)
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=128, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["repository", "name", "id"], name="tag_change_history"),
            models.Index(fields=["repository", "changed_at", "id"], name="tag_change_repository"),
            models.Index(fields=["changed_at", "id"], name="tag_change_time"),
        )

    def __str__(self) -> str:
        return f"{self.name} -> {self.digest or 'deleted'}"
