"""Credentials: access tokens, the keys that sign bearer tokens, and failed attempts."""

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models.people import Robot, User


class AccessToken(models.Model):
    """A random secret that stands for a user or a robot, within its scopes, until it expires.

    The secret is shown once; the row keeps its SHA-256. A slow hash would gain nothing: nobody
    guesses 160 random bits.
    """

    class Kind(models.TextChoices):
        PERSONAL = "personal", _("Personal")  # made by its owner
        ROBOT = "robot", _("Robot")  # a machine's password
        SESSION = "session", _("Session")  # what `docker login` keeps in place of a password

    user = models.ForeignKey(User, models.CASCADE, null=True, blank=True, related_name="tokens")
    robot = models.ForeignKey(Robot, models.CASCADE, null=True, blank=True, related_name="tokens")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    name = models.CharField(max_length=100)
    secret_hash = models.BinaryField(max_length=32, unique=True)
    # The last characters of the secret, so that its owner can tell which one it is.
    hint = models.CharField(max_length=4)
    # Lines of `pattern:action,action`; empty means whatever the owner may do.
    scopes = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    last_used_from = models.GenericIPAddressField(null=True, blank=True)

    class Meta:
        indexes = (models.Index(fields=["hint"], name="access_token_hint"),)
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user__isnull=False, robot__isnull=True)
                | models.Q(user__isnull=True, robot__isnull=False),
                name="access_token_has_one_owner",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} (…{self.hint})"

    @property
    def owner_name(self) -> str:
        """Whom the token stands for: the user name to sign in with."""
        owner = self.user or self.robot
        return str(owner)

    @property
    def is_expired(self) -> bool:
        return self.expires_at is not None and self.expires_at <= timezone.now()

    @property
    def is_usable(self) -> bool:
        """Whether it lets anybody in: not expired, and its owner not disabled."""
        owner = self.user or self.robot
        return owner is not None and owner.is_active and not self.is_expired


class SigningKey(models.Model):
    """A key pair of the token service. The newest one signs; those not retired are trusted."""

    kid = models.CharField(max_length=64, unique=True)
    # The private key as PEM, encrypted with a key that is derived from SECRET_KEY.
    encrypted = models.TextField()
    public = models.TextField()
    certificate = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    retires_at = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return self.kid


class SignInFailure(models.Model):
    """How often signing in failed of late, for one account from one address."""

    account = models.CharField(max_length=64)  # a keyed digest of the name
    address = models.GenericIPAddressField()
    count = models.PositiveIntegerField(default=0)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "address"], name="sign_in_failure_unique"),
        )
        indexes = (models.Index(fields=["last_at"], name="sign_in_failure_age"),)

    def __str__(self) -> str:
        text = gettext("%(count)s from %(address)s")
        return text % {"count": self.count, "address": self.address}
