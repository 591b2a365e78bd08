"""How much is stored where: written by `repositories.usage.measure`, in bytes.

Whatever a row speaks of, its bytes are those of the distinct blobs linked there, and of the
manifests. What is unique would be gone with it, since no other repository (or team) has it.
"""

from django.db import models

from accounts.models import Team
from repositories.models.repository import Repository


class RepositoryUsage(models.Model):
    """The size of a repository when it was last measured; without a row it never was."""

    repository = models.OneToOneField(
        Repository, models.CASCADE, primary_key=True, related_name="usage"
    )
    bytes = models.BigIntegerField()
    unique_bytes = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["-bytes", "repository"], name="repository_usage_bytes"),)

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.bytes}"


class TeamUsage(models.Model):
    """The size of all that a team owns: what several of its repositories share counts once."""

    team = models.OneToOneField(Team, models.CASCADE, primary_key=True, related_name="usage")
    bytes = models.BigIntegerField()
    unique_bytes = models.BigIntegerField()

    class Meta:
        indexes = (models.Index(fields=["-bytes", "team"], name="team_usage_bytes"),)

    def __str__(self) -> str:
        return f"{self.team_id}: {self.bytes}"


class StorageSample(models.Model):
    """The last measure of a day: of a team, or of the whole registry where `team` is null."""

    day = models.DateField()  # in UTC
    team = models.ForeignKey(
        Team, models.CASCADE, null=True, blank=True, related_name="samples", db_index=False
    )
    measured_at = models.DateTimeField()
    bytes = models.BigIntegerField()
    blobs = models.BigIntegerField()  # how many distinct ones
    manifests = models.BigIntegerField()
    # Known of the whole registry only; 0 where it was measured before this was counted.
    repositories = models.BigIntegerField(default=0, db_default=0)
    # What a clean-up would free; known of the whole registry only.
    unlinked_bytes = models.BigIntegerField(default=0)  # blobs that no repository links
    unused_bytes = models.BigIntegerField(default=0)  # blobs linked, and part of no image

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["team", "day"], name="storage_sample_of_team"),
            models.UniqueConstraint(
                fields=["day"], condition=models.Q(team=None), name="storage_sample_of_all"
            ),
        )

    def __str__(self) -> str:
        return f"{self.team_id or 'all'} on {self.day}: {self.bytes}"
