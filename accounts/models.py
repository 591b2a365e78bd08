"""People, teams, and who is what in which team."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from repositories.oci.names import DEFAULT_TEAM, is_component

MAX_NAME_LENGTH = 64


def validate_namespace(name: str) -> None:
    """A user's or a team's name is the first part of repository names. Raises ValidationError."""
    if not is_component(name):
        raise ValidationError(
            "Use lower-case letters and digits, separated by '.', '_', '__' or '-'.",
            code="namespace",
        )


class User(AbstractUser):
    """Somebody who signs in. The namespace of the same name is theirs to push to."""

    username = models.CharField(
        max_length=MAX_NAME_LENGTH,
        unique=True,
        validators=[validate_namespace],
        error_messages={"unique": "That name is taken."},
    )

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            # `Alice` and `alice` would be two people who own one namespace.
            models.CheckConstraint(
                condition=models.Q(username=Lower("username")), name="user_name_is_lower_case"
            ),
        ]

    def clean(self) -> None:
        """Raises ValidationError: a new user must not come to own a team's repositories."""
        super().clean()
        is_taken = self.username == DEFAULT_TEAM or Team.objects.filter(name=self.username).exists()
        if self._state.adding and is_taken:
            raise ValidationError({"username": "A team has that name; choose another."})


class Team(models.Model):
    """The owner of every repository whose name begins with the team's."""

    name = models.CharField(max_length=255, validators=[validate_namespace])
    members: "models.ManyToManyField[User, Membership]" = models.ManyToManyField(
        User, through="Membership", related_name="teams"
    )
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (models.UniqueConstraint(fields=["name"], name="team_name_unique"),)

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Raises ValidationError: a new team must not take over a user's namespace."""
        super().clean()
        if self._state.adding and User.objects.filter(username=self.name).exists():
            raise ValidationError({"name": "A user has that name; choose another."})


class Membership(models.Model):
    """A user's role in a team; each role may do what those before it may."""

    class Role(models.IntegerChoices):
        READER = 10  # pull
        WRITER = 20  # push
        MAINTAINER = 30  # delete, settings, retention
        OWNER = 40  # members, robots

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.READER)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["team", "user"], name="membership_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=[10, 20, 30, 40]), name="membership_role_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.user_id} in {self.team_id}"
