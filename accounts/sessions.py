"""Django's database sessions, each with its user: so that "sign out everywhere" finds them all."""

from datetime import datetime
from typing import Any, NamedTuple

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.utils import timezone

from accounts.models import BrowserSession, User

_SIGNED_IN_AT = "signed_in_at"
_SIGNED_IN_FROM = "signed_in_from"


class SessionStore(DatabaseStore):
    """What `SESSION_ENGINE` names."""

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        session = super().create_model_instance(data)
        assert isinstance(session, BrowserSession)  # noqa: S101  (for the type checker)
        session.user_id = data.get(SESSION_KEY)
        return session


class SignedIn(NamedTuple):
    """A browser session as its owner sees it."""

    at: datetime | None
    address: str
    is_this_one: bool


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
