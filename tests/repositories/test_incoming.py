"""Uploads in flight: seen by those who may push, ended by whose they are and by maintainers."""

import uuid

import pytest
from django.core.exceptions import PermissionDenied
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import AuditEvent
from repositories import incoming, uploads
from repositories.access import ANONYMOUS, Principal
from repositories.models import Repository, RepositoryGrant, Upload
from repositories.storage import storage
from repositories.uploads import Chunk
from tests.people import user_of
from tests.repositories.content import APP

pytestmark = pytest.mark.django_db


@pytest.fixture
def upload(writer: Principal, repository: Repository) -> Upload:
    session = uploads.start(principal=writer, repository=APP)
    uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"12345"]))
    return Upload.objects.get(pk=session.id)


def test_who_may_push_sees_whose_it_is_and_how_far_it_has_come(
    upload: Upload, writer: Principal, maintainer: Principal, administrator: Principal
) -> None:
    for principal in (writer, maintainer, administrator):
        (found,) = incoming.listing(principal=principal)
        assert (found.repository.name, found.started_by) == (APP, "writer")
        assert incoming.size(found) == 5


@pytest.mark.usefixtures("upload")
def test_others_see_nothing_of_it(
    reader: Principal, stranger: Principal, nobody: Principal, writer: Principal
) -> None:
    for visibility in Repository.Visibility.values:
        Repository.objects.update(visibility=visibility)
        for principal in (reader, stranger, nobody):
            assert list(incoming.listing(principal=principal)) == []
    assert list(incoming.listing(principal=writer, repository="payments/other")) == []
    assert len(incoming.listing(principal=writer, repository=APP)) == 1
    repository = Repository.objects.get(name=APP)
    RepositoryGrant.objects.create(repository=repository, user=user_of(stranger), role=20)
    assert len(incoming.listing(principal=stranger)) == 1


def test_an_upload_whose_bytes_are_gone_has_none(upload: Upload) -> None:
    storage().delete_upload(str(upload.pk))
    assert incoming.size(upload) == 0


@pytest.mark.parametrize("role", ["writer", "maintainer", "owner", "administrator"])
def test_who_started_it_or_may_delete_there_ends_it(
    role: str, upload: Upload, request: pytest.FixtureRequest
) -> None:
    principal: Principal = request.getfixturevalue(role)
    assert incoming.may_cancel(principal=principal, upload=upload)
    incoming.cancel(principal=principal, upload=upload.pk)

    assert not Upload.objects.exists()
    assert list(storage().uploads()) == []
    event = AuditEvent.objects.get(action="upload.cancel")
    assert (event.actor, event.target) == (principal.name, f"{APP}@{upload.pk}")


def test_a_colleague_who_only_writes_may_not(
    upload: Upload, stranger: Principal, repository: Repository
) -> None:
    RepositoryGrant.objects.create(repository=repository, user=user_of(stranger), role=20)
    assert not incoming.may_cancel(principal=stranger, upload=upload)
    with pytest.raises(PermissionDenied):
        incoming.cancel(principal=stranger, upload=upload.pk)
    assert Upload.objects.exists()


@pytest.mark.parametrize("role", ["reader", "stranger", "nobody"])
def test_for_others_it_does_not_exist(
    role: str, upload: Upload, request: pytest.FixtureRequest
) -> None:
    for id in (upload.pk, uuid.uuid4()):
        with pytest.raises(Upload.DoesNotExist):
            incoming.cancel(principal=request.getfixturevalue(role), upload=id)
    assert Upload.objects.exists()


def test_where_everybody_may_push_nobody_in_particular_ends_anothers(
    upload: Upload, settings: Settings
) -> None:
    settings.ANONYMOUS_ACCESS = "push"
    Repository.objects.update(visibility="public")
    Upload.objects.update(started_by="")
    assert len(incoming.listing(principal=ANONYMOUS)) == 1
    with pytest.raises(PermissionDenied):
        incoming.cancel(principal=ANONYMOUS, upload=upload.pk)
    settings.OPEN_ACCESS = True
    incoming.cancel(principal=ANONYMOUS, upload=upload.pk)
    assert not Upload.objects.exists()


@pytest.mark.usefixtures("upload")
def test_the_list_takes_two_queries_however_long(
    writer: Principal, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(5):
        uploads.start(principal=writer, repository=APP)
    with django_assert_num_queries(2):
        rows = list(incoming.listing(principal=writer))
        assert [row.repository.name for row in rows] == [APP] * 6
    assert rows == sorted(rows, key=lambda row: row.started_at, reverse=True)
