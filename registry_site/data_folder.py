"""The data folder: what Berth keeps beside the blobs, made on first use.

```
<data>/                 REGISTRY_DATA or --data; ./var when neither is given
  berth.sqlite3…        the database and its shared memory, unless DATABASE_URL names another
  secret_key            made on the first start, unless SECRET_KEY is given
  docker/, berth/       blobs, uploads: REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY moves them
```
"""

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured


def prepare(folder: Path) -> Path:
    """Create `folder` when it is missing. Raises ImproperlyConfigured when that is impossible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"The data folder {folder} cannot be made: {error.strerror}. "
            "Name another with --data or REGISTRY_DATA, or correct its permissions."
        ) from error
    return folder


def shadowed(root: str, folder: Path) -> str:
    """The tree at `root`, which is another registry's; empty for none.

    Raises ImproperlyConfigured where it is no folder, or the data folder lies in it.
    """
    if not root:
        return ""
    tree = Path(root).resolve()
    if not tree.is_dir():
        raise ImproperlyConfigured(f"REGISTRY_SHADOW={root}: there is no such folder; correct it.")
    if folder.is_relative_to(tree):
        raise ImproperlyConfigured(
            f"A shadow writes nothing below {tree}: name a data folder elsewhere with --data."
        )
    return str(tree)


def secret_key(folder: Path) -> str:
    """The key kept in `folder`; made there, readable by its owner only, when there is none yet.

    Several processes may start at once: each writes a file of its own and links it into place, so
    that exactly one key wins and nobody reads half of one. Raises ImproperlyConfigured.
    """
    path = folder / "secret_key"
    try:
        if not path.exists():
            _publish_new_key(path)
        key = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"The secret key cannot be kept in {path}: {error.strerror}. "
            "Make the data folder writable, or give SECRET_KEY."
        ) from error
    except UnicodeDecodeError:
        key = ""
    if len(key) < 32:
        raise ImproperlyConfigured(f"{path} holds no usable key; delete it to have a new one made.")
    return key


def _publish_new_key(path: Path) -> None:
    draft = path.with_name(f"secret_key.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, secrets.token_urlsafe(48).encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        return  # another process was first: its key stands
    finally:
        draft.unlink()
