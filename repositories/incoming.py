"""Uploads in flight, as people see and end them: whose they are, and how far they have come.

`uploads.py` is what clients do with them.
"""

from collections.abc import Collection
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from repositories import uploads
from repositories.access import Action, Principal, allowed, deletable_by, pushable_by
from repositories.audit import record
from repositories.models import Repository, Upload
from repositories.storage import storage
from repositories.storage.base import UploadGone


def listing(*, principal: Principal, repository: str = "") -> QuerySet[Upload]:
    """The uploads into repositories that `principal` may push to, those started last first."""
    found = Upload.objects.select_related("repository")
    if not principal.is_unlimited:
        # Row by row: few uploads are in flight, and an `IN` would gather all repositories first.
        found = found.filter(Exists(pushable_by(principal).filter(pk=OuterRef("repository"))))
    if repository:
        found = found.filter(repository__name=repository)
    return found.order_by("-started_at", "-pk")


def into(repository: Repository) -> QuerySet[Upload]:
    """The uploads into a repository that the caller has made sure one may push to."""
    return repository.uploads.select_related("repository").order_by("-started_at", "-pk")


def size(upload: Upload) -> int:
    """How many bytes have come; 0 for an upload that ended meanwhile."""
    try:
        return storage().upload_size(str(upload.pk))
    except UploadGone:
        return 0


def may_cancel(*, principal: Principal, upload: Upload) -> bool:
    """Whether the principal started the upload, or may delete in its repository."""
    is_own = bool(principal.name) and upload.started_by == principal.name
    return is_own or Action.DELETE in allowed(principal=principal, name=upload.repository.name)


def cancellable(*, principal: Principal, found: Collection[Upload]) -> set[UUID]:
    """Those of the uploads `found` that `may_cancel` is true of, in two queries at most."""
    if principal.is_unlimited:
        return {upload.pk for upload in found}
    own = {row.pk for row in found if principal.name and row.started_by == principal.name}
    others = {row.repository_id for row in found if row.pk not in own}
    if not others:
        return own
    theirs = set(deletable_by(principal).filter(pk__in=others).values_list("pk", flat=True))
    return own | {row.pk for row in found if row.repository_id in theirs}


def cancel(*, principal: Principal, upload: UUID) -> None:
    """Give an upload up, with the bytes that have come.

    Raises Upload.DoesNotExist, PermissionDenied, BlobUploadUnknown when it ends just then.
    """
    row = listing(principal=principal).get(pk=upload)
    if not may_cancel(principal=principal, upload=row):
        raise PermissionDenied(
            _("Only who started an upload, or who may delete in the repository, may cancel it.")
        )
    uploads.cancel(repository=row.repository.name, upload=str(row.pk))
    record(principal, "upload.cancel", f"{row.repository.name}@{row.pk}", by=row.started_by)
