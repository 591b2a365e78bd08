"""Manifests that no tag leads to: they go after so many days, where the settings say so."""

from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent
from repositories import forecast, manifests, reviews, tags
from repositories.access import Principal
from repositories.models import Blob, Manifest, Review, Tag
from repositories.oci.errors import ManifestUnknown
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.repositories.content import APP, described, push_document, push_image
from tests.repositories.test_garbage import (
    DAY,
    LAYER,
    collect,
    delete_image,
    on_disk,
    pass_time,
    reviews_of_all,
    stored,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def untagged(settings: Settings) -> timedelta:
    """Untagged manifests go after a week."""
    settings.GARBAGE_UNTAGGED = 7
    return timedelta(days=7)


def here() -> set[str]:
    return set(Manifest.objects.values_list("digest", flat=True))


@pytest.mark.usefixtures("untagged")
class TestManifests:
    def test_an_image_whose_tag_was_deleted_goes_with_its_blobs(
        self, writer: Principal, disk: FilesystemStorage
    ) -> None:
        pushed = push_image(writer, LAYER, tags=["v1"])
        pass_time(30)
        tags.delete(principal=writer, repository=APP, name="v1")
        pass_time(6.9)
        collect(DAY)
        assert here() == {str(pushed.digest)}
        pass_time(0.2)
        tally = collect(DAY)

        assert (tally.manifests, tally.links, here()) == (1, 0, set())
        pass_time(1.1)  # it could be undone until now
        tally = collect(DAY)
        assert (tally.links, tally.blobs, on_disk(disk)) == (2, 2, set())
        event = AuditEvent.objects.get(action="manifest.delete")
        assert (event.actor, event.target) == ("garbage collection", f"{APP}@{pushed.digest}")

    def test_an_image_whose_tag_moved_goes(self, writer: Principal) -> None:
        push_image(writer, LAYER, tags=["v1"])
        pass_time(30)
        moved = push_image(writer, b"another", tags=["v1"])
        pass_time(7.1)
        assert collect(DAY).manifests == 1
        assert here() == {str(moved.digest)}

    @pytest.mark.parametrize("how", ["tagged", "pulled", "pushed", "asked for"])
    def test_it_stays_when_somebody_uses_it(self, how: str, writer: Principal) -> None:
        pushed = push_image(writer, LAYER)
        pass_time(7.1)
        if how == "tagged":
            row = Manifest.objects.get()
            Tag.objects.create(repository=row.repository, name="v1", manifest=row)
        elif how == "pulled":
            Manifest.objects.update(pulled_at=timezone.now() - timedelta(days=1))
        elif how == "pushed":
            push_image(writer, LAYER)
        else:
            found = manifests.read(repository=APP, reference=str(pushed.digest))
            manifests.renew(principal=writer, repository=APP, manifest=found)
        collect(DAY)

        assert here() == {str(pushed.digest)}

    def test_a_tagged_index_keeps_its_images_and_a_subject_its_referrers(
        self, writer: Principal
    ) -> None:
        child = push_image(writer, LAYER)
        index = push_document(writer, documents.index(described(child)), tags=["multi"])
        signature = push_image(writer, b"signature", subject=described(child))
        pass_time(30)
        reviews_of_all()
        collect()

        assert here() == {str(child.digest), str(index.digest), str(signature.digest)}

    def test_all_of_an_untagged_index_goes_at_once(self, writer: Principal) -> None:
        child = push_image(writer, LAYER)
        push_document(writer, documents.index(described(child)), tags=["multi"])
        push_image(writer, b"signature", subject=described(child))
        pass_time(30)
        tags.delete(principal=writer, repository=APP, name="multi")
        pass_time(7.1)
        assert (collect(DAY).manifests, here()) == (3, set())
        pass_time(1.1)  # it could be undone until now
        assert (collect(DAY).blobs, stored()) == (3, set())

    def test_what_a_tagged_referrer_speaks_of_stays(self, writer: Principal) -> None:
        subject = push_image(writer, LAYER)
        push_image(writer, b"signature", subject=described(subject), tags=["signed"])
        pass_time(30)
        reviews_of_all()
        collect()
        assert Manifest.objects.count() == 2

    def test_two_that_only_need_each_other_go(self, writer: Principal) -> None:
        image = push_image(writer, LAYER)
        index = documents.index(described(image), subject=described(image))
        push_document(writer, index)
        pass_time(30)
        reviews_of_all()
        assert collect().manifests == 2

    def test_deleting_an_index_nominates_what_it_listed(self, writer: Principal) -> None:
        child = push_image(writer, LAYER)
        index = push_document(writer, documents.index(described(child)), tags=["multi"])
        collect(DAY)
        Review.objects.all().delete()
        pass_time(30)
        delete_image(writer, index.digest)
        pass_time(7.1)
        assert collect(DAY).manifests == 1

    @pytest.mark.parametrize("setting", ["GARBAGE_UNTAGGED", "DELETE_ENABLED"])
    def test_nothing_goes_where_the_settings_keep_it(
        self, setting: str, writer: Principal, settings: Settings
    ) -> None:
        setattr(settings, setting, 0)
        push_image(writer, LAYER, tags=["v1"])
        tags.delete(principal=writer, repository=APP, name="v1")
        pass_time(1000)
        reviews.nominate_forgotten()
        collect()
        assert Manifest.objects.count() == 1
        assert Blob.objects.count() == 2

    def test_what_was_untagged_before_anybody_asked_is_found(
        self, writer: Principal, settings: Settings
    ) -> None:
        settings.GARBAGE_UNTAGGED = 0
        child = push_image(writer, LAYER)
        push_document(writer, documents.index(described(child)), tags=["multi"])
        push_image(writer, b"alone")
        pass_time(30)
        settings.GARBAGE_UNTAGGED = 7
        Review.objects.all().delete()
        reviews.nominate_forgotten()
        pass_time(7.1)

        assert collect(DAY).manifests == 1
        assert Manifest.objects.filter(digest=str(child.digest)).exists()

    def test_a_manifest_that_went_while_it_was_pushed_again_is_stored_again(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pushed = push_image(writer, LAYER)
        monkeypatch.setattr("repositories.reviews.hold", lambda *_: gone(writer, pushed))
        push_document(writer, documents.image(LAYER))
        assert here() == {str(pushed.digest)}

    def test_asking_for_a_manifest_that_has_just_gone_says_so(self, writer: Principal) -> None:
        pushed = push_image(writer, LAYER)
        found = manifests.read(repository=APP, reference=str(pushed.digest))
        Review.objects.all().delete()
        delete_image(writer, pushed.digest)
        with pytest.raises(ManifestUnknown):
            manifests.renew(principal=writer, repository=APP, manifest=found)


def gone(principal: Principal, pushed: manifests.PushedManifest) -> bool:
    delete_image(principal, pushed.digest)
    return False


@pytest.mark.usefixtures("untagged")
def test_more_reviews_than_a_statement_may_have_values_are_forecast() -> None:
    long_ago = timezone.now() - timedelta(days=30)
    Review.objects.bulk_create(
        [
            Review(kind=Review.Kind.MANIFEST, target=number, nominated_at=long_ago)
            for number in range(1, 70_001)
        ],
        batch_size=5_000,
    )
    assert forecast.forecast(grace=DAY).manifests == 0
