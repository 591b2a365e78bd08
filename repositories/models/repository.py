"""Repositories, and who may see them."""

from django.db import models
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from repositories.models.fields import ByteOrderedCharField
from repositories.oci.names import MAX_NAME_BYTES

MAX_DESCRIPTION_BYTES = 64 * 1024  # in UTF-8


class Repository(models.Model):
    """A named set of manifests, tags and blob links, owned by the team its name begins with."""

    class Visibility(models.TextChoices):
        PRIVATE = "private", _("Private")  # the team
        INTERNAL = "internal", _("Internal")  # everyone who is signed in
        PUBLIC = "public", _("Public")  # everyone, where anonymous access allows it

    name = ByteOrderedCharField(max_length=MAX_NAME_BYTES)
    team = models.ForeignKey(
        "accounts.Team",
        models.PROTECT,
        related_name="repositories",
        db_index=False,  # see the indexes below
    )
    visibility = models.CharField(
        max_length=8, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    created_at = models.DateTimeField(default=timezone.now)
    # Markdown, as its maintainers wrote it.
    description = models.TextField(blank=True, default="", db_default="")
    # When a manifest was last pushed, to the second; null before the first.
    pushed_at = models.DateTimeField(null=True, blank=True)
    # Manifests that were pulled: see repositories/pulls.py.
    pull_count = models.BigIntegerField(default=0, db_default=0)
    pulled_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "repositories"
        constraints = (
            models.UniqueConstraint(fields=["name"], name="repository_name_unique"),
            models.CheckConstraint(
                condition=models.Q(visibility__in=["private", "internal", "public"]),
                name="repository_visibility_known",
            ),
        )
        indexes = (
            # Most are private: so those are found that everybody may see.
            models.Index(fields=["visibility", "name"], name="repository_visibility"),
            models.Index(
                Coalesce("pushed_at", "created_at").desc(),
                models.F("id").desc(),
                name="repository_latest",
            ),
            # The same orders, and by name, of one team.
            models.Index(
                models.F("team"),
                Coalesce("pushed_at", "created_at").desc(),
                models.F("id").desc(),
                name="repository_team_latest",
            ),
            models.Index(fields=["team", "name"], name="repository_team_name"),
        )

    def __str__(self) -> str:
        return self.name
