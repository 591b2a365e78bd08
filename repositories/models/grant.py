"""Roles in one repository, beside those in its team."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext

from accounts.models import Membership
from repositories.models.repository import Repository


class RepositoryGrant(models.Model):
    """A user's role in one repository. It adds to what the team's membership gives."""

    repository = models.ForeignKey(Repository, models.CASCADE, related_name="grants")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    role = models.PositiveSmallIntegerField(choices=Membership.Role.choices)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["repository", "user"], name="grant_unique"),)

    def __str__(self) -> str:
        text = gettext("%(user)s in %(repository)s")
        return text % {"user": self.user_id, "repository": self.repository_id}
