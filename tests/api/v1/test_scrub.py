"""The scrub by the API: what a program sees of it."""

import pytest

from repositories.access import principal_of
from repositories.oci.digests import Digest
from repositories.storage.filesystem import FilesystemStorage
from tests.api.v1.conftest import Cast, World, problem
from tests.repositories.content import push_blob, push_image
from tests.repositories.scrubbing import flip, look, remove, repair

APP = "payments/app"
LAYERS = (b"a layer", b"another")
DIGESTS = [str(Digest.of(layer)) for layer in LAYERS]


@pytest.fixture
def image(world: World, blob_storage: FilesystemStorage) -> str:
    """One of two layers, the first of which is changed and the second lost."""
    owner = principal_of(world.users["owner"])
    pushed = push_image(owner, *LAYERS, repository=APP, tags=["v2"])
    flip(blob_storage, Digest.of(LAYERS[0]))
    remove(blob_storage, Digest.of(LAYERS[1]))
    return str(pushed.digest)


def test_without_a_pass_there_is_nothing_to_tell(cast: Cast) -> None:
    assert cast["admin"].get("scrub").json() == {
        "passes": [],
        "quarantine": {"files": 0, "bytes": 0, "latest": []},
    }
    assert cast["admin"].get("scrub/findings").json()["results"] == []


def test_a_pass_says_what_it_has_looked_at_and_what_lies_in_quarantine(
    image: str, world: World, cast: Cast
) -> None:
    repair()
    push_blob(principal_of(world.users["owner"]), LAYERS[1], repository=APP)
    said = cast["admin"].get("scrub").json()

    shown = said["passes"][0]
    assert {name: shown[name] for name in ("number", "damages", "healed", "notices")} == {
        "number": 1,
        "damages": 2,
        "healed": 1,
        "notices": 0,
    }
    assert shown["blobs"] == shown["expected_blobs"]
    assert shown["finished_at"]
    apart = said["quarantine"]
    assert (apart["files"], apart["bytes"]) == (1, len(LAYERS[0]))
    assert [(file["digest"], file["size"]) for file in apart["latest"]] == [
        (DIGESTS[0], len(LAYERS[0]))
    ]


def test_a_finding_names_the_images_that_it_hits(image: str, cast: Cast) -> None:
    look()
    results = cast["admin"].get("scrub/findings?damage=true&number=1").json()["results"]

    found = {row["target"]: row for row in results}
    assert {target: row["kind"] for target, row in found.items()} == dict(
        zip(DIGESTS, ("changed", "missing"), strict=True)
    )
    row = found[DIGESTS[0]]
    assert row["images"] == [{"repository": APP, "digest": image, "tags": ["v2"]}]
    assert (row["image_count"], row["repositories"], row["repository_count"]) == (1, [APP], 1)
    assert (row["number"], row["marked_at"], row["healed_at"]) == (1, None, None)


@pytest.mark.parametrize(("query", "count"), [("damage=false", 0), ("number=2", 0), ("", 2)])
def test_findings_are_filtered(query: str, count: int, image: str, cast: Cast) -> None:
    look()
    assert len(cast["admin"].get(f"scrub/findings?{query}").json()["results"]) == count


@pytest.mark.parametrize("query", ["damage=maybe", "number=x", "number=-1", f"number={2**31}"])
def test_a_filter_that_is_none_is_refused(query: str, cast: Cast) -> None:
    assert problem(cast["admin"].get(f"scrub/findings?{query}"))["status"] == 400
