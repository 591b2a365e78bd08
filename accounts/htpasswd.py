"""Users of an htpasswd file, as `REGISTRY_AUTH=htpasswd` has them: bcrypt, and only bcrypt."""

import logging
import threading
from pathlib import Path

import bcrypt
from django.conf import settings
from django.contrib.auth.backends import BaseBackend
from django.core.exceptions import ValidationError

from accounts import external
from accounts.models import User

logger = logging.getLogger(__name__)

# Checked for any name while the file has none.
_NOBODY = b"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"


class HtpasswdFile:
    """Names and hashes of a file, read again when it changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._version: tuple[str, int, int] | None = None
        self._entries: dict[str, bytes] = {}

    def entries(self) -> dict[str, bytes]:
        path = Path(settings.HTPASSWD_PATH)
        try:
            status = path.stat()
            version = (str(path), status.st_mtime_ns, status.st_size)
            with self._lock:
                if version != self._version:
                    self._entries = _parse(path.read_text(encoding="utf-8"))
                    self._version = version
        except (OSError, UnicodeDecodeError) as error:
            logger.error("the htpasswd file %s cannot be read: %s", path, error)
            return {}
        return self._entries


def _parse(text: str) -> dict[str, bytes]:
    entries = {}
    for line in text.splitlines():
        name, colon, digest = line.strip().partition(":")
        if not colon or name.startswith("#"):
            continue
        if digest.startswith(("$2a$", "$2b$", "$2y$")):
            entries[name] = digest.encode("utf-8")
        else:
            logger.warning("the htpasswd entry of %s is not bcrypt: make it with htpasswd -B", name)
    return entries


_file = HtpasswdFile()


class HtpasswdBackend(BaseBackend):
    """Signs in whoever is in the file, and makes a user of them the first time.

    With `registry` each of them may push and delete everything; so they may here. Their passwords
    stay in the file.
    """

    def authenticate(
        self,
        request: object,
        username: str | None = None,
        password: str | None = None,
        **_: object,
    ) -> User | None:
        if not settings.HTPASSWD_PATH or not username or not password:
            return None
        entries = _file.entries()
        digest = entries.get(username)
        # A name that is not in the file costs as much as one that is: `htpasswd -B` makes cheap
        # hashes, so a fixed one of ours would tell the two apart.
        decoy = next(iter(entries.values()), _NOBODY)
        try:
            matches = bcrypt.checkpw(password.encode("utf-8")[:72], digest or decoy)
        except ValueError:
            return None
        if digest is None or not matches:
            return None
        try:
            user = external.vouched_user(
                name=username, source=User.Source.HTPASSWD, credential="htpasswd file"
            )
        except ValidationError as error:
            logger.error("the htpasswd name %r: %s", username, " ".join(error.messages))
            return None
        return user if user.is_active else None

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()
