"""Leases of backups: while one is held, nothing is purged from the trash.

A backup takes a snapshot of the database first and the blobs second. What the collector discards
between the two is in the trash, and has to stay there until the backup has it, however short the
grace. A backup that is killed ends nothing: so a lease that is not renewed ends by itself.

It is a row, for which the database's clock alone counts: see docs/decisions/0017-backup.md.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import Error as DatabaseError
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from repositories.models import BackupLease

# How long a lease stands after it was taken or last renewed, and how often that is done.
LASTS = timedelta(minutes=10)
RENEW_SECONDS = 60.0
# A purge that looked for leases just before goes on for what was discarded before *its* now. What
# a snapshot needs is discarded after the snapshot: so much later than any clock may be wrong.
SETTLE_SECONDS = 2.0

logger = logging.getLogger(__name__)


class LeaseLost(Exception):
    """The lease has ended: it could not be renewed in time, so the trash may have been purged."""


def is_held() -> bool:
    """Whether a backup is under way."""
    return _standing().exists()


def _standing() -> QuerySet[BackupLease]:
    return BackupLease.objects.filter(renewed_at__gt=Now() - LASTS)


class Lease:
    """A lease that is held; `token` is its own and no other's."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self._ended = threading.Event()

    def renew(self) -> None:
        """Let it stand for another while. Raises LeaseLost, Error."""
        if _standing().filter(token=self.token).update(renewed_at=Now()) != 1:
            raise LeaseLost(
                "The command was held up for more than ten minutes, so that what it needs may be "
                "gone. Run it again: what it has copied counts."
            )

    def keep_renewing(self) -> None:
        """The work of a thread; a database that is away for a while is waited for."""
        while not self._ended.wait(RENEW_SECONDS):
            try:
                self.renew()
            except LeaseLost:
                break  # who misses a blob finds out
            except DatabaseError as error:
                logger.warning(
                    "the backup's lease cannot be renewed, and is tried again: %s", error
                )
                connection.close()
        connection.close()

    def end(self) -> None:
        self._ended.set()


@contextmanager
def hold() -> Iterator[Lease]:
    """Take a lease for the length of a `with` block, and see to its renewal. Raises Error."""
    lease = Lease()
    BackupLease.objects.filter(renewed_at__lte=Now() - LASTS).delete()
    BackupLease.objects.create(token=lease.token, started_at=Now(), renewed_at=Now())
    thread = threading.Thread(target=lease.keep_renewing, daemon=True)
    thread.start()
    try:
        time.sleep(SETTLE_SECONDS)
        yield lease
    finally:
        lease.end()
        thread.join()
        _give_back(lease)


def _give_back(lease: Lease) -> None:
    try:
        BackupLease.objects.filter(token=lease.token).delete()
    except DatabaseError as error:
        logger.warning("the backup's lease is left to end by itself: %s", error)
        connection.close()
