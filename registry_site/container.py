"""The command `registry` inside of Berth's image: the same one, as the user `registry`.

Engines make the folders that they mount as root, and Docker's registry wrote its files as root. So
the image starts as root, hands the data over, and is that user from then on, with no way back. Who
starts it as another user has seen to all of that.
"""

import contextlib
import ctypes
import os
import pwd
import signal
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from django.core.exceptions import ImproperlyConfigured

from registry_site import env, registry

USER = "registry"
DATA = "/var/lib/registry"
ADDRESS = ":5000"
# Folders that Docker's registry and Berth keep; what else lies beside them stays as it is.
_FOLDERS = ("docker", "berth")
_PAIR = ("REGISTRY_HTTP_TLS_CERTIFICATE", "REGISTRY_HTTP_TLS_KEY")
_MEMORY = "/dev/shm"  # noqa: S108  (a folder of an unknown name is made in it)
_PR_SET_NO_NEW_PRIVS = 38
_TELL_SECONDS = 10.0


def main() -> None:
    """Run a command; ends by SystemExit where it does not succeed."""
    # The first process of a container ignores signals that it has no handler for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        words = registry.take_settings(sys.argv[1:])
        folders = complete_settings()
    except ImproperlyConfigured as error:
        sys.exit(f"ImproperlyConfigured: {error}")
    if os.geteuid() == 0:
        _start_anew(words, folders)
    registry.run(words)


def _start_anew(words: list[str], folders: list[Path]) -> NoReturn:
    """See to what only root can, and be the user `registry` for good. Raises SystemExit."""
    user = pwd.getpwnam(USER)
    try:
        os.setgroups([group for group in os.getgroups() if group])  # such as of --group-add
        if words != ["healthcheck"]:
            for folder in folders:
                hand_over(folder, user.pw_uid, user.pw_gid)
        if words[:1] == ["serve"]:
            lend(user.pw_uid, user.pw_gid)
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)
    except PermissionError:
        sys.exit(
            f"The container starts as root and may not become {USER}. Start it with "
            f"--user {user.pw_uid}:{user.pw_gid}, or with --cap-add SETUID --cap-add SETGID "
            "--cap-add CHOWN."
        )
    ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    os.environ["HOME"] = user.pw_dir
    # Nothing stays that only root could read.
    command = [sys.executable, "-m", "registry_site.container", *words]
    os.execv(sys.executable, command)  # noqa: S606  (no shell is what we want)


def complete_settings() -> list[Path]:
    """Set what the image has defaults of its own for; the folders that data is in.

    Raises ImproperlyConfigured.
    """
    root = env.text("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY")
    if not env.text("REGISTRY_DATA"):
        # Where blobs are mounted the database belongs as well, or it would go with the container.
        os.environ["REGISTRY_DATA"] = root or DATA
    if not env.text("REGISTRY_HTTP_ADDR"):
        os.environ["REGISTRY_HTTP_ADDR"] = ADDRESS
    data = env.text("REGISTRY_DATA")
    return [Path(path) for path in dict.fromkeys((data, root or data))]


def hand_over(folder: Path, uid: int, gid: int) -> None:
    """Make what a registry keeps in the folder, and the folder itself, that user's.

    A folder comes after all that is in it. So an interrupted start is made up for by the next one,
    and where all is done the owners of a few names say so. What cannot be done is told: whether it
    matters is up to the file system.
    """
    given, told = 0, time.monotonic()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, descriptor in _foreign(folder, uid):
            os.chown(name, uid, gid, dir_fd=descriptor, follow_symlinks=False)
            given += 1
            if time.monotonic() - told > _TELL_SECONDS:
                _say(f"handing {folder} over to the user {USER}: {given} files and folders so far")
                told = time.monotonic()
    except OSError as error:
        _say(
            f"{folder} cannot be handed over to the user {USER}: {error}. If {USER} cannot write "
            f"there, run `chown -R {uid}:{gid}` on what is mounted there."
        )
    if given:
        _say(f"{folder} was handed over to the user {USER}: {given} files and folders")


def _foreign(folder: Path, uid: int) -> Iterator[tuple[str, int | None]]:
    """What is another user's: a name, and the descriptor of the folder that it is in, or a path."""
    for path in sorted(folder.iterdir()):
        status = path.lstat()
        is_ours = stat.S_ISREG(status.st_mode) or path.name in _FOLDERS
        if not is_ours or status.st_uid == uid:
            continue
        # By descriptors, and never through a symbolic link: root's hands go nowhere else.
        for _, folders, files, descriptor in os.fwalk(path, topdown=False):
            for name in (*folders, *files):
                yield name, descriptor
        yield str(path), None
    if folder.stat().st_uid != uid:
        yield str(folder), None


def lend(uid: int, gid: int) -> None:
    """Copy the certificate and the key into memory, where that user may not read them itself.

    Docker's registry reads them as root, and only when it starts; so keys are usually for their
    owner alone. What else is wrong with them the server tells.
    """
    for name in _PAIR:
        path = env.text(name)
        if not path or _may_read(path, uid, gid):
            continue
        with contextlib.suppress(OSError):
            copy = Path(tempfile.mkdtemp(prefix="berth-", dir=_MEMORY)) / Path(path).name
            copy.write_bytes(Path(path).read_bytes())
            for given in (copy, copy.parent):
                os.chown(given, uid, gid)
            os.environ[name] = str(copy)
            os.environ.pop(f"{name}_FILE", None)  # of the two forms of a name one may be set
            _say(
                f"{path} is not for the user {USER} ({uid}) to read, so a copy is used: a renewed "
                "one counts from the next start on"
            )


def _may_read(path: str, uid: int, gid: int) -> bool:
    """Asked as that user, since folders and lists of access have a say in it."""
    os.setegid(gid)
    os.seteuid(uid)
    try:
        with open(path, "rb"):
            return True
    except OSError:
        return False
    finally:
        os.seteuid(0)
        os.setegid(0)


def _say(text: str) -> None:
    print(f"registry: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
