"""The feed: what happened, in its order, and nothing that one may not see."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Team
from repositories import activity, manifests, reach, tags
from repositories.access import ANONYMOUS, Principal
from repositories.activity import Event, Kind, feed
from repositories.models import Pull, Repository, RepositoryGrant, TagChange
from tests.oci.documents import index
from tests.people import user_of
from tests.repositories.content import APP, push_document

pytestmark = pytest.mark.django_db


def told(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(event.kind.value, event.repository, event.tag) for event in events]


def everything(principal: Principal, *, limit: int = 2, repository: str = "") -> list[Event]:
    """All pages, one after the other."""
    events: list[Event] = []
    after = ""
    while True:
        page = feed(principal=principal, after=after, limit=limit, repository=repository)
        assert len(page.events) <= limit
        events += page.events
        if not page.next:
            return events
        assert page.next != after
        after = page.next


def test_what_happens_to_tags_is_told_with_who_and_what_was_before(
    writer: Principal, maintainer: Principal
) -> None:
    first = push_document(writer, index(annotations={"n": "1"}), tags=["v1"])
    second = push_document(writer, index(annotations={"n": "2"}), tags=["v1"])
    tags.delete(principal=maintainer, repository=APP, name="v1")
    push_document(writer, index(annotations={"n": "1"}), tags=["v1"])
    manifests.delete(principal=maintainer, repository=APP, digest=first.digest)
    one, two = str(first.digest), str(second.digest)

    found = feed(principal=writer, repository=APP)
    assert found.next == ""
    assert [(e.kind.value, e.digest, e.previous, e.by) for e in found.events] == [
        ("deleted", "", one, "maintainer"),
        ("pushed", one, "", "writer"),
        ("deleted", "", two, "maintainer"),
        ("moved", two, one, "writer"),
        ("pushed", one, "", "writer"),
    ]


def test_pulls_stand_among_them_by_time(writer: Principal) -> None:
    push_document(writer, index(), tags=["v1"])
    repository = Repository.objects.get()
    now = timezone.now()
    for minutes, tag in ((-1, "v1"), (1, "")):
        Pull.objects.create(
            repository=repository,
            tag=tag,
            digest="sha256:x",
            pulled_by="reader",
            at=now + timedelta(minutes=minutes),
            count=3,
        )
    found = feed(principal=writer).events
    assert told(found) == [("pulled", APP, ""), ("pushed", APP, "v1"), ("pulled", APP, "v1")]
    assert (found[0].count, found[0].digest, found[0].by) == (3, "sha256:x", "reader")


@pytest.fixture
def busy(team: Team) -> list[Repository]:
    """Four repositories with thirty events each, many at the same times."""
    now = timezone.now()
    repositories = [
        Repository.objects.create(name=f"payments/r{number}", team=team) for number in range(4)
    ]
    for number in range(60):
        at = now - timedelta(minutes=number // 5)
        repository = repositories[number % 4]
        TagChange.objects.create(
            repository=repository, name=f"t{number}", digest="sha256:x", changed_at=at
        )
        Pull.objects.create(
            repository=repository, tag=f"p{number}", digest="sha256:x", at=at, count=1
        )
    return repositories


def order(events: list[Event]) -> list[tuple[object, ...]]:
    return [event.position.rank for event in events]


WAYS = ["of all", "of few", "of many", "of one"]


@pytest.fixture(params=WAYS)
def way(
    request: pytest.FixtureRequest,
    reader: Principal,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> tuple[Principal, str]:
    """Each way that the tables can be read: by whom, and of which repository."""
    if request.param == "of many":
        monkeypatch.setattr(reach, "FEW", 1)
        monkeypatch.setattr(activity, "WINDOW", 7)
    principal = administrator if request.param == "of all" else reader
    return principal, "payments/r1" if request.param == "of one" else ""


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("limit", [1, 2, 7, 50, 200])
def test_pages_give_each_event_once_in_order(way: tuple[Principal, str], limit: int) -> None:
    principal, repository = way
    events = everything(principal, limit=limit, repository=repository)
    assert order(events) == sorted(order(events), reverse=True)
    expected = {f"{kind}{n}" for n in range(60) for kind in "tp"}
    if repository:
        expected = {f"{kind}{n}" for n in range(1, 60, 4) for kind in "tp"}
    assert len(events) == len(expected)
    assert {event.tag for event in events} == expected


def test_new_events_do_not_shift_the_pages(
    way: tuple[Principal, str], busy: list[Repository]
) -> None:
    principal, repository = way
    expected = everything(principal, limit=200, repository=repository)
    page = feed(principal=principal, repository=repository, limit=5)
    seen = page.events
    while page.next:
        TagChange.objects.create(repository=busy[1], name="new", digest="sha256:x")
        page = feed(principal=principal, repository=repository, limit=5, after=page.next)
        seen += page.events
    assert seen == expected


@pytest.mark.usefixtures("busy")
def test_of_what_one_may_not_see_nothing_is_told(
    stranger: Principal,
    administrator: Principal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S9, in each of the ways."""
    hidden = Repository.objects.get(name="payments/r1")
    for few in (100, -1):
        monkeypatch.setattr(reach, "FEW", few)
        assert everything(stranger) == []
        assert everything(ANONYMOUS) == []
        for principal in (stranger, ANONYMOUS):
            for name in ("payments/r1", "payments/absent"):
                with pytest.raises(Repository.DoesNotExist):
                    feed(principal=principal, repository=name)
    RepositoryGrant.objects.create(repository=hidden, user=user_of(stranger), role=10)
    for few in (100, -1):
        monkeypatch.setattr(reach, "FEW", few)
        assert {event.repository for event in everything(stranger)} == {"payments/r1"}
        assert len(everything(stranger)) == 30


@pytest.mark.usefixtures("busy")
def test_a_window_without_anything_to_see_leads_on(
    stranger: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reach, "FEW", -1)
    monkeypatch.setattr(activity, "WINDOW", 10)
    page = feed(principal=stranger, limit=50)
    assert page.events == []
    assert page.next
    assert everything(stranger) == []


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    "after",
    [
        *("x", "1", "1.0", "1.2.1", "1.0.1.1", "-1.0.1", "1.0.-1", "٣.0.1", "1.0.1\n", "\x00"),
        *("9" * 18 + ".0.1", "1.0." + "9" * 19, "..", "1.0.1e3", "a" * 5000),
    ],
)
def test_what_is_no_position_begins_with_the_newest(after: str, reader: Principal) -> None:
    assert feed(principal=reader, after=after) == feed(principal=reader)


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize("after", ["9" * 17 + ".1." + "9" * 17, "0.0.0"])
def test_the_edges_of_time_are_positions(after: str, way: tuple[Principal, str]) -> None:
    principal, repository = way
    page = feed(principal=principal, repository=repository, after=after, limit=200)
    assert len(page.events) in (0, 30, 120) or page.next


def test_more_events_and_repositories_take_no_more_queries(reader: Principal, team: Team) -> None:
    counts = []
    for size in (1, 20):
        for number in range(size):
            repository, _ = Repository.objects.get_or_create(name=f"payments/r{number}", team=team)
            TagChange.objects.create(repository=repository, name="v1", digest="sha256:x")
            Pull.objects.create(
                repository=repository, digest="sha256:x", at=timezone.now(), count=1
            )
        with CaptureQueriesContext(connection) as queries:
            assert feed(principal=reader).events
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 6


def test_a_kind_is_a_plain_word() -> None:
    assert [kind.value for kind in Kind] == ["pushed", "moved", "deleted", "pulled"]
