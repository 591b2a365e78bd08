"""Search: what is found is shown, marked, and escaped."""

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.models import Team
from repositories import search
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, Repository, Tag
from repositories.templatetags.browsing import marked
from tests.repositories.web.conftest import Browser

pytestmark = pytest.mark.django_db

DIGEST = "sha256:abcdef" + 58 * "0"


@pytest.fixture
def image(repository: Repository) -> None:
    manifest = Manifest.objects.create(repository=repository, digest=DIGEST, payload=b"{}")
    Tag.objects.create(repository=repository, name="v1.2", manifest=manifest)
    blob = Blob.objects.create(digest="sha256:fedcba" + 58 * "0", size=2048)
    BlobLink.objects.create(repository=repository, blob=blob)


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ment", "pay<mark>ment</mark>s/app</a>"),
        ("PAYM", "<mark>paym</mark>ents/app</a>"),
        ("v1", "payments/app:<mark>v1</mark>.2</a>"),
        ("abcdef", "sha256:<mark>abcdef</mark>000"),
        ("sha256:fedcba", "<mark>sha256:fedcba</mark>000"),
        ("zzz", "Nothing matches"),
        ("<script>", "“&lt;script&gt;”"),
        ("", "What can be searched"),
    ],
)
def test_what_matches_is_marked(browser: Browser, reader: Principal, text: str, shown: str) -> None:
    answer = browser(reader).get("/search", {"q": text})
    assert shown in answer.content.decode()
    assert "<script>" not in answer.content.decode()


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("text", ["pay", "v1", "abcdef"])
def test_strangers_find_nothing(
    browser: Browser, stranger: Principal, nobody: Principal, text: str
) -> None:
    shown = browser(stranger).get("/search", {"q": text}).content.decode()
    assert "Nothing matches" in shown
    assert "payments" not in shown.replace("<code>payments</code>", "")
    assert browser(nobody).get("/search", {"q": text}).status_code == 302


@pytest.mark.usefixtures("image")
@pytest.mark.parametrize("text", ["pay", "abcdef", "\x00", "a" * 5000, "%", "'", "é", "İİİ"])
def test_whatever_is_typed_takes_few_queries(
    browser: Browser,
    reader: Principal,
    text: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    client = browser(reader)
    with django_assert_max_num_queries(10):
        assert client.get("/search", {"q": text}).status_code == 200


def test_where_there_is_more_it_says_so(browser: Browser, reader: Principal, team: Team) -> None:
    Repository.objects.bulk_create(
        [Repository(name=f"payments/r{n}", team=team) for n in range(search.MOST + 1)]
    )
    shown = browser(reader).get("/search", {"q": "payments/r"}).content.decode()
    assert f"These are the first {search.MOST}." in shown
    assert 'href="/?text=payments%2Fr"' in shown


@pytest.mark.parametrize(
    ("text", "part", "shown"),
    [
        ("a<b>c", "<B", "a<mark>&lt;b</mark>&gt;c"),
        ("a<b>c", "", "a&lt;b&gt;c"),
        ("a<b>c", "x", "a&lt;b&gt;c"),
        ("İa", "a", "İa"),
    ],
)
def test_a_mark_escapes_all_around_it(text: str, part: str, shown: str) -> None:
    assert marked(text, part) == shown
