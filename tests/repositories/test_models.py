"""Constraints: what the database itself refuses, whatever the code above it does."""

import uuid
from collections.abc import Callable

import pytest
from django.core.management import call_command
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from accounts.models import Team
from repositories import usage
from repositories.access import Principal
from repositories.models import (
    Blob,
    BlobLink,
    Host,
    Job,
    Manifest,
    ManifestBlob,
    ManifestChild,
    Pull,
    Repository,
    RepositoryUsage,
    StorageSample,
    Tag,
    TagChange,
    TeamUsage,
    Upload,
)
from tests.oci.documents import index
from tests.people import user_of
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db


def test_the_migrations_make_what_the_models_say() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.fixture
def rows(writer: Principal) -> dict[type[models.Model], models.Model]:
    """One row of each table."""
    image = push_image(writer, b"layer")
    push_document(writer, index(described(image)), tags=["v1"])
    repository = Repository.objects.get()
    Upload.objects.create(repository=repository)
    Job.objects.create(name="sweep")
    Pull.objects.create(
        repository=repository, tag="v1", digest="sha256:x", at=timezone.now(), count=1
    )
    usage.measure()
    Host.objects.create(key="host")
    tables: list[type[models.Model]] = [Repository, Blob, BlobLink, Manifest, ManifestBlob]
    tables += [ManifestChild, Tag, TagChange, Upload, Job, Pull]
    tables += [RepositoryUsage, TeamUsage, StorageSample, Host]
    return {table: table._default_manager.all()[0] for table in tables}


UNIQUE = [Repository, Blob, BlobLink, Manifest, ManifestBlob, ManifestChild, Tag, Job]
UNIQUE += [StorageSample, Host]


@pytest.mark.parametrize("table", UNIQUE)
def test_what_is_one_by_nature_is_one_in_the_database(
    table: type[models.Model], rows: dict[type[models.Model], models.Model]
) -> None:
    row = rows[table]
    row.pk = None
    row._state.adding = True
    with pytest.raises(IntegrityError), transaction.atomic():
        row.save(force_insert=True)


WRONG: list[Callable[[], int]] = [
    lambda: Blob.objects.update(size=-1),
    lambda: Repository.objects.update(visibility="secret"),
    lambda: ManifestBlob.objects.update(position=-1),
]


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("change", WRONG)
def test_values_that_mean_nothing_are_refused(change: Callable[[], int]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        change()


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("table", [Blob, BlobLink, Team])
def test_what_others_depend_on_cannot_be_deleted(table: type[models.Model]) -> None:
    with pytest.raises(models.ProtectedError):
        table._default_manager.all().delete()


@pytest.mark.usefixtures("rows")
def test_the_database_keeps_a_link_that_an_image_needs_from_being_deleted_in_sql() -> None:
    """Not only Django: a race, or a hand in the database, ends at the foreign key."""

    def delete() -> None:
        with transaction.atomic():
            BlobLink.objects.all()._raw_delete(using="default")
            transaction.get_connection().check_constraints()

    with pytest.raises(IntegrityError):
        delete()


@pytest.mark.usefixtures("rows")
def test_a_repository_goes_with_all_that_is_in_it_and_leaves_the_blobs() -> None:
    Manifest.objects.all().delete()  # what their images are made of protects the links
    Repository.objects.all().delete()

    gone = (BlobLink, Manifest, ManifestBlob, ManifestChild, Tag, TagChange, Upload)
    for table in (*gone, Pull, RepositoryUsage):
        assert not table._default_manager.exists()
    assert Blob.objects.count() == 2


@pytest.mark.usefixtures("rows")
def test_a_user_who_leaves_takes_nothing_along(writer: Principal) -> None:
    """Who pushed what is written out, so it can be told afterwards too."""
    Manifest.objects.update(pushed_by=writer.name)
    user_of(writer).delete()

    assert Manifest.objects.filter(pushed_by="writer").count() == 2
    assert TagChange.objects.count() == 1
    assert Upload.objects.exists()


def test_rows_say_what_they_are(rows: dict[type[models.Model], models.Model]) -> None:
    assert str(rows[Repository]) == APP
    assert str(rows[Tag]) == "v1"
    assert str(rows[TagChange]).startswith("v1 -> sha256:")
    assert str(TagChange(name="v1")) == "v1 -> deleted"
    assert uuid.UUID(str(rows[Upload]))
    for row in rows.values():
        assert str(row)
