"""Browser sessions."""

from typing import ClassVar

from django.contrib.sessions.base_session import AbstractBaseSession, BaseSessionManager
from django.db import models

from accounts.models.people import User


class _WithUsers(BaseSessionManager["BrowserSession"]):
    """Each session with its user, whom every page asks for: one query, not two."""

    def get_queryset(self) -> models.QuerySet["BrowserSession"]:
        return super().get_queryset().select_related("user")


class BrowserSession(AbstractBaseSession):
    """A signed-in browser. Django's own table does not say whose a session is, this one does."""

    user = models.ForeignKey(
        User, models.CASCADE, null=True, blank=True, related_name="browser_sessions"
    )

    objects: ClassVar[_WithUsers] = _WithUsers()
