"""Who may look into which layer."""

import pytest
from django.core.exceptions import ValidationError
from pytest_django import Settings

from repositories import contents
from repositories.access import Principal
from repositories.models import Repository
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, ManifestUnknown, NameUnknown, Unauthorized
from tests.oci.documents import LAYER_TYPE, descriptor, image, index
from tests.repositories.content import APP, described, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db
OTHER = "payments/other"
FOREIGN_TYPE = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"


def look(principal: Principal, content: bytes, *, repository: str = APP, of: str = "") -> str:
    found = contents.layer(
        principal=principal, repository=repository, digest=Digest.of(content), image=of
    )
    return found.image


def test_a_layer_is_found_with_an_image_that_has_it(writer: Principal, reader: Principal) -> None:
    pushed = push_image(writer, b"layer")
    assert look(reader, b"layer") == str(pushed.digest)
    assert look(reader, b"layer", of=str(pushed.digest)) == str(pushed.digest)


def test_a_blob_of_no_image_can_be_looked_into_too(writer: Principal) -> None:
    push_blob(writer, b"blob")
    assert look(writer, b"blob") == ""


def test_a_blob_of_another_repository_is_unknown(writer: Principal) -> None:
    push_image(writer, b"layer")
    secret = push_image(writer, b"secret", repository=OTHER)
    with pytest.raises(BlobUnknown):
        look(writer, b"secret")
    with pytest.raises(ManifestUnknown):
        look(writer, b"secret", of=str(secret.digest))
    with pytest.raises(BlobUnknown):
        look(writer, b"never pushed")


def test_private_looks_like_missing(
    writer: Principal, stranger: Principal, nobody: Principal, settings: Settings
) -> None:
    pushed = push_image(writer, b"layer")
    for principal, error in ((stranger, NameUnknown), (nobody, Unauthorized)):
        for access in ("none", "pull"):
            settings.ANONYMOUS_ACCESS = access
            told = []
            for name in (APP, "nowhere/app"):
                with pytest.raises(error) as raised:
                    look(principal, b"layer", repository=name)
                told.append(raised.value.message)
                with pytest.raises(error):
                    contents.image(principal=principal, repository=name, digest=pushed.digest)
            assert told[0] == told[1]


def test_everybody_may_look_where_everybody_may_pull(
    writer: Principal, stranger: Principal, nobody: Principal, settings: Settings
) -> None:
    pushed = push_image(writer, b"layer")
    Repository.objects.update(visibility=Repository.Visibility.PUBLIC)
    settings.ANONYMOUS_ACCESS = "pull"
    for principal in (stranger, nobody):
        assert look(principal, b"layer")
        found = contents.image(principal=principal, repository=APP, digest=pushed.digest)
        assert [layer.digest for layer in found.layers] == [Digest.of(b"layer")]


def test_an_encrypted_layer_is_refused_with_the_reason(writer: Principal) -> None:
    layers = [descriptor(b"secret", f"{LAYER_TYPE}+encrypted")]
    for content in (b"{}", b"secret"):
        push_blob(writer, content)
    push_document(writer, image(layers=layers))
    with pytest.raises(ValidationError, match="encrypted"):
        look(writer, b"secret")


def test_a_layer_whose_bytes_are_elsewhere_is_refused_with_the_reason(writer: Principal) -> None:
    push_blob(writer, b"{}")
    pushed = push_document(writer, image(layers=[descriptor(b"windows", FOREIGN_TYPE)]))
    with pytest.raises(ValidationError, match="not distributable"):
        look(writer, b"windows", of=str(pushed.digest))
    with pytest.raises(BlobUnknown):
        look(writer, b"windows")


def test_an_index_has_no_files_of_its_own(writer: Principal) -> None:
    pushed = push_document(writer, index(described(push_image(writer, b"layer"))))
    with pytest.raises(ValidationError, match="choose one of its images"):
        contents.image(principal=writer, repository=APP, digest=pushed.digest)
