"""Periodic work: rows claimed by a loop, so that any number of hosts can run it and one does.

`manage.py run_jobs` runs the loop; `serve` has it beside the server.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from accounts import audit, teams, throttle, tokens
from accounts.sessions import SessionStore
from repositories import (
    deleted,
    garbage,
    hosts,
    pulls,
    quotas,
    read_only,
    retention_runs,
    reviews,
    scrub,
    stale_uploads,
    trash,
    usage,
)
from repositories.adoption import following
from repositories.models import Job

# How long a claim stands; work that takes longer is taken over as if its process had died.
CLAIM = timedelta(hours=1)
RETRY_AFTER = timedelta(minutes=5)
HOURLY = timedelta(hours=1)
MINUTELY = timedelta(minutes=1)
# Other work should not wait longer for the collector.
COLLECT_SECONDS = 20.0
RETENTION_SECONDS = 20.0
# Nor for reading what is stored.
SCRUB_SECONDS = 20.0
# All files are looked at once in so many hours.
SWEEP_HOURS = 24
# With a loop that comes by every half a minute: each time.
FOLLOW = timedelta(seconds=15)
_RESTS = "nothing done: the registry is read-only"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work that is due every `interval`; `run` says in words what it did.

    Work that takes long waits at least `rest` times as long as it took.
    """

    name: str
    interval: timedelta
    run: Callable[[], str]
    rest: int = 0


def purge_uploads() -> str:
    """Remove stale uploads as the settings of the same names say."""
    dry_run = settings.UPLOAD_PURGING_DRY_RUN
    count = stale_uploads.purge(age=timedelta(seconds=settings.UPLOAD_PURGING_AGE), dry_run=dry_run)
    return f"{count} stale uploads {'found' if dry_run else 'purged'}"


def purge_accounts() -> str:
    """Remove what has run out: sessions, invitations, counts of failures."""
    SessionStore.clear_expired()
    counts = {
        "logins": tokens.purge(),
        "invitations": teams.purge_invitations(),
        "failure counts": throttle.purge(),
    }
    return ", ".join(f"{count} {what}" for what, count in counts.items()) + " removed"


def purge_audit_log() -> str:
    """Remove events that are older than they have to be kept."""
    count = audit.purge(age=timedelta(seconds=settings.AUDIT_RETENTION))
    return f"{count} events removed"


def purge_pulls() -> str:
    """Remove pulls from the activity that are older than it shows. The counts stay."""
    return f"{pulls.purge(age=pulls.KEPT)} pulls removed"


def purge_deletions() -> str:
    """Remove the records of deletes that cannot be undone any more."""
    return f"{deleted.purge()} deletes cannot be undone any more"


def measure_storage() -> str:
    """Measure how much is stored where."""
    quotas.recount()
    return f"{usage.measure()} bytes stored"


def collect_garbage() -> str:
    """Remove rows that nothing has needed for as long as the grace is, and their files."""
    if read_only.is_on():
        return _RESTS
    tally = garbage.collect(grace=_grace(), seconds=COLLECT_SECONDS)
    return (
        f"{tally.manifests} manifests, {tally.links} links and {tally.blobs} blobs removed, "
        f"{tally.trashed_bytes} bytes moved to the trash"
    )


def apply_retention() -> str:
    """Remove what the retention policies say, of the repositories whose turn it is."""
    if read_only.is_on():
        return _RESTS
    done = retention_runs.run(seconds=RETENTION_SECONDS)
    return (
        f"{done.tags} tags and {done.manifests} manifests removed, "
        f"{done.changed} changed meanwhile, {done.failed} repositories failed"
    )


def sweep_storage() -> str:
    """Find what nobody nominated, look at this hour's share of the files, and purge the trash."""
    if read_only.is_on():
        return _RESTS
    hour = int(time.time() // 3600) % SWEEP_HOURS
    forgotten = reviews.nominate_forgotten()
    shards = range(hour, trash.SHARDS, SWEEP_HOURS)
    swept, purged = trash.sweep(grace=_grace(), shards=shards), trash.purge(grace=_grace())
    return (
        f"{forgotten} rows nominated, {swept.strays} stray files moved to the trash, "
        f"{purged.purged_bytes} bytes freed"
    )


def scrub_storage() -> str:
    """Go on looking whether what is stored is still what was pushed."""
    if read_only.is_on():
        return _RESTS
    done = scrub.run_slice(
        rate=settings.SCRUB_RATE, seconds=SCRUB_SECONDS, days=settings.SCRUB_INTERVAL_DAYS
    )
    if done is None:
        return "nothing to do"
    state = "finished" if done.finished_at else "goes on"
    return f"pass {done.number} {state}: {done.blobs} blobs, {done.bytes} bytes looked at"


def follow_tree() -> str:
    """Make a shadow's rows equal to the tree that it shows."""
    return str(following.follow())


def _grace() -> timedelta:
    return timedelta(seconds=settings.GARBAGE_GRACE)


def periodic() -> list[Periodic]:
    """The work that the settings ask for."""
    work = [
        Periodic("purge-accounts", HOURLY, purge_accounts),
        Periodic("purge-pulls", HOURLY, purge_pulls),
        Periodic("purge-deletions", HOURLY, purge_deletions),
        Periodic("measure-storage", MINUTELY, measure_storage, rest=100),
    ]
    if settings.AUDIT_RETENTION:
        work.append(Periodic("purge-audit-log", HOURLY, purge_audit_log))
    if settings.SHADOW:  # and nothing else that would change what it shows
        return [*work, Periodic("follow-tree", FOLLOW, follow_tree, rest=1)]
    if settings.DELETE_ENABLED:
        work.append(Periodic("apply-retention", MINUTELY, apply_retention, rest=4))
    if settings.GARBAGE_ENABLED:
        work.append(Periodic("collect-garbage", MINUTELY, collect_garbage, rest=4))
        work.append(Periodic("sweep-storage", HOURLY, sweep_storage, rest=20))
    if settings.SCRUB_ENABLED:
        work.append(Periodic("scrub-storage", MINUTELY, scrub_storage, rest=2))
    if settings.UPLOAD_PURGING_ENABLED:
        interval = timedelta(seconds=settings.UPLOAD_PURGING_INTERVAL)
        work.append(Periodic("purge-uploads", interval, purge_uploads))
    return work


def run_due() -> int:
    """Run whatever is due and not claimed by another process; how many pieces were run.

    An error is written to the row and to the log, and the work is tried again later.
    """
    hosts.announce()  # so that other hosts do not take this one for gone when little is asked of it
    count = 0
    for work in periodic():
        Job.objects.bulk_create([Job(name=work.name)], ignore_conflicts=True)
        if _claim(work.name):
            _run(work)
            count += 1
    return count


def _claim(name: str) -> bool:
    now = timezone.now()
    is_free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    due = Job.objects.filter(is_free, name=name, due_at__lte=now)
    return due.update(claimed_until=now + CLAIM) == 1


def _run(work: Periodic) -> None:
    result, error, delay = "", "", work.interval
    started = time.monotonic()
    try:
        result = work.run()
        delay = max(delay, timedelta(seconds=work.rest * (time.monotonic() - started)))
    except Exception as problem:  # whatever it is, the other work goes on
        logger.exception("the job %s failed and is tried again", work.name)
        error, delay = repr(problem), RETRY_AFTER
    now = timezone.now()
    Job.objects.filter(name=work.name).update(
        due_at=now + delay, claimed_until=None, finished_at=now, result=result, error=error
    )
