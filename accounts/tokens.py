"""Access tokens: made, recognised, revoked."""

import hashlib
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from accounts.models import AccessToken, Robot, User
from repositories.oci.scopes import TokenScope, format_token_scopes

# Secret scanners find these by their beginning; the length is that of 160 bits and more in base 62.
PREFIXES = {
    AccessToken.Kind.PERSONAL: "berth_pat_",
    AccessToken.Kind.ROBOT: "berth_bot_",
    AccessToken.Kind.SESSION: "berth_ses_",
}
SESSION_LIFETIME = timedelta(days=90)
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 32  # 190 bits
_SECRET = re.compile(rf"berth_(?:pat|bot|ses)_[0-9A-Za-z]{{{_SECRET_LENGTH}}}", re.ASCII)
# Writing down each use would make every pull a write.
_USE_EVERY = timedelta(minutes=1)


def looks_like_token(text: str) -> bool:
    """Whether `text` has the form of an access token rather than of a password."""
    return bool(_SECRET.fullmatch(text))


def create(
    *,
    owner: User | Robot,
    name: str,
    kind: AccessToken.Kind | None = None,
    scopes: Sequence[TokenScope] = (),
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A new token and its secret, which nobody can find out again."""
    is_robot = isinstance(owner, Robot)
    kind = kind or (AccessToken.Kind.ROBOT if is_robot else AccessToken.Kind.PERSONAL)
    secret = PREFIXES[kind] + "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    token = AccessToken.objects.create(
        user=None if isinstance(owner, Robot) else owner,
        robot=owner if isinstance(owner, Robot) else None,
        kind=kind,
        name=name,
        secret_hash=hash_secret(secret),
        hint=secret[-4:],
        scopes=format_token_scopes(scopes),
        expires_at=expires_at,
    )
    return token, secret


def hash_secret(secret: str) -> bytes:
    """What is kept of a secret. A slow hash would gain nothing against 190 random bits."""
    return hashlib.sha256(secret.encode("utf-8")).digest()


def find(*, secret: str, account: str | None = None, address: str = "") -> AccessToken | None:
    """The usable token of this secret, and of this account if one is given.

    None for one that is unknown, expired, or whose owner is disabled. Looked up by its digest, so
    that the time it takes tells nothing of the secret.
    """
    if not looks_like_token(secret):
        return None
    tokens = AccessToken.objects.select_related("user", "robot__team")
    token = tokens.filter(secret_hash=hash_secret(secret)).first()
    if token is None or not token.is_usable or account not in (None, token.owner_name):
        return None
    _note_use(token, address)
    return token


def _note_use(token: AccessToken, address: str) -> None:
    now = timezone.now()
    if token.last_used_at is None or now - token.last_used_at > _USE_EVERY:
        AccessToken.objects.filter(pk=token.pk).update(
            last_used_at=now, last_used_from=address or None
        )


def purge() -> int:
    """Remove what `docker login` kept and what has expired; how many.

    Other tokens stay, expired or not, until their owner has seen which they were.
    """
    deleted, _ = AccessToken.objects.filter(
        kind=AccessToken.Kind.SESSION, expires_at__lt=timezone.now()
    ).delete()
    return deleted


def revoke(token: AccessToken) -> None:
    """End a token. Bearer tokens that it was exchanged for live on for five minutes at most."""
    token.delete()
