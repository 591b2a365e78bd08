"""Upload sessions that nobody goes on with, and stray bytes of none: removed after a while."""

import logging
from contextlib import suppress
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from repositories import read_only
from repositories.models import Upload
from repositories.storage import storage
from repositories.storage.base import UploadBusy, UploadGone

logger = logging.getLogger(__name__)


def purge(*, age: timedelta, dry_run: bool = False) -> int:
    """Remove sessions that have not grown for `age`, and stray bytes of none; how many.

    One that is being written to, or has grown since we looked, stays; as all do while they could
    not be finished, because the registry is read-only or their repository archived.
    """
    if read_only.is_on():
        return 0
    limit = timezone.now() - age
    grown = {upload.id: upload.modified for upload in storage().uploads()}
    sessions = {str(id): at for id, at in Upload.objects.values_list("id", "started_at").iterator()}
    stale = {
        upload
        for upload in grown.keys() | sessions.keys()
        if max(filter(None, (grown.get(upload), sessions.get(upload)))) <= limit
    }
    archived = Upload.objects.filter(repository__limits__is_archived=True)
    stale -= {str(id) for id in archived.values_list("id", flat=True)}
    count = len(stale) if dry_run else sum(_purge(upload, limit) for upload in stale)
    logger.info("stale uploads %s: %d", "found" if dry_run else "purged", count)
    return count


def _purge(upload: str, limit: datetime) -> bool:
    """Remove an upload and its session, if it has still not grown since `limit`; whether it had
    not. As its writer: no chunk is acknowledged meanwhile."""
    try:
        with storage().write_upload(upload) as writer:
            if writer.modified > limit:
                return False
            Upload.objects.filter(id=upload).delete()
            writer.discard()
            return True
    except UploadBusy:
        return False
    except UploadGone:
        return _purge_row(upload)


def _purge_row(upload: str) -> bool:
    """Remove a session that has lost its bytes, unless it begins anew (see `uploads`)."""
    with transaction.atomic():
        row = Upload.objects.select_for_update().filter(id=upload).first()
        if row is None:
            return False
        with suppress(UploadGone):
            storage().upload_size(upload)
            return False
        row.delete()
        return True
