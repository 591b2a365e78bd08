"""Browser sessions."""

from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from accounts.models.people import User


class BrowserSession(AbstractBaseSession):
    """A signed-in browser. Django's own table does not say whose a session is, this one does."""

    user = models.ForeignKey(
        User, models.CASCADE, null=True, blank=True, related_name="browser_sessions"
    )
