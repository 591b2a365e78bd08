"""Django's database sessions, each with its user: so that "sign out everywhere" finds them all."""

from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import BrowserSession, User

_SIGNED_IN_AT = "signed_in_at"
_SIGNED_IN_FROM = "signed_in_from"


class SessionStore(DatabaseStore):
    """What `SESSION_ENGINE` names. `user` is whose it is, once it was read from the database."""

    user: User | None = None

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        session = super().create_model_instance(data)
        assert isinstance(session, BrowserSession)  # noqa: S101  (for the type checker)
        session.user_id = data.get(SESSION_KEY)
        return session

    def _get_session_from_db(self) -> BrowserSession | None:
        found = super()._get_session_from_db()  # type: ignore[misc]  # Django's own hook
        session: BrowserSession | None = found
        self.user = session.user if session else None
        return session


class SignedIn(NamedTuple):
    """A browser session as its owner sees it."""

    at: datetime | None
    address: str
    is_this_one: bool


def user_of(session: Any) -> User | None:
    """The user who has signed in, if that is beyond doubt without another query.

    None sends the caller to Django's own look-up, which knows all cases: whoever has changed the
    password, sessions that an older secret has signed, users who were switched off.
    """
    user: User | None = session.user if session.get(SESSION_KEY) else None
    if user is None or not user.is_active or session[SESSION_KEY] != str(user.pk):
        return None
    is_known = session.get(BACKEND_SESSION_KEY) in settings.AUTHENTICATION_BACKENDS
    signed = session.get(HASH_SESSION_KEY, "")
    is_sound = constant_time_compare(signed, user.get_session_auth_hash())
    return user if is_known and is_sound else None


def note(session: Any, *, address: str) -> None:
    """Write into a new session when and from where it began."""
    session[_SIGNED_IN_AT] = timezone.now().isoformat()
    session[_SIGNED_IN_FROM] = address


def of_user(user: User, *, current: str | None, most: int = 50) -> list[SignedIn]:
    """The user's browser sessions that have not ended, the longest-lasting first."""
    rows = user.browser_sessions.filter(expire_date__gt=timezone.now()).order_by("-expire_date")
    return [_describe(row, current) for row in rows[:most]]


def _describe(row: BrowserSession, current: str | None) -> SignedIn:
    data = SessionStore().decode(row.session_data)
    at = data.get(_SIGNED_IN_AT)
    return SignedIn(
        at=datetime.fromisoformat(at) if at else None,
        address=data.get(_SIGNED_IN_FROM, ""),
        is_this_one=row.session_key == current,
    )
