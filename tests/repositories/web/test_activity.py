"""Activity: what happened, what is under way, and who may end that."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import AuditEvent
from repositories import incoming, uploads
from repositories.access import Principal
from repositories.models import Pull, Repository, TagChange, Upload
from repositories.storage import storage
from repositories.uploads import Chunk
from tests.repositories.content import APP
from tests.repositories.web.conftest import Browser

pytestmark = pytest.mark.django_db

HERE = f"/repositories/{APP}/-/activity"
PLACES = ("/activity", HERE)
NEW, OLD = "sha256:" + 64 * "b", "sha256:" + 64 * "a"


@pytest.fixture
def upload(writer: Principal, repository: Repository) -> Upload:
    session = uploads.start(principal=writer, repository=APP)
    uploads.append(repository=APP, upload=session.id, chunk=Chunk([b"12345"]))
    return Upload.objects.get(pk=session.id)


@pytest.fixture
def events(repository: Repository) -> None:
    now = timezone.now()
    for minutes, (digest, by) in enumerate([(OLD, "ada"), (NEW, "bob"), ("", "<b>eve</b>")]):
        TagChange.objects.create(
            repository=repository,
            name="latest",
            digest=digest,
            changed_by=by,
            changed_at=now - timedelta(minutes=9 - minutes),
        )
    at = now - timedelta(days=2)
    Pull.objects.create(repository=repository, tag="latest", digest=OLD, at=at, count=12)
    Pull.objects.create(repository=repository, tag="", digest=OLD, at=at, count=1, pulled_by="cy")


def text_of(shown: bytes) -> str:
    return " ".join(shown.decode().split())


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("place", PLACES)
class TestEvents:
    def test_each_is_a_sentence(self, browser: Browser, reader: Principal, place: str) -> None:
        shown = text_of(browser(reader).get(place).content)
        link = f'<a href="/repositories/{APP}/-/">{APP}</a>'
        assert f"<b>ada</b> pushed {link}:latest as" in shown
        assert f"<b>bob</b> moved {link}:latest from <code>{12 * 'a'}</code> to" in shown
        assert f"<b>&lt;b&gt;eve&lt;/b&gt;</b> deleted <code>latest</code> from {link}" in shown
        assert f"<b>Somebody</b> pulled {link}:latest, which was" in shown
        assert "12 times" in shown
        assert "<b>cy</b> pulled <a" in shown

    def test_days_stand_apart_the_newest_first(
        self, browser: Browser, reader: Principal, place: str
    ) -> None:
        days = browser(reader).get(place).context["days"]
        assert [len(day.events) for day in days] in ([3, 2], [1, 2, 2], [2, 1, 2])
        assert [day.day for day in days] == sorted((day.day for day in days), reverse=True)

    def test_it_asks_for_itself_until_it_is_paused(
        self, browser: Browser, reader: Principal, place: str
    ) -> None:
        client = browser(reader)
        assert f'hx-get="{place}" hx-trigger="every 5s"' in client.get(place).content.decode()
        part = client.get(place, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in part
        assert f'hx-get="{place}" hx-trigger="every 5s"' in part
        assert "hx-trigger" not in client.get(f"{place}?paused").content.decode()

    def test_a_stranger_sees_none(
        self, browser: Browser, stranger: Principal, nobody: Principal, place: str
    ) -> None:
        answer = browser(stranger).get(place)
        assert answer.status_code == (404 if place == HERE else 200)
        assert "ada" not in answer.content.decode()
        assert browser(nobody).get(place).status_code == 302

    def test_pages_show_each_event_once(
        self, browser: Browser, reader: Principal, place: str, repository: Repository
    ) -> None:
        TagChange.objects.bulk_create(
            [TagChange(repository=repository, name=f"t{n}", digest=OLD) for n in range(60)]
        )
        seen = []
        client, address = browser(reader), place
        while address:
            answer = client.get(address)
            seen += [str(e.position) for day in answer.context["days"] for e in day.events]
            following = answer.context["next"]
            address = f"{place}?after={following}" if following else ""
        assert len(seen) == len(set(seen)) == 65

    @pytest.mark.parametrize("after", ["", "x", "\x00", "1.2.3", "9" * 60, "-1.0.1", "1.0"])
    def test_odd_places_to_begin_are_answered(
        self, browser: Browser, reader: Principal, place: str, after: str
    ) -> None:
        assert browser(reader).get(place, {"after": after}).status_code == 200


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("who", ["writer", "maintainer", "administrator"])
def test_it_takes_few_queries_however_many_uploads(
    browser: Browser,
    who: str,
    place: str,
    repository: Repository,
    request: pytest.FixtureRequest,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = browser(request.getfixturevalue(who))
    for _ in range(25):
        row = Upload.objects.create(repository=repository, started_by="somebody")
        storage().create_upload(str(row.pk))
    with django_assert_max_num_queries(10):
        answer = client.get(place)
    assert len(answer.context["uploads"]) == 20


def test_an_upload_shows_how_far_it_has_come_to_who_may_push(
    browser: Browser, upload: Upload, writer: Principal, maintainer: Principal, reader: Principal
) -> None:
    for place in PLACES:
        for principal in (writer, maintainer):
            shown = text_of(browser(principal).get(place).content)
            assert "5 bytes so far" in shown
            assert f"/uploads/{upload.pk}/cancel" in shown
        assert "so far" not in browser(reader).get(place).content.decode()


def test_one_cancels_after_a_question(browser: Browser, upload: Upload, writer: Principal) -> None:
    client = browser(writer)
    address = f"/uploads/{upload.pk}/cancel"
    assert "thrown away" in client.get(address).content.decode()
    assert Upload.objects.exists()
    answer = client.post(address, follow=True)
    assert "The upload is cancelled." in answer.content.decode()
    assert not Upload.objects.exists()
    assert AuditEvent.objects.latest("pk").action == "upload.cancel"
    assert client.post(address).status_code == 404


def test_somebody_elses_upload_is_not_for_writers_to_cancel(
    browser: Browser, upload: Upload, writer: Principal, maintainer: Principal
) -> None:
    Upload.objects.update(started_by="maintainer")
    client = browser(writer)
    assert "may cancel it" in client.get(f"/uploads/{upload.pk}/cancel").content.decode()
    assert "/cancel" not in client.get("/activity").content.decode()
    assert client.post(f"/uploads/{upload.pk}/cancel").status_code == 403
    assert browser(maintainer).post(f"/uploads/{upload.pk}/cancel").status_code == 302


def test_where_everybody_may_everything_everybody_cancels(
    browser: Browser, upload: Upload, nobody: Principal, settings: Settings
) -> None:
    settings.OPEN_ACCESS = True
    assert browser(nobody).post(f"/uploads/{upload.pk}/cancel").status_code == 302
    assert not Upload.objects.exists()


@pytest.mark.parametrize("who", ["reader", "stranger", "nobody"])
def test_an_upload_that_one_may_not_see_looks_like_none(
    browser: Browser, upload: Upload, who: str, request: pytest.FixtureRequest
) -> None:
    client = browser(request.getfixturevalue(who))
    there = client.post(f"/uploads/{upload.pk}/cancel")
    nowhere = client.post(f"/uploads/{uuid.uuid4()}/cancel")
    assert there.status_code == nowhere.status_code == (302 if who == "nobody" else 404)
    assert Upload.objects.exists()


@pytest.mark.parametrize(
    "who", ["reader", "writer", "maintainer", "owner", "administrator", "stranger", "nobody"]
)
@pytest.mark.parametrize("started_by", ["writer", "reader", ""])
@pytest.mark.parametrize("anonymous", ["none", "push"])
def test_those_that_may_be_cancelled_are_those_that_each_alone_may_be(
    upload: Upload,
    who: str,
    started_by: str,
    anonymous: str,
    request: pytest.FixtureRequest,
    settings: Settings,
) -> None:
    settings.ANONYMOUS_ACCESS = anonymous
    Repository.objects.update(visibility="public")
    upload.started_by = started_by
    principal = request.getfixturevalue(who)
    may = incoming.may_cancel(principal=principal, upload=upload)
    assert incoming.cancellable(principal=principal, found=[upload]) == (
        {upload.pk} if may else set()
    )
