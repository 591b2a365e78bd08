"""Whose credentials the doctor has, and how they are shown: as docker does it, by a token for each
scope, and as they are to the management API."""

import base64
import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from accounts import proxy_lines
from registry_site.doctor.report import Check, Result
from registry_site.doctor.wire import Answer, Failure, Site

CREDENTIALS = Check("credentials", "Signing in")
NONE = "needs credentials: --user NAME --password-stdin, or --token-stdin"


def parsed(answer: Answer) -> Any:
    """What an answer says in JSON; None when it says nothing that can be read."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        return None


class Caller:
    """Somebody with a password or an access token, or nobody. `name` is known once it was asked."""

    def __init__(self, site: Site, *, user: str = "", secret: str = "") -> None:
        self.site = site
        self.name = ""
        self._secret = secret
        self._user = user
        self._realm = ""
        self._service = ""

    @property
    def is_somebody(self) -> bool:
        return bool(self._secret)

    @property
    def own(self) -> dict[str, str]:
        """The header for the management API."""
        if not self._secret:
            return {}
        if not self._user:
            return {"Authorization": f"Bearer {self._secret}"}
        pair = base64.b64encode(f"{self._user}:{self._secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}"}

    def led_by(self, challenge: dict[str, str]) -> None:
        """Take over where tokens are; asked for at the site itself, wherever it sends clients: no
        other gets to see the credentials."""
        self._realm = urlsplit(challenge.get("realm", "")).path
        self._service = challenge.get("service", "")

    def headers(self, scope: str = "") -> dict[str, str]:
        """The header for `/v2/`. Raises OSError, HTTPException; PermissionError with the words of
        who refuses."""
        if not self._user or not self._realm:
            return self.own
        query = {"service": self._service} | ({"scope": scope} if scope else {})
        found = self.site.ask("GET", f"{self._realm}?{urlencode(query)}", self.own)
        answer = parsed(found)
        token = answer.get("token") if isinstance(answer, dict) else None
        if not isinstance(token, str):
            raise PermissionError(refusal(found))
        return {"Authorization": f"Bearer {token}"}

    def sign_in(self) -> Result:
        """Whether the credentials are taken; `is_somebody` is false from here on if not."""
        if not self.is_somebody:
            return CREDENTIALS.skipped(NONE)
        try:
            found = self.site.ask("GET", "/v2/", self.headers())
            problem = "" if found.status == 200 else refusal(found)
            me = parsed(self.site.ask("GET", "/api/v1/me", self.own))
        except Failure as error:
            problem = str(error)
        if problem:
            self._secret = ""
            return CREDENTIALS.wrong(
                f"{problem}. If they are right, and signing in works at Berth's own address, "
                "something between changes the header Authorization.",
                proxy_lines.CREDENTIALS,
            )
        self.name = str(me.get("name", "")) if isinstance(me, dict) else ""
        version = found.header("X-Berth-Version")
        return CREDENTIALS.ok(
            f"as {self.name or self._user}" + (f"; this is Berth {version}" if version else "")
        )


def refusal(answer: Answer) -> str:
    """Status and words of an answer that is a refusal."""
    content = parsed(answer)
    words = ""
    if isinstance(content, dict):
        errors = content.get("errors")
        first = errors[0] if isinstance(errors, list) and errors else None
        words = str(first.get("message", "")) if isinstance(first, dict) else ""
        words = words or str(content.get("detail", ""))
    return f"{answer.status}: {words[:300]}" if words else f"{answer.status}, without a word of why"
