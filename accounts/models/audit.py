"""The audit log."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class AuditEvent(models.Model):
    """Who did what to which, from where, by which credential. Never a secret.

    Names are written out: an event outlives what it speaks of.
    """

    class Outcome(models.TextChoices):
        DONE = "done", _("Done")
        DENIED = "denied", _("Denied")

    at = models.DateTimeField(default=timezone.now)
    actor = models.CharField(max_length=128, blank=True)  # empty: nobody who signed in
    credential = models.CharField(max_length=120, blank=True)  # "password", "token ci (…9f2c)"
    address = models.GenericIPAddressField(null=True, blank=True)
    action = models.CharField(max_length=64)  # "manifest.push", "user.create"
    target = models.CharField(max_length=400, blank=True)
    outcome = models.CharField(max_length=6, choices=Outcome.choices, default=Outcome.DONE)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes = (
            models.Index(fields=["-at", "-id"], name="audit_event_at"),
            models.Index(fields=["actor", "-id"], name="audit_event_actor"),
            models.Index(fields=["action", "-id"], name="audit_event_action"),
            # By its beginning, whatever language the database sorts by.
            models.Index(
                fields=["target", "-id"],
                opclasses=["varchar_pattern_ops", "int8_ops"],
                name="audit_event_target_start",
            ),
            # They are few, among very many.
            models.Index(
                fields=["-id"], name="audit_event_denied", condition=models.Q(outcome="denied")
            ),
        )

    def __str__(self) -> str:
        return f"{self.actor or gettext('nobody')} {self.action} {self.target}"
