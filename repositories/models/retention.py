"""What stays in a repository: see repositories/retention.py."""

from django.db import models
from django.utils import timezone

from accounts.models import Team
from repositories.models.repository import Repository


class RetentionPolicy(models.Model):
    """Rules of a team, for all its repositories, or of one repository, in the place of the team's.

    Without rules it removes nothing: so a repository keeps everything, whatever its team has.
    """

    team = models.OneToOneField(
        Team, models.CASCADE, null=True, blank=True, related_name="retention_policy"
    )
    repository = models.OneToOneField(
        Repository, models.CASCADE, null=True, blank=True, related_name="retention_policy"
    )
    rules = models.JSONField(default=list)  # as repositories/retention_rules.py has them
    changed_at = models.DateTimeField(default=timezone.now)
    changed_by = models.CharField(max_length=128, blank=True)

    class Meta:
        verbose_name_plural = "retention policies"
        constraints = (
            models.CheckConstraint(
                condition=models.Q(team=None) ^ models.Q(repository=None),
                name="retention_policy_of_one",
            ),
        )

    def __str__(self) -> str:
        return f"retention {self.pk}"


class RetentionRun(models.Model):
    """When the rules were last applied to a repository, and what that removed.

    A run that failed, or that its time was over for, is not finished, and goes on as the one that
    began then: `due_at` says when the repository's turn comes again.
    """

    repository = models.OneToOneField(
        Repository, models.CASCADE, primary_key=True, related_name="retention_run"
    )
    due_at = models.DateTimeField()
    began_at = models.DateTimeField(null=True, blank=True)  # None between runs
    finished_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveSmallIntegerField(default=0, db_default=0)
    tags = models.PositiveIntegerField(default=0, db_default=0)
    manifests = models.PositiveIntegerField(default=0, db_default=0)

    class Meta:
        indexes = (models.Index(fields=["due_at", "repository"], name="retention_run_due"),)

    def __str__(self) -> str:
        return f"{self.repository_id}: {self.due_at}"

    @property
    def is_failing(self) -> bool:
        return self.failures > 0
