"""Repositories, and who may see them."""

from django.db import models
from django.utils import timezone

from repositories.models.fields import ByteOrderedCharField
from repositories.oci.names import MAX_NAME_BYTES


class Repository(models.Model):
    """A named set of manifests, tags and blob links, owned by the team its name begins with."""

    class Visibility(models.TextChoices):
        PRIVATE = "private"  # the team
        INTERNAL = "internal"  # everyone who is signed in
        PUBLIC = "public"  # everyone, where anonymous access allows it

    name = ByteOrderedCharField(max_length=MAX_NAME_BYTES)
    team = models.ForeignKey("accounts.Team", models.PROTECT, related_name="repositories")
    visibility = models.CharField(
        max_length=8, choices=Visibility.choices, default=Visibility.PRIVATE
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "repositories"
        constraints = (
            models.UniqueConstraint(fields=["name"], name="repository_name_unique"),
            models.CheckConstraint(
                condition=models.Q(visibility__in=["private", "internal", "public"]),
                name="repository_visibility_known",
            ),
        )

    def __str__(self) -> str:
        return self.name
