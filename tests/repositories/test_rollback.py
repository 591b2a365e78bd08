"""A tag goes back to what it named before, as a push of it would have it."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import AuditEvent
from repositories import deletion, garbage, manifests, rollback, trash
from repositories.access import Principal
from repositories.models import Repository, TagChange
from repositories.oci.digests import Digest
from tests.oci import documents
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db


def roll_back(principal: Principal, digest: Digest | str, tag: str = "v1") -> None:
    rollback.roll_back(principal=principal, repository=APP, tag=tag, digest=str(digest))


def named(tag: str = "v1") -> str:
    return manifests.read(repository=APP, reference=tag).digest


def test_a_tag_names_again_what_it_named(writer: Principal) -> None:
    old = push_image(writer, b"old", tags=["v1"])
    push_image(writer, b"new", tags=["v1"])
    roll_back(writer, old.digest)

    assert named() == str(old.digest)
    last = TagChange.objects.filter(name="v1").latest("pk")
    assert (last.digest, last.changed_by) == (str(old.digest), "writer")
    event = AuditEvent.objects.get(action="tag.rollback")
    assert (event.actor, event.target) == ("writer", f"{APP}:v1")
    assert event.detail == {"digest": str(old.digest)}
    assert AuditEvent.objects.filter(action="manifest.push").count() == 3


def test_a_tag_that_was_deleted_comes_back_with_its_image(maintainer: Principal) -> None:
    one = push_image(maintainer, b"one")
    index = push_document(maintainer, documents.index(described(one)), tags=["v1"])
    signature = push_image(maintainer, b"signature", subject=described(one))
    deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    roll_back(maintainer, index.digest)

    assert named() == str(index.digest)
    for digest in (one.digest, signature.digest):
        assert manifests.read(repository=APP, reference=str(digest))


def test_a_digest_that_is_gone_is_refused(maintainer: Principal) -> None:
    old = push_image(maintainer, b"old", tags=["v1"])
    push_image(maintainer, b"new", tags=["v1", "kept"])
    deletion.delete(principal=maintainer, repository=APP, names=[], digests=[str(old.digest)])
    garbage.collect(grace=timedelta(0), insist=True)
    trash.purge(grace=timedelta(0))
    before = named()
    with pytest.raises(ValidationError, match="is gone"):
        roll_back(maintainer, old.digest)
    assert named() == before


@pytest.mark.parametrize(
    "digest", ["", "sha256:" + 64 * "0", "v1", "\0", "sha256:\0", "sha256:'\"<script>"]
)
def test_only_what_the_tag_has_named_is_taken(digest: str, writer: Principal) -> None:
    push_image(writer, b"layer", tags=["v1"])
    push_image(writer, b"layer", b"another", tags=["v2"])
    with pytest.raises(ValidationError, match="never named"):
        roll_back(writer, digest)
    with pytest.raises(ValidationError, match="never named"):
        roll_back(writer, named("v2"))


def test_only_who_may_push_puts_a_tag_back(
    writer: Principal, reader: Principal, stranger: Principal
) -> None:
    old = push_image(writer, b"old", tags=["v1"])
    push_image(writer, b"new", tags=["v1"])
    before = named()
    with pytest.raises(PermissionDenied):
        roll_back(reader, old.digest)
    with pytest.raises(Repository.DoesNotExist):
        roll_back(stranger, old.digest)
    assert named() == before
