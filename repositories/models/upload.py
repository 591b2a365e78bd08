"""Uploads in flight."""

import uuid

from django.db import models
from django.utils import timezone

from repositories.models.repository import Repository


class Upload(models.Model):
    """An upload session of one repository. How far it has come, storage alone knows."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    repository = models.ForeignKey(Repository, models.CASCADE, related_name="uploads")
    # Whose it is: a user's or a robot's name; empty for nobody in particular.
    started_by = models.CharField(max_length=128, blank=True, db_index=True)
    # The digest algorithm that the client announced (end-4c).
    algorithm = models.CharField(max_length=16, default="sha256")
    started_at = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return str(self.id)
