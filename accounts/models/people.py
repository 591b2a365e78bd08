"""People, teams, and who is what in which team."""

from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from repositories.oci.names import DEFAULT_TEAM, is_component

MAX_NAME_LENGTH = 64
# The team of names without a slash, and the account by which CI jobs show their tokens: whoever
# were called so would own or hide more than a namespace.
RESERVED_NAMES = frozenset({DEFAULT_TEAM, "oidc"})


def validate_namespace(name: str) -> None:
    """A user's or a team's name is the first part of repository names. Raises ValidationError."""
    if not is_component(name):
        raise ValidationError(
            gettext("Use lower-case letters and digits, separated by '.', '_', '__' or '-'."),
            code="namespace",
        )


class User(AbstractUser):
    """Somebody who signs in. The namespace of the same name is theirs to push to."""

    class Source(models.TextChoices):
        """Who keeps the password: no other source signs the user in, whatever name it gives."""

        LOCAL = "local", _("this site")
        OIDC = "oidc", _("single sign-on")
        LDAP = "ldap", _("LDAP")
        HTPASSWD = "htpasswd", _("the htpasswd file")

    username = models.CharField(
        max_length=MAX_NAME_LENGTH,
        unique=True,
        validators=[validate_namespace],
        error_messages={"unique": _("That name is taken.")},
    )
    source = models.CharField(
        max_length=8, choices=Source.choices, default=Source.LOCAL, editable=False
    )
    # So that who leaves the group stops being one, and who was made one by hand stays one.
    is_admin_by_group = models.BooleanField(default=False, editable=False)

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
        if not self._state.adding:
            return
        if self.username in RESERVED_NAMES or Robot.objects.filter(name=self.username).exists():
            raise ValidationError({"username": gettext("That name is reserved; choose another.")})
        if Team.objects.filter(name=self.username).exists():
            raise ValidationError({"username": gettext("A team has that name; choose another.")})

    @property
    def is_trusted_with_everything(self) -> bool:
        """Of an htpasswd file: with `registry`, each of those may push and delete everything."""
        return self.source == self.Source.HTPASSWD


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
            raise ValidationError({"name": gettext("A user has that name; choose another.")})


class Membership(models.Model):
    """A user's role in a team; each role may do what those before it may."""

    class Role(models.IntegerChoices):
        READER = 10, _("Reader")  # pull
        WRITER = 20, _("Writer")  # push
        MAINTAINER = 30, _("Maintainer")  # delete, settings, retention
        OWNER = 40, _("Owner")  # members, robots

    class Source(models.TextChoices):
        GIVEN = "given", _("given by hand")
        GROUP = "group", _("by a group of the identity provider")

    team = models.ForeignKey(Team, models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, models.CASCADE, related_name="memberships")
    role = models.PositiveSmallIntegerField(choices=Role.choices, default=Role.READER)
    # What a group gave goes with the group; what was given by hand stays (see accounts/groups.py).
    source = models.CharField(
        max_length=5, choices=Source.choices, default=Source.GIVEN, editable=False
    )

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["team", "user"], name="membership_unique"),
            models.CheckConstraint(
                condition=models.Q(role__in=[10, 20, 30, 40]), name="membership_role_known"
            ),
        )

    def __str__(self) -> str:
        return gettext("%(user)s in %(team)s") % {"user": self.user_id, "team": self.team_id}


class Robot(models.Model):
    """A machine that acts for a team: it has a name to sign in by, and tokens for a password.

    The name is safe in every shell: `robot-<team>-<what for>`.
    """

    team = models.ForeignKey(Team, models.CASCADE, related_name="robots")
    name = models.CharField(max_length=128, unique=True)
    description = models.CharField(max_length=200, blank=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class Invitation(models.Model):
    """A link that makes whoever opens it, signed in, a member of a team. Used once.

    Only a SHA-256 of the secret in the link is kept, as with tokens.
    """

    team = models.ForeignKey(Team, models.CASCADE, related_name="invitations")
    role = models.PositiveSmallIntegerField(choices=Membership.Role.choices)
    secret_hash = models.BinaryField(max_length=32, unique=True)
    created_by = models.ForeignKey(User, models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    used_by = models.ForeignKey(User, models.SET_NULL, null=True, blank=True, related_name="+")
    used_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return gettext("invitation to %(team)s") % {"team": self.team_id}
