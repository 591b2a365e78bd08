"""A tag is put back to what it named before: a push of it, by who may push."""

from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from repositories import administration, manifests, read_only, revival
from repositories.access import Action, Principal, allowed
from repositories.audit import record
from repositories.database import again_on_conflict
from repositories.limits import Limits
from repositories.models import DeletedManifest, Manifest, Repository, TagChange
from repositories.oci.digests import Digest
from repositories.oci.errors import DigestInvalid, ManifestBlobUnknown


@again_on_conflict
def roll_back(*, principal: Principal, repository: str, tag: str, digest: str) -> None:
    """Let the tag name again what it named before.

    What has been deleted meanwhile is put back first, with what it lists and what refers to it,
    while that delete can be undone. For who may push. Raises Repository.DoesNotExist,
    PermissionDenied, ReadOnly, QuotaExceeded, TagImmutable, and ValidationError for a digest that
    the tag never named, or that is gone.
    """
    row = administration.visible_repository(principal, repository)
    if Action.PUSH not in allowed(principal=principal, name=repository):
        raise PermissionDenied(_("Only who may push here may put a tag back."))
    if not _has_named(row, tag, digest):
        raise ValidationError(_("The tag has never named this digest: choose one of its history."))
    with transaction.atomic():
        held = read_only.hold(repository)
        payload, media_type = _found(held, row, digest)
        try:
            manifests.push(
                principal=principal,
                repository=repository,
                digest=Digest.parse(digest),
                names=[tag],
                payload=payload,
                content_type=media_type,
            )
        except ManifestBlobUnknown as error:
            raise _gone(digest) from error
        record(principal, "tag.rollback", f"{repository}:{tag}", digest=digest)


def _has_named(row: Repository, tag: str, digest: str) -> bool:
    try:
        Digest.parse(digest)
    except DigestInvalid:
        return False
    return TagChange.objects.filter(repository=row, name=tag, digest=digest).exists()


def _found(held: Limits, row: Repository, digest: str) -> tuple[bytes, str]:
    """The manifest, if need be put back from a record. Raises ValidationError."""
    here = Manifest.objects.filter(repository=row, digest=digest)
    if not here.exists():
        ids = revival.kept(repository_id=row.pk, digests=[digest])
        revived = revival.put_back(held=held, repository_id=row.pk, name=row.name, ids=ids)
        if revived.missing:
            raise _gone(digest)
    payload, media_type = here.values_list("payload", "media_type").first() or (None, "")
    if payload is None:
        raise _gone(digest)
    return bytes(payload), media_type


def is_kept(*, repository: Repository, digests: list[str]) -> set[str]:
    """Those of the digests that a record of the repository can bring back, as far as is known."""
    rows = DeletedManifest.objects.filter(deletion__repository=repository, digest__in=digests)
    return set(rows.values_list("digest", flat=True))


def _gone(digest: str) -> ValidationError:
    text = _("%(digest)s is gone: what it was made of is not stored any more. Push it again.")
    return ValidationError(text % {"digest": digest})
