"""How often the database is asked: once on the hot paths, and never more for more rows."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from repositories import access, blobs, catalog, manifests, referrers, tags, uploads
from repositories.access import Action, Principal
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.oci.documents import descriptor, image
from tests.repositories.content import APP, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db


def test_a_manifest_is_one_query(
    administrator: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    pushed = push_image(administrator, b"layer", tags=["v1"])
    for reference in ("v1", str(pushed.digest)):
        with django_assert_num_queries(1):
            access.require(principal=administrator, action=Action.PULL, name=APP)
            manifests.read(repository=APP, reference=reference)


def test_a_blob_is_one_query(
    administrator: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    digest = push_blob(administrator, b"layer")
    with django_assert_num_queries(1):
        access.require(principal=administrator, action=Action.PULL, name=APP)
        blobs.find(repository=APP, digest=digest)


def test_the_status_of_an_upload_is_one_query(
    administrator: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    session = uploads.start(principal=administrator, repository=APP)
    with django_assert_num_queries(1):
        uploads.status(repository=APP, upload=session.id)


@pytest.mark.parametrize("role", ["nobody", "stranger", "reader", "writer", "maintainer"])
def test_a_permission_is_at_most_two_queries(role: str, request: pytest.FixtureRequest) -> None:
    principal: Principal = request.getfixturevalue(role)
    with CaptureQueriesContext(connection) as queries:
        access.allowed(principal=principal, name=APP)

    assert len(queries) <= 2


def list_everything(principal: Principal, subject: Digest) -> int:
    """How many queries all the lists take together."""
    with CaptureQueriesContext(connection) as queries:
        assert catalog.listing(principal=principal, limit=1000)
        assert tags.listing(repository=APP, limit=1000)
        assert referrers.listing(repository=APP, subject=subject).entries
    return len(queries)


@pytest.mark.parametrize("role", ["writer", "administrator"])
def test_a_longer_list_takes_no_more_queries(role: str, request: pytest.FixtureRequest) -> None:
    principal: Principal = request.getfixturevalue(role)
    subject = descriptor(b"subject", media_types.OCI_MANIFEST)
    counts = []
    for size in (1, 10):
        for number in range(size):
            fields: dict[str, Any] = {"subject": subject, "annotations": {"number": str(number)}}
            push_image(principal, b"layer", tags=[f"v{number}"], **fields)
            push_image(principal, b"layer", repository=f"payments/app{number}")
        counts.append(list_everything(principal, Digest.of(b"subject")))

    assert counts[0] == counts[1] <= 6


def test_a_push_takes_as_many_queries_for_many_layers_and_tags_as_for_one(
    writer: Principal,
) -> None:
    counts = []
    for size in (1, 40):
        layers = [b"%d of %d" % (number, size) for number in range(size)]
        push_image(writer, *layers)
        document = image(*layers, annotations={"another": "manifest"})
        names = [f"{size}-{number}" for number in range(size)]
        with CaptureQueriesContext(connection) as queries:
            push_document(writer, document, tags=names)
        counts.append(len(queries))

    assert counts[0] == counts[1] < 20
