"""Pulls are counted without a query of their own, and written in batches."""

import os
import threading
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from repositories import manifests, pulls
from repositories.access import Principal
from repositories.models import Manifest, Pull, Repository, Tag
from tests.live import wait_for
from tests.oci.documents import image, index
from tests.repositories.content import APP, push_document, push_image


@pytest.fixture(autouse=True)
def _own_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each test, whose thread writes nothing by itself."""
    collector = pulls._Collector()
    collector._pid = os.getpid()
    monkeypatch.setattr(pulls, "_collector", collector)


def pull(principal: Principal, reference: str, *, times: int = 1, repository: str = APP) -> None:
    """What a GET does."""
    found = manifests.read(repository=repository, reference=reference)
    for _ in range(times):
        pulls.note(
            repository_id=found.repository_id,
            manifest_id=found.id,
            tag_id=found.tag_id,
            reference=reference,
            digest=found.digest,
            principal_name=principal.name,
        )


def counts() -> tuple[list[int], list[int], list[int]]:
    """Those of repositories, manifests, and tags by name."""
    return (
        list(Repository.objects.order_by("name").values_list("pull_count", flat=True)),
        list(Manifest.objects.order_by("pk").values_list("pull_count", flat=True)),
        list(Tag.objects.order_by("name").values_list("pull_count", flat=True)),
    )


@pytest.mark.django_db
class TestCounting:
    def test_each_pull_counts_for_the_repository_the_manifest_and_the_tag(
        self, writer: Principal, reader: Principal
    ) -> None:
        pushed = push_image(writer, b"layer", tags=["latest", "v1"])
        before = timezone.now()
        pull(reader, "latest", times=3)
        pull(writer, "latest")
        pull(reader, str(pushed.digest), times=2)

        assert counts() == ([0], [0], [0, 0])
        assert pulls.flush()
        assert counts() == ([6], [6], [4, 0])
        for row in (
            Repository.objects.get(),
            Manifest.objects.get(),
            Tag.objects.get(name="latest"),
        ):
            assert row.pulled_at is not None
            assert row.pulled_at >= before
        assert Tag.objects.get(name="v1").pulled_at is None
        rows = Pull.objects.order_by("tag", "pulled_by").values_list("tag", "pulled_by", "count")
        assert list(rows) == [("", "reader", 2), ("latest", "reader", 3), ("latest", "writer", 1)]
        assert {row.digest for row in Pull.objects.all()} == {str(pushed.digest)}

    def test_a_batch_is_written_once(self, writer: Principal) -> None:
        push_image(writer, b"layer", tags=["v1"])
        pull(writer, "v1")
        pulls.flush()
        pulls.flush()
        pull(writer, "v1")
        pulls.flush()

        assert counts() == ([2], [2], [2])
        assert Pull.objects.count() == 2

    def test_noting_a_pull_asks_the_database_nothing(
        self, writer: Principal, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        push_image(writer, b"layer", tags=["v1"])
        with django_assert_num_queries(1):
            pull(writer, "v1", times=100)

    def test_where_nothing_was_pulled_nothing_is_asked(
        self, db: None, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        with django_assert_num_queries(0):
            assert pulls.flush()

    def test_more_rows_take_no_more_queries(self, writer: Principal) -> None:
        found = []
        for size in (2, 40):
            names = [f"v{number}" for number in range(size)]
            push_document(writer, index(annotations={"size": str(size)}), tags=names)
            for name in names:
                pull(writer, name)
            with CaptureQueriesContext(connection) as queries:
                pulls.flush()
            found.append(len(queries))
        assert found[0] == found[1] <= 10

    def test_a_tag_that_was_deleted_meanwhile_is_left_out(self, writer: Principal) -> None:
        push_image(writer, b"layer", tags=["v1", "v2"])
        pull(writer, "v1")
        pull(writer, "v2")
        Tag.objects.filter(name="v1").delete()

        assert pulls.flush()
        assert counts() == ([2], [2], [1])
        assert Pull.objects.count() == 2

    def test_so_is_a_manifest_or_a_whole_repository(self, writer: Principal) -> None:
        push_document(writer, index(), tags=["v1"])
        push_document(writer, index(), tags=["v1"], repository="payments/gone")
        pull(writer, "v1")
        pull(writer, "v1", repository="payments/gone")
        Manifest.objects.filter(repository__name=APP).delete()
        Repository.objects.filter(name="payments/gone").delete()

        assert pulls.flush()
        assert counts() == ([1], [], [])
        assert Pull.objects.get().repository.name == APP

    def test_what_is_kept_has_a_bound(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "MAX_KEYS", 2)
        push_document(writer, index(), tags=["v1", "v2", "v3"])
        for name in ("v1", "v2", "v3", "v1"):
            pull(writer, name)
        pulls.flush()

        assert counts() == ([3], [3], [2, 1, 0])

    def test_a_database_that_fails_gets_the_counts_later(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_document(writer, index(), tags=["v1"])
        pull(writer, "v1", times=2)

        def fail(*_: object, **__: object) -> None:
            raise OperationalError("the database is starting up")

        with monkeypatch.context() as patch:
            patch.setattr(pulls, "_write", fail)
            patch.setattr(connection, "close", lambda: None)
            assert not pulls.flush()
        pull(writer, "v1")
        assert pulls.flush()
        assert counts() == ([3], [3], [3])

    def test_many_are_written_in_pieces(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "_PIECE", 2)
        names = [f"v{number}" for number in range(7)]
        push_document(writer, index(), tags=names)
        for name in names:
            pull(writer, name)
        pulls.flush()

        assert counts() == ([7], [7], [1] * 7)

    def test_old_pulls_are_purged_and_the_counts_stay(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "_PIECE", 2)
        push_document(writer, index(), tags=["v1"])
        for _ in range(6):
            pull(writer, "v1")
            pulls.flush()
        old = list(Pull.objects.values_list("pk", flat=True))[:5]
        Pull.objects.filter(pk__in=old).update(at=timezone.now() - timedelta(days=31))

        assert pulls.purge(age=pulls.KEPT) == 5
        assert (Pull.objects.count(), counts()[0]) == (1, [6])


@pytest.mark.django_db
class TestLastPush:
    def test_it_is_set_by_every_push_of_a_manifest(self, writer: Principal) -> None:
        Repository.objects.all().delete()
        push_document(writer, index(), tags=["v1"])
        first = Repository.objects.get().pushed_at
        assert first is not None
        long_ago = first - timedelta(days=1)
        Repository.objects.update(pushed_at=long_ago)
        push_document(writer, index(), tags=["v1"])
        again = Repository.objects.get().pushed_at

        assert again is not None
        assert again >= first

    def test_a_blob_alone_is_no_push(self, writer: Principal, repository: Repository) -> None:
        push_image(writer, b"layer", repository="payments/other")
        repository.refresh_from_db()
        assert repository.pushed_at is None

    def test_it_takes_one_statement(self, writer: Principal) -> None:
        push_image(writer, b"layer")
        with CaptureQueriesContext(connection) as queries:
            push_document(writer, image(b"layer"), tags=["v1"])
        updates = [q["sql"] for q in queries if q["sql"].lstrip().startswith("UPDATE")]
        assert len([sql for sql in updates if "pushed_at" in sql and "repository" in sql]) == 1


class TestThread:
    @pytest.fixture
    def written(self, monkeypatch: pytest.MonkeyPatch) -> list[int]:
        """How many pulls each batch has, which is written nowhere."""
        batches: list[int] = []

        def write(counts: dict[object, int], *, wait: bool) -> dict[object, int]:
            batches.append(sum(counts.values()))
            return {}

        monkeypatch.setattr(pulls, "_write", write)
        monkeypatch.setattr(pulls, "_collector", pulls._Collector())
        monkeypatch.setattr("atexit.register", lambda *_, **__: None)
        return batches

    def note(self, tag: str) -> None:
        pulls.note(
            repository_id=1,
            manifest_id=1,
            tag_id=1,
            reference=tag,
            digest="sha256:x",
            principal_name="",
        )

    def test_it_writes_after_a_while_and_goes_on(
        self, written: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "FLUSH_SECONDS", 0.02)
        for total in (1, 2):
            self.note("v1")
            wait_for(lambda total=total: sum(written) == total, seconds=30, what="the count")  # type: ignore[misc]
        assert written == [1, 1]

    def test_it_writes_at_once_when_many_wait(
        self, written: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "FLUSH_KEYS", 3)
        for tag in ("v1", "v2", "v2", "v3"):
            self.note(tag)
        wait_for(lambda: sum(written) == 4, seconds=30, what="the count")

    def test_it_goes_on_after_a_mistake(
        self, written: list[int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(pulls, "FLUSH_SECONDS", 0.02)
        failed = threading.Event()

        def fail(*_: object, **__: object) -> None:
            failed.set()
            raise ZeroDivisionError

        with monkeypatch.context() as patch:
            patch.setattr(pulls, "_write", fail)
            self.note("v1")
            assert failed.wait(30)
        self.note("v1")
        wait_for(lambda: written == [1], seconds=30, what="the next count")

    def test_each_process_has_one_of_its_own(self, written: list[int]) -> None:
        before = threading.active_count()
        self.note("v1")
        self.note("v1")
        assert threading.active_count() == before + 1
        pulls._collector._pid = -1  # as in a fork
        self.note("v1")
        assert threading.active_count() == before + 2


@pytest.mark.django_db(transaction=True)
def test_who_changes_a_row_is_not_waited_for(writer: Principal) -> None:
    """A push takes tags before its repository: waiting for it could end in a deadlock."""
    push_document(writer, index(), tags=["v1", "v2"])
    pull(writer, "v1")
    pull(writer, "v2")

    def flush() -> None:
        pulls._collector.flush()
        connections.close_all()

    with transaction.atomic():
        list(Tag.objects.select_for_update().filter(name="v1"))
        thread = threading.Thread(target=flush)
        thread.start()
        thread.join(60)
        assert not thread.is_alive()
    if connection.vendor == "postgresql":  # SQLite has one writer at a time, and locks no rows
        assert counts() == ([1], [1], [0, 1])
    assert pulls.flush()
    assert counts() == ([2], [2], [1, 1])
