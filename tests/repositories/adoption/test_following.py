"""A shadow's rows are what the tree holds, pass for pass, and the tree is left alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django import Settings

from accounts.web import refusals
from repositories import blobs, jobs, read_only, tags
from repositories.access import Principal
from repositories.adoption.adopting import adopt, is_called_for
from repositories.adoption.following import Followed, follow
from repositories.adoption.reports import AdoptionError
from repositories.models import Blob, BlobLink, Manifest, Repository, Tag, TagChange
from repositories.oci.digests import Digest
from repositories.oci.errors import BlobUnknown, ReadOnly
from repositories.storage import storage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.adoption.conftest import pulled
from tests.repositories.adoption.trees import TreeMaker
from tests.repositories.content import push_blob, push_image

APP = "payments/app"
pytestmark = pytest.mark.django_db


@pytest.fixture
def live(other: TreeMaker, tmp_path: Path, settings: Settings) -> TreeMaker:
    """The tree of a registry that runs, which the settings have a shadow of."""
    settings.SHADOW = str(other.root)
    settings.READ_ONLY = True
    settings.BLOB_STORAGE = {
        "BACKEND": "repositories.storage.shadow.ShadowStorage",
        "OPTIONS": {"root": tmp_path / "own", "tree": other.root},
    }
    (other.base / "blobs").mkdir()
    return other


@pytest.fixture
def look(live: TreeMaker) -> Callable[[], Followed]:
    """A pass, which leaves the tree as it is."""

    def run() -> Followed:
        before = live.listing()
        done = follow()
        assert live.listing() == before
        return done

    return run


Look = Callable[[], Followed]


def test_what_is_pushed_there_is_pulled_here(live: TreeMaker, look: Look) -> None:
    one = live.image(APP, b"one", tags=("latest",))
    look()
    assert pulled(APP, "latest") == str(one)
    two = live.image(APP, b"two", tags=("latest", "2.0"))
    other = live.image("other/app", b"one", tags=("1.0",))

    done = look()

    assert (done.repositories, done.manifests, done.tags, done.removed) == (2, 2, 3, 0)
    assert pulled(APP, "latest") == pulled(APP, "2.0") == str(two)
    assert pulled("other/app", "1.0") == str(other)
    changes = TagChange.objects.filter(name="latest").order_by("pk")
    assert [change.digest for change in changes] == [str(one), str(two)]
    assert look() == Followed(repositories=2)


def test_what_is_deleted_there_is_gone_here(live: TreeMaker, look: Look) -> None:
    one = live.image(APP, b"one", tags=("1.0",))
    two = live.image(APP, b"two", tags=("2.0", "latest"))
    gone = live.image("other/app", b"three", tags=("1.0",))
    loose = live.push_blob(APP, b"loose")
    look()
    live.untag(APP, "latest")
    live.untag(APP, "1.0")
    live.delete_manifest(APP, one)
    live.layer(APP, loose).unlink()
    live.untag("other/app", "1.0")
    live.delete_manifest("other/app", gone)
    for content in (CONFIG, b"three"):
        live.layer("other/app", Digest.of(content)).unlink()

    assert look().removed == 5

    assert tags.listing(repository=APP, limit=10) == ["2.0"]
    assert pulled(APP, "2.0") == str(two)
    assert set(Manifest.objects.values_list("digest", flat=True)) == {str(two)}
    assert list(Repository.objects.values_list("name", flat=True)) == [APP]
    assert not Blob.objects.filter(digest__in=[str(loose), str(Digest.of(b"three"))]).exists()
    last = TagChange.objects.filter(name="latest").order_by("-pk").first()
    assert last is not None
    assert last.digest == ""


def test_a_link_that_is_being_written_takes_nothing_away(live: TreeMaker, look: Look) -> None:
    image = live.image(APP, b"one", tags=("latest",))
    look()
    links = [
        live.tag_folder(APP, "latest") / "current" / "link",
        live.revision(APP, image),
        live.layer(APP, Digest.of(b"one")),
    ]
    for link in links:
        link.write_bytes(b"")

    done = look()

    assert (done.removed, done.findings) == (0, 3)
    assert pulled(APP, "latest") == str(image)


def test_a_blob_that_was_lost_is_shown_again(live: TreeMaker, look: Look) -> None:
    image = live.image(APP, b"one", tags=("latest",))
    layer = Digest.of(b"one")
    live.data(layer).write_bytes(b"o")
    assert look().findings == 2
    with pytest.raises(BlobUnknown):
        blobs.find(repository=APP, digest=layer)
    live.data(layer).write_bytes(b"one")
    look()
    assert pulled(APP, "latest") == str(image)
    assert BlobLink.objects.get(blob__digest=str(layer)).size == 3


def test_what_was_pushed_by_sha512_is_read_by_a_name_of_our_own(
    live: TreeMaker, look: Look
) -> None:
    digest = live.push_blob(APP, b"strong", algorithm="sha512")
    live.push_blob(APP, CONFIG)
    layer = documents.descriptor(b"strong", digest=str(digest))
    image = live.push(APP, documents.image(layers=[layer]), "1.0")
    look()
    assert pulled(APP, "1.0") == str(image)
    look()
    assert pulled(APP, "1.0") == str(image)


def test_nothing_is_taken_by_a_shadow(
    live: TreeMaker, look: Look, administrator: Principal
) -> None:
    live.image(APP, b"one", tags=("1.0",))
    look()
    with pytest.raises(ReadOnly, match="push to that one"):
        push_image(administrator, b"new", repository=APP)
    with pytest.raises(ReadOnly, match="push to that one") as refused:
        tags.delete(principal=administrator, repository=APP, name="1.0")
    assert "another registry holds" in refusals.explain_refusal(refused.value)
    assert read_only.setting() == "REGISTRY_SHADOW"


def test_its_jobs_follow_the_tree_and_collect_and_scrub_nothing(
    live: TreeMaker, look: Look
) -> None:
    names = {work.name for work in jobs.periodic()}
    assert "follow-tree" in names
    assert not names & {"collect-garbage", "sweep-storage", "scrub-storage", "apply-retention"}
    image = live.image(APP, b"one", tags=("1.0",))
    assert "1 repositories shown" in jobs.follow_tree()
    assert pulled(APP, "1.0") == str(image)


def test_a_tree_that_is_away_takes_nothing_away(live: TreeMaker, look: Look) -> None:
    live.image(APP, b"one", tags=("1.0",))
    look()
    (live.root / "docker").rename(live.root / "unmounted")
    with pytest.raises(AdoptionError, match="no tree"):
        follow()
    assert Tag.objects.count() == 1


def test_a_database_that_is_a_registrys_is_left_alone(
    live: TreeMaker, settings: Settings, administrator: Principal, blob_storage: object
) -> None:
    shadow = settings.SHADOW
    settings.SHADOW, settings.READ_ONLY = "", False
    push_image(administrator, b"precious")
    settings.SHADOW, settings.READ_ONLY = shadow, True
    with pytest.raises(AdoptionError, match="name another data folder"):
        follow()
    assert Repository.objects.count() == 1


def test_a_folder_follows_one_tree(
    live: TreeMaker, look: Look, settings: Settings, tmp_path: Path
) -> None:
    look()
    settings.SHADOW = str(TreeMaker(tmp_path / "third").root)
    with pytest.raises(AdoptionError, match=f"shadow of {live.root}"):
        follow()


def test_a_shadow_adopts_nothing_and_says_what_adopting_would_do(
    live: TreeMaker, administrator: Principal
) -> None:
    live.image(APP, b"one", tags=("1.0",))
    assert not is_called_for()
    with pytest.raises(AdoptionError, match="without --shadow"):
        adopt(principal=administrator)
    assert adopt(principal=administrator, dry_run=True).tags == 1


def test_a_storage_that_is_told_to_write_writes_to_its_own_folder(
    live: TreeMaker, tmp_path: Path, settings: Settings, administrator: Principal
) -> None:
    """Whoever forgets to ask whether anything may be written."""
    image = live.image(APP, b"one", tags=("1.0",))
    before = live.listing()
    keeper = storage()
    for change in (keeper.discard, keeper.quarantine):
        with pytest.raises(Exception, match=image.hex):
            change(image)
    assert not keeper.restore(image)
    assert not keeper.link_out(image, tmp_path / "link")
    settings.SHADOW, settings.READ_ONLY = "", False
    push_blob(administrator, b"new")
    assert live.listing() == before
    assert keeper.is_shared()
    keeper.check()
