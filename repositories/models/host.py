"""The machines that work on this database."""

from django.db import models
from django.utils import timezone


class Host(models.Model):
    """A host that changes things, or remembers answers: see `repositories/hosts.py`."""

    # What its processes have in common and no other's have: a hash.
    key = models.CharField(max_length=32)
    # Whether all others know by now that the host is here.
    is_settled = models.BooleanField(default=False)
    seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["key"], name="host_key_unique"),)

    def __str__(self) -> str:
        return self.key
