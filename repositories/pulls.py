"""Pulls: counted in memory, and written every few seconds.

A row for each pull would double the cost of reading. So a pull only adds one to a number, and a
thread writes the sums: five seconds later, when a thousand different ones wait, and when the
process is stopped. A process that is killed loses what it had not written yet, the pulls of five
seconds at most; nothing but statistics and retention depends on them.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple

from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    transaction,
)
from django.db.models import F
from django.utils import timezone

from repositories import database
from repositories.models import Manifest, Pull, Repository, Tag
from repositories.oci.digests import is_digest

FLUSH_SECONDS = 5.0
FLUSH_KEYS = 1000
# What is kept while the database cannot be used; other pulls are not counted then.
MAX_KEYS = 10_000
# How long the activity shows pulls.
KEPT = timedelta(days=30)
_PIECE = 1000

logger = logging.getLogger(__name__)


class _Key(NamedTuple):
    """Who pulled what. `tag_id` is 0 and `tag` empty for a pull by digest."""

    repository_id: int
    manifest_id: int
    tag_id: int
    tag: str
    digest: str
    pulled_by: str


_Counts = dict[_Key, int]
_Counted = type[Repository] | type[Manifest] | type[Tag]
# The tables that count, and the part of the key that names their row.
_COUNTED: tuple[tuple[_Counted, str], ...] = (
    (Tag, "tag_id"),
    (Manifest, "manifest_id"),
    (Repository, "repository_id"),
)


class _Collector:
    """The counts of one process, and the thread that writes them."""

    def __init__(self) -> None:
        self._counts: _Counts = {}
        self._lock = threading.Lock()
        self._is_full = threading.Event()
        self._pid = 0

    def add(self, key: _Key, count: int = 1) -> None:
        with self._lock:
            known = self._counts.get(key, 0)
            if not known and len(self._counts) >= MAX_KEYS:
                return
            self._counts[key] = known + count
            if self._pid != os.getpid():  # a thread does not survive the fork of a worker
                self._start()
            is_full = len(self._counts) >= FLUSH_KEYS
        if is_full:
            self._is_full.set()

    def _start(self) -> None:
        self._pid = os.getpid()
        atexit.register(self.flush, wait=True)
        threading.Thread(target=self._run, name="pulls", daemon=True).start()

    def _run(self) -> None:
        while True:
            self._is_full.wait(FLUSH_SECONDS)
            self._is_full.clear()
            if not self.flush():
                time.sleep(FLUSH_SECONDS)

    def take(self) -> _Counts:
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def flush(self, *, wait: bool = False) -> bool:
        """Write what was counted; whether the database could be used.

        Rows that somebody else is changing just then keep their counts for the next time; with
        `wait` they are waited for.
        """
        counts = sorted(self.take().items())
        pieces = [dict(counts[start : start + _PIECE]) for start in range(0, len(counts), _PIECE)]
        try:
            while pieces:
                for key, count in _write(pieces[-1], wait=wait).items():
                    self.add(key, count)
                pieces.pop()
        except (OperationalError, InterfaceError) as error:
            logger.error("pulls could not be counted, and are kept for the next time: %s", error)
            connection.close()
            for key, count in (item for piece in pieces for item in piece.items()):
                self.add(key, count)
            return False
        except Exception:  # the thread goes on, whatever it was
            logger.exception("pulls could not be counted")
        finally:
            database.release()
        return True


_collector = _Collector()


def note(
    *,
    repository_id: int,
    manifest_id: int,
    tag_id: int,
    reference: str,
    digest: str,
    principal_name: str,
) -> None:
    """Count one pull of a manifest, by the tag or digest `reference`; `tag_id` is 0 for a digest.

    Takes microseconds, and never raises for the database's sake.
    """
    tag = "" if is_digest(reference) else reference
    _collector.add(_Key(repository_id, manifest_id, tag_id, tag, digest, principal_name))


def flush() -> bool:
    """Write now what this process has counted; whether the database could be used."""
    return _collector.flush(wait=True)


def forget_everything() -> None:
    """Drop what was counted and not written. For tests."""
    _collector.take()


def purge(*, age: timedelta) -> int:
    """Remove `Pull` rows older than `age`, in pieces that keep nobody waiting; how many."""
    old = Pull.objects.filter(at__lt=timezone.now() - age).order_by("at")
    count = 0
    while piece := list(old.values_list("pk", flat=True)[:_PIECE]):
        count += Pull.objects.filter(pk__in=piece).delete()[0]
    return count


def _write(counts: _Counts, *, wait: bool) -> _Counts:
    """Write the counts in one transaction; returns those that have to wait.

    What has been deleted meanwhile is left out. Nobody is waited for who holds a row, since they
    may be waiting for one that we hold (a push takes tags before its repository).
    """
    at = timezone.now()
    with transaction.atomic():
        locked = {field: _locked(table, _ids(counts, field), wait) for table, field in _COUNTED}
        busy = {
            field: _existing(table, _ids(counts, field) - locked[field])
            for table, field in _COUNTED
        }
        later = {
            key: count
            for key, count in counts.items()
            if any(getattr(key, field) in busy[field] for field in busy)
        }
        ready = {key: count for key, count in counts.items() if key not in later}
        for table, field in _COUNTED:
            _add(table, _sums(ready, field, locked[field]), at)
        Pull.objects.bulk_create(_rows(ready, locked["repository_id"], at))
    return later


def _ids(counts: Iterable[_Key], field: str) -> set[int]:
    return {getattr(key, field) for key in counts} - {0}


def _locked(table: _Counted, ids: set[int], wait: bool) -> set[int]:
    rows = table.objects.filter(pk__in=ids).order_by("pk")
    rows = rows.select_for_update(skip_locked=not wait, no_key=True)
    return set(rows.values_list("pk", flat=True))


def _existing(table: _Counted, ids: set[int]) -> set[int]:
    if not ids:
        return ids
    return set(table.objects.filter(pk__in=ids).values_list("pk", flat=True))


def _sums(counts: _Counts, field: str, ids: set[int]) -> dict[int, int]:
    sums = dict.fromkeys(ids, 0)
    for key, count in counts.items():
        if getattr(key, field) in sums:
            sums[getattr(key, field)] += count
    return sums


def _add(table: _Counted, sums: Mapping[int, int], at: datetime) -> None:
    """One statement for each different count: most are small numbers."""
    ordered = sorted((count, pk) for pk, count in sums.items() if count)
    for count, group in groupby(ordered, key=lambda item: item[0]):
        rows = table.objects.filter(pk__in=[pk for _, pk in group])
        rows.update(pull_count=F("pull_count") + count, pulled_at=at)


def _rows(counts: _Counts, repositories: set[int], at: datetime) -> list[Pull]:
    return [
        Pull(
            repository_id=key.repository_id,
            tag=key.tag,
            digest=key.digest,
            pulled_by=key.pulled_by,
            at=at,
            count=count,
        )
        for key, count in counts.items()
        if key.repository_id in repositories
    ]
