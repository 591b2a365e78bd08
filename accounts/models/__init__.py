"""People, teams, credentials, and the record of what was done with them.

```
User ─┬─ Membership ── Team ─┬─ Robot ── AccessToken     what a machine signs in with
      │                      ├─ Invitation               a link that makes a member
      │                      └─ TrustRule                whose CI jobs may act for it
      └─ AccessToken                                     what a person's tools sign in with
BrowserSession  what a person's browser signs in with
SigningKey     signs the short-lived tokens of the token service
SignInFailure  counts wrong passwords, by account and address
AuditEvent     who did what to which
```
"""

from accounts.models.audit import AuditEvent
from accounts.models.people import Invitation, Membership, Robot, Team, User
from accounts.models.sessions import BrowserSession
from accounts.models.tokens import AccessToken, SignInFailure, SigningKey
from accounts.models.trust import TrustRule

__all__ = [
    "AccessToken",
    "AuditEvent",
    "BrowserSession",
    "Invitation",
    "Membership",
    "Robot",
    "SignInFailure",
    "SigningKey",
    "Team",
    "TrustRule",
    "User",
]
