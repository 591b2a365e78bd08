"""The second factor: codes of an authenticator app (TOTP), and recovery codes.

django-allauth keeps and checks them. A browser is asked for a code after the password. A program
that signs in by password cannot be asked, so whoever has a second factor uses access tokens there.
"""

import base64
import hashlib

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet
from django.conf import settings

from accounts.models import User


def is_required(user: User) -> bool:
    """Whether the user has turned a second factor on."""
    kinds = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
    return bool(Authenticator.objects.filter(user_id=user.pk, type__in=kinds).exists())


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """Encrypts the secrets: who reads a backup of the database has no codes."""

    def encrypt(self, text: str) -> str:
        return _cipher().encrypt(text.encode("utf-8")).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        return _cipher().decrypt(encrypted_text.encode("ascii")).decode("utf-8")

    def get_totp_label(self, user: User) -> str:
        return user.username

    def get_totp_issuer(self) -> str:
        site: str = self._get_site_name()
        return f"Berth ({site})"


def _cipher() -> Fernet:
    key = hashlib.sha256(b"berth second factors\0" + settings.SECRET_KEY.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(key))


def remove(user: User) -> bool:
    """Turn the user's second factor off, with its recovery codes; whether there was one."""
    removed, _ = Authenticator.objects.filter(user_id=user.pk).delete()
    return bool(removed)
