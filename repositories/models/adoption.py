"""What was taken over from trees of Docker's registry: see `repositories/adoption/`."""

from django.db import models
from django.utils import timezone

from repositories.models.fields import ByteOrderedCharField
from repositories.oci.names import MAX_NAME_BYTES

MAX_ROOT_LENGTH = 1000


class Adoption(models.Model):
    """One tree: that it was taken over, or how far that has come; or what a shadow follows."""

    # The tree's root. Empty where that is the storage's own, wherever its volume is mounted.
    root = models.CharField(max_length=MAX_ROOT_LENGTH, blank=True)
    # These rows are a shadow's: they follow a tree that another registry goes on writing to.
    is_shadow = models.BooleanField(default=False)
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    # Of the blobs' files, when they were last looked through.
    blobs = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    # Files that no record of the tree names: nominated for the collector.
    garbage = models.BigIntegerField(default=0)
    # What is wrong in the tree and in no repository (adoption/findings.py).
    findings = models.JSONField(default=list)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["root"], name="adoption_unique"),)

    def __str__(self) -> str:
        return self.root or "the storage"


class AdoptedRepository(models.Model):
    """A repository of the tree that was taken over: it is not looked at again.

    By its name: it stays known when the repository is deleted, so that it does not come back.
    """

    adoption = models.ForeignKey(
        Adoption,
        models.CASCADE,
        related_name="repositories",
        db_index=False,  # the index below begins with it
    )
    name = ByteOrderedCharField(max_length=MAX_NAME_BYTES)
    adopted_at = models.DateTimeField(default=timezone.now)
    # Nothing of it could be taken, so that there is no repository.
    is_empty = models.BooleanField(default=False)
    manifests = models.PositiveIntegerField(default=0)
    tags = models.PositiveIntegerField(default=0)
    # Links that were left where they are: nobody knows what needs them (adoption/contents.py).
    left = models.PositiveIntegerField(default=0)
    findings = models.JSONField(default=list)

    class Meta:
        verbose_name_plural = "adopted repositories"
        constraints = (
            models.UniqueConstraint(fields=["adoption", "name"], name="adopted_repository_unique"),
        )

    def __str__(self) -> str:
        return self.name
