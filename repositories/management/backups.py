"""What `backup` and `restore` share: errors in one line, a bar of bytes, what is lost."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management import CommandError
from django.db import Error as DatabaseError
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars

from repositories.backups.archive import BackupError
from repositories.backups.files import Progress
from repositories.backups.taking import Amount, Lost
from repositories.leases import LeaseLost


class _Watched(Progress):
    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def begin(self, what: str, total: int | None) -> None:
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(what, total=total)

    def advance(self, count: int) -> None:
        if self._task is not None:
            self._bars.advance(self._task, count)


@contextmanager
def watched() -> Iterator[Progress]:
    """Bars on standard error, where somebody watches. Turns what goes wrong into CommandError."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(binary_units=True))
    try:
        with Bars(
            *columns,
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not sys.stderr.isatty(),
        ) as bars:
            yield _Watched(bars)
    except (BackupError, LeaseLost) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"A file cannot be read or written: {error}.") from error
    except DatabaseError as error:
        raise CommandError(f"The database cannot be used: {error}") from error


def counted(what: str, amount: Amount) -> str:
    """`what: 3 blobs, 4711 bytes`."""
    return f"{what}: {amount.blobs} blobs, {amount.bytes} bytes"


def complaint(lost: list[Lost], *, ending: str) -> str:
    """Every blob that is lost, with its images, a line for each."""
    lines = [
        f"{each.digest}: {each.why}; {_users(each.images)}"
        for each in sorted(lost, key=lambda each: each.digest)
    ]
    return "\n".join([f"{len(lost)} blobs are lost; {ending}", *lines])


def _users(images: list[str]) -> str:
    return f"part of {', '.join(images)}" if images else "part of no image that is there now"
