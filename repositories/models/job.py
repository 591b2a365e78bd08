"""Periodic work."""

from django.db import models
from django.utils import timezone


class Job(models.Model):
    """When a piece of periodic work is due, and who is at it until when.

    A claim that runs out counts as abandoned: its process was killed.
    """

    name = models.CharField(max_length=64)
    due_at = models.DateTimeField(default=timezone.now)
    claimed_until = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    result = models.TextField(blank=True)
    error = models.TextField(blank=True)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name"], name="job_name_unique"),)

    def __str__(self) -> str:
        return self.name
