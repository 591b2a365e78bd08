"""What limits writes: quotas, immutable tags, and what takes none at all. Most have no row."""

from django.db import models

from accounts.models import Team
from repositories.models.repository import Repository

# From here on people are told that a quota is nearly full, in per cent.
NEAR = 90


class _Limits(models.Model):
    # In bytes, of the distinct blobs that are linked; null: no limit.
    quota = models.BigIntegerField(null=True, blank=True)
    # With a quota: at least what is used, and exactly that when it was last counted (quotas.py).
    used = models.BigIntegerField(default=0, db_default=0)
    # Patterns of tags that cannot be moved once they are there, one a line (protection.py).
    immutable_tags = models.TextField(blank=True, default="", db_default="")

    class Meta:
        abstract = True

    @property
    def patterns(self) -> list[str]:
        return self.immutable_tags.split()

    @property
    def is_full(self) -> bool:
        return self.quota is not None and self.used >= self.quota

    @property
    def is_nearly_full(self) -> bool:
        return self.quota is not None and self.used * 100 >= self.quota * NEAR


class TeamLimits(_Limits):
    """Of all repositories of a team together; its patterns hold in each of them."""

    team = models.OneToOneField(Team, models.CASCADE, primary_key=True, related_name="limits")

    class Meta:
        verbose_name_plural = "team limits"
        constraints = (
            models.CheckConstraint(condition=models.Q(quota__gte=0), name="team_quota_positive"),
        )

    def __str__(self) -> str:
        return f"{self.team_id}: {self.used} of {self.quota}"


class RepositoryLimits(_Limits):
    """Of one repository, beside those of its team."""

    repository = models.OneToOneField(
        Repository, models.CASCADE, primary_key=True, related_name="limits"
    )
    is_archived = models.BooleanField(default=False, db_default=False)

    class Meta:
        verbose_name_plural = "repository limits"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(quota__gte=0), name="repository_quota_positive"
            ),
        )

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.used} of {self.quota}"


class RegistryMode(models.Model):
    """Whether the whole registry is read-only. One row; without it, it is not."""

    ONLY = 1

    is_read_only = models.BooleanField(default=False)
    changed_at = models.DateTimeField(null=True, blank=True)
    changed_by = models.CharField(max_length=128, blank=True)

    class Meta:
        constraints = (
            models.CheckConstraint(condition=models.Q(id=1), name="registry_mode_is_one_row"),
        )

    def __str__(self) -> str:
        return f"read-only: {self.is_read_only}"
