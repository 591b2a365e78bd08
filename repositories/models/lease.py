"""Who needs the trash to stay as it is."""

from django.db import models


class BackupLease(models.Model):
    """A backup that is under way: see `repositories/leases.py`. Times are the database's own."""

    token = models.CharField(max_length=32)
    started_at = models.DateTimeField()
    renewed_at = models.DateTimeField()

    class Meta:
        constraints = (models.UniqueConstraint(fields=["token"], name="backup_lease_unique"),)

    def __str__(self) -> str:
        return self.token
