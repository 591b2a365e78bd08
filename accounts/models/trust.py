"""Trust in other identity providers: whose tokens of CI jobs are taken."""

from django.db import models
from django.utils import timezone

from accounts.models.people import Team


class TrustRule(models.Model):
    """A CI job whose OIDC token matches may act for a team, within the scopes.

    `claims` maps names of claims to what they must be: a value, or a beginning followed by `*`.
    """

    name = models.CharField(max_length=64, unique=True)
    team = models.ForeignKey(Team, models.CASCADE, related_name="trust_rules")
    issuer = models.URLField(max_length=300)
    audience = models.CharField(max_length=200)
    claims = models.JSONField(default=dict)
    # Lines of `pattern:action,action`, as with access tokens.
    scopes = models.TextField()
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes = (models.Index(fields=["issuer"], name="trust_rule_issuer"),)

    def __str__(self) -> str:
        return self.name
