"""Quotas: what counts, when it is checked, and that collecting gives it back."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from repositories import blobs, deletion, garbage, jobs, limit_settings, quotas, uploads
from repositories.access import Principal
from repositories.models import BlobLink, RepositoryLimits, TeamLimits, Upload
from repositories.oci.digests import Digest
from repositories.oci.errors import QuotaExceeded
from repositories.uploads import Chunk
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, push_blob, push_image

pytestmark = pytest.mark.django_db

OTHER = "payments/other"


def of_team(principal: Principal, quota: int | None) -> None:
    limit_settings.set_team_quota(principal=principal, team="payments", quota=quota)


def of_app(principal: Principal, quota: int | None) -> None:
    limit_settings.set_repository_quota(principal=principal, name=APP, quota=quota)


def used() -> int:
    return TeamLimits.objects.get().used


def stored() -> int:
    """The distinct bytes of the team, counted the long way."""
    return sum(dict(BlobLink.objects.values_list("blob_id", "size")).values())


@pytest.fixture
def full(team: Team, administrator: Principal, writer: Principal) -> Principal:
    """The writer of a team that has 10 bytes, and may have as many."""
    push_blob(writer, b"0123456789")
    of_team(administrator, 10)
    return writer


def test_what_fits_to_the_byte_is_taken_and_no_byte_more(
    team: Team, administrator: Principal, writer: Principal
) -> None:
    of_team(administrator, 10)
    push_blob(writer, b"01234")
    with pytest.raises(QuotaExceeded) as refused:
        push_blob(writer, b"567890")
    assert refused.value.detail == {"team": "payments", "quota": 10, "used": 5, "wanted": 6}
    assert "an administrator" in refused.value.message
    push_blob(writer, b"56789")
    assert stored() == used() == 10


def test_a_blob_counts_once_in_the_team_and_once_in_each_repository(
    administrator: Principal, writer: Principal, full: Principal
) -> None:
    push_blob(writer, b"0123456789", repository=OTHER)
    mounted = blobs.mount(
        principal=writer,
        repository="payments/third",
        source=APP,
        digest=Digest.of(b"0123456789"),
    )
    assert mounted
    limit_settings.set_repository_quota(principal=administrator, name=OTHER, quota=12)
    of_team(administrator, None)
    with pytest.raises(QuotaExceeded) as refused:
        push_blob(writer, b"abc", repository=OTHER)
    assert refused.value.detail == {"repository": OTHER, "quota": 12, "used": 10, "wanted": 3}
    assert "an owner of the team" in refused.value.message
    push_blob(writer, b"abc")


def test_other_teams_are_not_counted(administrator: Principal, full: Principal) -> None:
    push_blob(administrator, b"abc", repository="research/app")
    with pytest.raises(QuotaExceeded):
        blobs.mount(
            principal=administrator,
            repository=APP,
            source="research/app",
            digest=Digest.of(b"abc"),
        )
    assert not BlobLink.objects.filter(repository__name=APP, blob__digest=Digest.of(b"abc"))


def test_a_first_push_is_held_by_the_teams_quota_and_makes_nothing(full: Principal) -> None:
    with pytest.raises(QuotaExceeded):
        push_blob(full, b"abc", repository="payments/new")
    assert not RepositoryLimits.objects.exists()


def test_who_is_over_opens_no_upload(administrator: Principal, full: Principal) -> None:
    uploads.start(principal=full, repository=APP)  # full is not over
    of_team(administrator, 9)
    with pytest.raises(QuotaExceeded):
        uploads.start(principal=full, repository=APP)
    assert Upload.objects.count() == 1


def test_what_is_known_to_be_too_long_is_not_read(full: Principal) -> None:
    read = []

    def unread() -> Iterator[bytes]:
        read.append(1)
        yield b""

    content = b"x" * 11
    with pytest.raises(QuotaExceeded):
        uploads.push_whole(
            principal=full,
            repository=APP,
            digest=Digest.of(content),
            content=unread(),
            length=len(content),
        )
    upload = uploads.start(principal=full, repository=APP).id
    with pytest.raises(QuotaExceeded):
        uploads.append(repository=APP, upload=upload, chunk=Chunk(unread(), length=11))
    with pytest.raises(QuotaExceeded):
        uploads.finish(
            repository=APP,
            upload=upload,
            digest=Digest.of(content),
            chunk=Chunk(unread(), length=11),
        )
    assert read == []


def test_a_stream_that_goes_beyond_is_stopped_there(full: Principal) -> None:
    given = []

    def endless() -> Iterator[bytes]:
        while True:
            given.append(1)
            yield b"abc"

    upload = uploads.start(principal=full, repository=APP).id
    with pytest.raises(QuotaExceeded):
        uploads.append(repository=APP, upload=upload, chunk=Chunk(endless()))
    assert len(given) == 4  # the largest blob that the team has, and could be meant, has ten bytes
    assert uploads.status(repository=APP, upload=upload).size == 9


def test_a_blob_that_the_team_has_comes_in_however_it_is_pushed(full: Principal) -> None:
    content, digest = b"0123456789", Digest.of(b"0123456789")
    for chunk in (Chunk([content], length=10), Chunk([content])):
        upload = uploads.start(principal=full, repository=OTHER).id
        uploads.append(repository=OTHER, upload=upload, chunk=chunk)
        uploads.finish(repository=OTHER, upload=upload, digest=digest, chunk=Chunk([]))
    push_blob(full, content, repository="payments/third")
    assert used() == 10


def test_an_upload_that_is_refused_at_its_end_stays_and_is_finished_when_there_is_room(
    administrator: Principal, full: Principal
) -> None:
    upload, digest = uploads.start(principal=full, repository=APP).id, Digest.of(b"abc")
    uploads.append(repository=APP, upload=upload, chunk=Chunk([b"abc"]))
    with pytest.raises(QuotaExceeded):
        uploads.finish(repository=APP, upload=upload, digest=digest, chunk=Chunk([]))
    assert uploads.status(repository=APP, upload=upload).size == 3
    of_team(administrator, 13)
    uploads.finish(repository=APP, upload=upload, digest=digest, chunk=Chunk([]))
    assert stored() == used() == 13


def test_collecting_gives_back_what_was_deleted(
    administrator: Principal, maintainer: Principal, team: Team
) -> None:
    push_image(maintainer, b"x" * 100, tags=["v1"])
    of_team(administrator, 100 + len(CONFIG))
    with pytest.raises(QuotaExceeded):
        push_blob(maintainer, b"y" * 100)
    deletion.delete(principal=maintainer, repository=APP, names=["v1"])
    with pytest.raises(QuotaExceeded):
        push_blob(maintainer, b"y" * 100)  # still linked
    garbage.collect(grace=timedelta(0), insist=True)
    push_blob(maintainer, b"y" * 100)
    assert stored() <= 100 + len(CONFIG)


def test_a_deleted_repository_gives_back_at_once(
    administrator: Principal, maintainer: Principal, full: Principal
) -> None:
    of_app(administrator, 10)
    deletion.delete_repository(principal=maintainer, repository=APP)
    push_blob(full, b"abcdefghij", repository=OTHER)
    assert stored() == 10


def test_the_job_counts_what_pages_show(full: Principal, administrator: Principal) -> None:
    TeamLimits.objects.update(used=99)
    of_app(administrator, 50)
    RepositoryLimits.objects.update(used=99)
    jobs.measure_storage()
    assert used() == RepositoryLimits.objects.get().used == 10


def test_manifests_do_not_count(administrator: Principal, maintainer: Principal) -> None:
    push_blob(maintainer, CONFIG)
    of_team(administrator, len(CONFIG))
    push_image(maintainer, tags=["v1"], annotations={"long": "x" * 1000})
    assert used() == len(CONFIG)


@pytest.mark.parametrize(("size", "is_told"), [(89, False), (90, True), (100, True)])
def test_who_pushes_is_told_when_the_quota_is_nearly_full(
    size: int, is_told: bool, team: Team, administrator: Principal, writer: Principal
) -> None:
    of_team(administrator, 100)
    content = b"x" * size
    fill = uploads.push_whole(
        principal=writer, repository=APP, digest=Digest.of(content), content=[content]
    )
    assert (fill is not None) == is_told
    if fill:
        text = f"the team payments uses {size} bytes of its quota of 100 bytes ({size} %)"
        assert str(fill) == text


def test_the_fullest_of_both_quotas_is_told_of(
    administrator: Principal, writer: Principal, full: Principal
) -> None:
    of_team(administrator, 100)
    of_app(administrator, 15)
    fill = uploads.push_whole(
        principal=writer, repository=APP, digest=Digest.of(b"abcd"), content=[b"abcd"]
    )
    assert fill == quotas.Fill(f"the repository {APP}", 14, 15)


def test_without_a_quota_nothing_is_asked_for_it(writer: Principal, team: Team) -> None:
    push_blob(writer, b"first")
    with CaptureQueriesContext(connection) as queries:
        push_blob(writer, b"second")
    assert not any("FOR UPDATE" in q["sql"] and "limits" in q["sql"] for q in queries)
    assert not any("SUM(" in q["sql"] or "MAX(" in q["sql"] for q in queries)


def test_with_one_nothing_is_counted_while_there_is_room(
    team: Team, administrator: Principal, writer: Principal
) -> None:
    of_team(administrator, 1000)
    with CaptureQueriesContext(connection) as queries:
        push_blob(writer, b"some")
    assert not any("SUM(" in q["sql"] or "MAX(" in q["sql"] for q in queries)


def test_quota_zero_takes_nothing_but_the_empty_blob(
    team: Team, administrator: Principal, writer: Principal
) -> None:
    of_team(administrator, 0)
    push_blob(writer, b"")
    with pytest.raises(QuotaExceeded):
        push_blob(writer, b"x")


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (10 * 2**30, "10 GiB"),
    ],
)
def test_sizes_in_words(size: int, text: str) -> None:
    assert quotas.in_words(size) == text
