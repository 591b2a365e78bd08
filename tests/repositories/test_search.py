"""Search: what a text may mean, and never anything that one may not see."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from repositories import search
from repositories.access import ANONYMOUS, Principal
from repositories.models import Blob, BlobLink, Manifest, Repository, Tag
from repositories.search import MOST, Found, find

pytestmark = pytest.mark.django_db

NOTHING = Found([], [], [])


def make(name: str, *tags: str, start: str = "") -> Repository:
    """A repository with tags, whose manifest's and whose layer's digest are `start` and zeros."""
    team, _ = Team.objects.get_or_create(name=name.partition("/")[0])
    repository = Repository.objects.create(name=name, team=team)
    digest = f"sha256:{start:0<64}"
    manifest = Manifest.objects.create(repository=repository, digest=digest, payload=b"12345")
    for tag in tags:
        Tag.objects.create(repository=repository, name=tag, manifest=manifest)
    blob, _ = Blob.objects.get_or_create(digest=digest, defaults={"size": 7})
    BlobLink.objects.create(repository=repository, blob=blob)
    return repository


def test_a_name_is_found_by_its_beginning_first_and_then_by_any_part(
    administrator: Principal,
) -> None:
    for name in ("team/app", "app/team", "apple", "b/x-app-y", "other"):
        make(name)
    assert find(principal=administrator, text="app").repositories == [
        *("app/team", "apple", "b/x-app-y", "team/app")
    ]
    assert find(principal=administrator, text=" TEAM/App ").repositories == ["team/app"]


def test_a_tag_is_found_by_its_beginning_as_it_is_written(administrator: Principal) -> None:
    make("team/a", "v1.0", "V1", "latest", start="abcdef1")
    make("team/b", "v1.1", "xv1", start="abcdef2")
    found = find(principal=administrator, text="v1").tags
    assert [(tag.repository, tag.name) for tag in found] == [("team/a", "v1.0"), ("team/b", "v1.1")]
    assert found[0].digest == f"sha256:{'abcdef1':0<64}"


@pytest.mark.parametrize("text", ["abcdef1", "ABCDEF1", "sha256:abcdef1", f"{'abcdef1':0<64}"])
def test_a_digest_is_found_by_six_digits_or_more_and_where_it_is(
    text: str, administrator: Principal
) -> None:
    make("team/a", start="abcdef1")
    make("team/b", start="abcdef1")
    make("team/c", start="abcdef2")
    digest = f"sha256:{'abcdef1':0<64}"
    found = find(principal=administrator, text=text).digests
    assert [(d.repository, d.digest, d.is_manifest, d.size) for d in found] == [
        ("team/a", digest, True, 5),
        ("team/b", digest, True, 5),
        ("team/a", digest, False, 7),
        ("team/b", digest, False, 7),
    ]


def test_sha512_is_found_as_well(administrator: Principal) -> None:
    repository = make("team/a", start="1")
    Manifest.objects.update(digest=f"sha512:{'abcdef1':0<128}")
    for text in ("abcdef", "sha512:abcdef"):
        (found,) = find(principal=administrator, text=text).digests
        assert (found.repository, found.is_manifest) == (repository.name, True)
    assert find(principal=administrator, text="sha256:abcdef").digests == []


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "%", "_%", "a%b", "*", "\\", "'", '"', "\x00", "\ud800", "ü", "a b", "a" * 5000),
        *("sha256:", "sha256:abcde", "sha256:xyzxyz", "md5:abcdef", "name__contains=x", "[a-z]"),
        *("~", "..", "(a+)+$" * 100, "sha256:" + "a" * 500, "\u0410" * 10),
    ],
)
def test_what_names_nothing_finds_nothing(text: str, administrator: Principal) -> None:
    make("team/app", "latest", start="abcdef")
    assert find(principal=administrator, text=text) == NOTHING


def test_an_underscore_is_no_wildcard(administrator: Principal) -> None:
    make("team/a_b")
    make("team/axb", "a_c")
    make("team/c", "axc")
    found = find(principal=administrator, text="a_")
    assert (found.repositories, [tag.name for tag in found.tags]) == (["team/a_b"], ["a_c"])


def test_there_are_not_too_many_of_anything(administrator: Principal) -> None:
    for number in range(MOST + 5):
        make(f"team/app{number:02}", "latest", start="abcdef1")
    for text in ("team", "app", "latest", "abcdef"):
        found = find(principal=administrator, text=text)
        assert len(found.repositories) in (0, MOST)
        assert len(found.tags) in (0, MOST)
        assert len(found.digests) in (0, MOST)
        assert found != NOTHING


def test_each_finds_what_they_may_pull_and_nothing_else(
    reader: Principal, stranger: Principal, nobody: Principal
) -> None:
    """S9: a canary of each kind."""
    make("payments/canary", "canary", start="cafe01")
    Team.objects.get_or_create(name="vault")
    make("vault/canary", "canary", start="cafe01")
    for text in ("canary", "payments/can", "vault", "cafe01", "sha256:cafe01"):
        for principal in (stranger, nobody, ANONYMOUS):
            assert find(principal=principal, text=text) == NOTHING
    found = find(principal=reader, text="canary")
    assert found.repositories == ["payments/canary"]
    assert [tag.repository for tag in found.tags] == ["payments/canary"]
    digests = find(principal=reader, text="cafe01").digests
    assert {digest.repository for digest in digests} == {"payments/canary"}
    assert find(principal=reader, text="vault") == NOTHING


def test_more_rows_take_no_more_queries(reader: Principal) -> None:
    counts = []
    for size in (1, 15):
        for number in range(size):
            make(f"payments/abcdef-{size}-{number}", "abcdef", start="abcdef")
        with CaptureQueriesContext(connection) as queries:
            assert find(principal=reader, text="abcdef").digests
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 10


def test_the_limit_is_one_for_all() -> None:
    assert search.MOST == 20


def test_names_that_begin_with_the_text_come_first_however_many_there_are(
    reader: Principal, team: Team
) -> None:
    names = ["payments/a", "payments/b", "payments/pay", "zz/payments"]
    for name in [*names, "zz/else"]:
        Repository.objects.create(name=name, team=team)
    assert find(principal=reader, text="pay").repositories == names
    Repository.objects.bulk_create(
        [Repository(name=f"open/pay{number:02}", team=team) for number in range(2 * MOST)]
    )
    found = find(principal=reader, text="pay").repositories
    assert found == [*names[:3], *(f"open/pay{number:02}" for number in range(MOST - 3))]
    Repository.objects.bulk_create(
        [Repository(name=f"payments/c{number:02}", team=team) for number in range(MOST)]
    )
    found = find(principal=reader, text="pay").repositories
    assert (len(found), found[:3]) == (MOST, ["payments/a", "payments/b", "payments/c00"])
