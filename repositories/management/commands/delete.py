"""`manage.py delete`: a tag, a manifest or a repository, with what only it led to."""

import argparse
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management import CommandError

from accounts.management.local import OPERATOR, LocalCommand
from repositories import deleted, deletion
from repositories.models import Repository
from repositories.oci.digests import Digest
from repositories.oci.errors import DigestInvalid, TagInvalid
from repositories.oci.names import is_repository, validate_tag
from repositories.previews import Preview, Why

_REASONS = {
    Why.TAGGED: "the tag {by} names it",
    Why.LISTED: "the index {by} lists it, which stays",
    Why.ATTACHED: "it is attached to {by}, which stays",
}


class Command(LocalCommand):
    help = (
        "Delete a tag with what only it led to, a manifest with its tags, or a whole repository. "
        "Until the grace is over that can be undone, on the pages and by the API."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("name", help="team/app, team/app:tag or team/app@sha256:…")
        parser.add_argument("--dry-run", action="store_true", help="only say what would go")

    def run(self, *, name: str, dry_run: bool, **_: Any) -> None:
        repository, tag, digest = _parsed(name)
        try:
            found = _act(repository, tag, digest, dry_run=dry_run)
        except Repository.DoesNotExist as error:
            raise CommandError(f"There is no repository {repository!r}.") from error
        except PermissionDenied as error:
            raise CommandError(str(error)) from error
        if (tag or digest) and not (found.tags or found.manifests):
            raise CommandError(f"There is no {name!r}.")
        self._tell(found, would="would be " if dry_run else "")
        end = deleted.until()
        if dry_run:
            return
        if found.deletion and end:
            self.stdout.write(f"it can be undone until {end:%Y-%m-%d %H:%M} (UTC)")
        else:
            self.stdout.write("it cannot be undone")

    def _tell(self, found: Preview, *, would: str) -> None:
        for tag in found.tags:
            self.stdout.write(f"tag {tag}")
        for row in found.going:
            what = row.platform or row.artifact_type or row.media_type
            self.stdout.write(f"manifest {row.digest}  {what}  {row.size} bytes")
        for kept in found.staying:
            reason = _REASONS[kept.why].format(by=kept.by)
            self.stdout.write(f"stays: {kept.digest}: {reason}")
        more = found.staying_count - len(found.staying)
        if more:
            self.stdout.write(f"stays: {more} more")
        self.stdout.write(
            f"{len(found.tags)} tags and {len(found.manifests)} manifests {would}deleted; "
            f"{found.bytes} bytes in {found.blobs} blobs {would}freed by the collector, "
            f"{found.shared_bytes} bytes are needed elsewhere"
        )


def _parsed(text: str) -> tuple[str, str, str]:
    """The repository, and the tag or the digest, if one is named. Raises CommandError."""
    repository, at, digest = text.partition("@")
    tag = ""
    if not at:
        repository, colon, tag = text.partition(":")
        at = colon
    if not is_repository(repository) or (at and not (tag or digest)):
        raise CommandError(f"{text!r} is not NAME, NAME:TAG or NAME@DIGEST.")
    try:
        return (
            repository,
            validate_tag(tag) if tag else "",
            str(Digest.parse(digest)) if digest else "",
        )
    except (DigestInvalid, TagInvalid) as error:
        raise CommandError(error.message) from error


def _act(repository: str, tag: str, digest: str, *, dry_run: bool) -> Preview:
    """Raises Repository.DoesNotExist, PermissionDenied."""
    if not (tag or digest):
        whole = deletion.preview_repository if dry_run else deletion.delete_repository
        return whole(principal=OPERATOR, repository=repository)
    act = deletion.preview if dry_run else deletion.delete
    names, digests = [tag] if tag else [], [digest] if digest else []
    return act(principal=OPERATOR, repository=repository, names=names, digests=digests)
