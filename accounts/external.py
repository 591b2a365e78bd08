"""Users whom somebody else vouches for: an OpenID provider, a directory, an htpasswd file.

A name alone proves nothing: whoever may choose theirs at the identity provider must not come to be
the local user of that name. So each user has one source, and no other source signs them in, unless
they linked it themselves (OIDC) or an administrator did (`manage.py link_user`).
"""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext, override

from accounts import audit
from accounts.models import User
from accounts.models.people import MAX_NAME_LENGTH

_SEPARATORS = re.compile(r"[^a-z0-9]+", re.ASCII)
_ALLOWED_SEPARATOR = re.compile(r"\.|__?|-+", re.ASCII)


def name_from(text: str) -> str:
    """`text` as a component of repository names: `Ada.Lovelace@example.com` is `ada.lovelace`.

    Empty when nothing of it can be used.
    """
    plain = unicodedata.normalize("NFKD", text.partition("@")[0]).encode("ascii", "ignore")
    words = _SEPARATORS.sub(_separator, plain.decode("ascii").lower())
    return words.strip("._-")[:MAX_NAME_LENGTH].strip("._-")


def _separator(match: re.Match[str]) -> str:
    return match[0] if _ALLOWED_SEPARATOR.fullmatch(match[0]) else "-"


def create_user(
    *, name: str, source: User.Source, credential: str, email: str = "", address: str = ""
) -> User:
    """A user whom `source` vouches for, at their first sign-in.

    Raises ValidationError, which says what to do, when the name is taken or cannot be one.
    """
    user = User(username=name, email=email, source=source)
    user.set_unusable_password()
    with transaction.atomic():
        try:
            user.full_clean()
        except ValidationError as error:
            raise ValidationError(_why_not(name, source, error)) from error
        user.save()
        audit.record(
            "user.create",
            actor=name,
            target=name,
            address=address,
            credential=credential,
            detail={"source": source.value},
        )
    return user


def _why_not(name: str, source: User.Source, error: ValidationError) -> str:
    if not User.objects.filter(username=name).exists():
        text = gettext("%(source)s calls you '%(name)s', which cannot be a user here: %(reason)s")
    elif source is User.Source.OIDC:
        text = gettext(
            "There is a user '%(name)s' already, who does not sign in by %(source)s. If that is "
            "you, sign in as before and connect %(source)s in your profile; otherwise ask an "
            "administrator for another name."
        )
    else:
        text = gettext(
            "There is a user '%(name)s' already, who does not sign in by %(source)s. If that is "
            "you, an administrator can run `manage.py link_user %(name)s %(value)s`; otherwise "
            "ask an administrator for another name."
        )
    reason = "; ".join(error.messages)
    return text % {"name": name, "source": source.label, "value": source.value, "reason": reason}


def vouched_user(*, name: str, source: User.Source, credential: str, email: str = "") -> User:
    """The user of this name, whom `source` has just found genuine; made the first time.

    Raises ValidationError when the name belongs to a user of another source; in English, since it
    is for the log: whoever signs in learns no more than that they may not.
    """
    user = User.objects.filter(username=name).first()
    if user is not None and user.source == source:
        return user
    with override("en"):
        return create_user(name=name, source=source, credential=credential, email=email)
