"""Pulls, as the activity of a repository tells of them."""

from django.db import models

from repositories.models.blob import MAX_DIGEST_LENGTH
from repositories.models.fields import ByteOrderedCharField
from repositories.models.repository import Repository
from repositories.oci.names import MAX_TAG_BYTES


class Pull(models.Model):
    """How often somebody pulled one manifest within a few seconds: see repositories/pulls.py.

    Names are written out: a pull outlives the tag and who pulled it.
    """

    repository = models.ForeignKey(
        Repository,
        models.CASCADE,
        related_name="pulls",
        db_index=False,  # the index below begins with it
    )
    tag = models.CharField(max_length=MAX_TAG_BYTES, blank=True)  # empty: it was asked by digest
    digest = ByteOrderedCharField(max_length=MAX_DIGEST_LENGTH)
    pulled_by = models.CharField(max_length=128, blank=True)  # empty: nobody who signed in
    at = models.DateTimeField()
    count = models.PositiveIntegerField()

    class Meta:
        indexes = (
            models.Index(fields=["repository", "at", "id"], name="pull_repository"),
            models.Index(fields=["at", "id"], name="pull_time"),
        )

    def __str__(self) -> str:
        return f"{self.count} x {self.tag or self.digest}"
