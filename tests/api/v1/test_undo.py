"""Deletes undone and tags put back by the API: what a program sees of it."""

from datetime import timedelta

from repositories import garbage, trash
from repositories.access import principal_of
from repositories.models import Deletion, Tag
from tests.api.v1.conftest import Cast, World, problem
from tests.oci import documents
from tests.repositories.content import described, push_document, push_image

APP = "repositories/payments/app"


def push(world: World, layer: bytes, *tags: str) -> str:
    owner = principal_of(world.users["owner"])
    return str(push_image(owner, layer, repository="payments/app", tags=tags).digest)


def test_a_delete_names_the_id_by_which_it_is_undone(world: World, cast: Cast) -> None:
    digest = push(world, b"one", "v2")
    robot = cast["robot"]
    done = robot.post(f"{APP}/-/deletions", {"tags": ["v2"]}).json()
    assert done["manifests"] == [digest] == [row["digest"] for row in done["going"]]
    listed = robot.get(f"{APP}/-/deletions").json()["results"]

    assert listed[0] | {"deleted_at": "", "until": ""} == {
        "id": done["deletion"],
        "repository": "payments/app",
        "kind": "images",
        "deleted_at": "",
        "deleted_by": "robot-payments-ci",
        "reason": "",
        "until": "",
        "tags_count": 1,
        "manifests_count": 1,
    }
    undone = robot.post(f"{APP}/-/deletions/{done['deletion']}/undo")
    assert undone.json() == {
        "repository": "payments/app",
        "tags": ["v2"],
        "manifests_count": 1,
        "left": [],
    }
    assert robot.get(f"{APP}/-/images/v2").json()["manifest"]["digest"] == digest
    again = robot.post(f"{APP}/-/deletions/{done['deletion']}/undo")
    assert problem(again)["status"] == 404


def test_a_preview_says_why_children_stay(world: World, cast: Cast) -> None:
    owner = principal_of(world.users["owner"])
    one, two = (
        push_image(owner, layer, repository="payments/app", tags=tags)
        for layer, tags in ((b"one", []), (b"two", ["two"]))
    )
    index = documents.index(
        described(one, platform={"os": "linux", "architecture": "arm64"}), described(two)
    )
    push_document(owner, index, repository="payments/app", tags=["multi"])
    said = cast["owner"].post(f"{APP}/-/deletions/preview", {"tags": ["multi"]}).json()
    assert said["staying"] == [{"digest": str(two.digest), "why": "tagged", "by": "two"}]
    assert said["staying_count"] == 1
    assert said["deletion"] is None
    platforms = {row["digest"]: row["platform"] for row in said["going"]}
    assert platforms[str(one.digest)] == "linux/arm64"


def test_a_tag_that_was_pushed_anew_takes_rest(world: World, cast: Cast) -> None:
    push(world, b"one", "v2", "v3")
    done = cast["owner"].post(f"{APP}/-/deletions", {"tags": ["v2", "v3"]}).json()
    push(world, b"new", "v2")
    address = f"{APP}/-/deletions/{done['deletion']}/undo"
    refused = problem(cast["owner"].post(address))
    assert (refused["status"], refused["type"]) == (400, "urn:problem-type:berth:refused")
    assert "v2" in refused["detail"]
    undone = cast["owner"].post(address, {"rest": True}).json()
    assert (undone["tags"], undone["left"]) == (["v3"], ["v2"])


def test_what_is_gone_is_said(world: World, cast: Cast) -> None:
    digest = push(world, b"one", "v2")
    done = cast["owner"].post(f"{APP}/-/deletions", {"tags": ["v2"]}).json()
    garbage.collect(grace=timedelta(0), insist=True)
    trash.purge(grace=timedelta(0))
    refused = problem(cast["owner"].post(f"{APP}/-/deletions/{done['deletion']}/undo"))
    assert refused["status"] == 400
    assert digest in refused["detail"]


def test_a_deleted_repository_comes_back(world: World, cast: Cast) -> None:
    push(world, b"one", "v2")
    done = cast["maintainer"].call("DELETE", APP).json()
    assert cast["maintainer"].get(APP).status_code == 404
    listed = cast["maintainer"].get("teams/payments/deletions").json()["results"]
    assert (listed[0]["id"], listed[0]["repository"]) == (done["deletion"], "payments/app")
    address = f"teams/payments/deletions/{done['deletion']}/undo"
    assert problem(cast["guest" if "guest" in cast else "reader"].post(address))["status"] == 403
    undone = cast["maintainer"].post(address).json()
    assert (undone["repository"], undone["tags"]) == ("payments/app", ["v1", "v2"])
    assert cast["reader"].get(f"{APP}/-/images/v2").status_code == 200
    # The tag that had been deleted before that can still be undone.
    earlier = Deletion.objects.get(repository__name="payments/app")
    assert cast["maintainer"].post(f"{APP}/-/deletions/{earlier.pk}/undo").status_code == 200
    assert Tag.objects.filter(repository__name="payments/app", name="deleted").exists()


def test_a_tag_is_put_back(world: World, cast: Cast) -> None:
    old, _ = push(world, b"one", "v2"), push(world, b"two", "v2")
    answer = cast["writer"].post(f"{APP}/-/tags/v2/rollback", {"digest": old})
    assert (answer.status_code, answer.json()["digest"]) == (200, old)
    changes = cast["writer"].get(f"{APP}/-/tags/v2/changes").json()["results"]
    assert (changes[0]["digest"], changes[0]["changed_by"]) == (old, "writer")
    for digest in ("sha256:" + 64 * "0", "v1", "", None, "\0"):
        refused = cast["writer"].post(f"{APP}/-/tags/v2/rollback", {"digest": digest})
        assert problem(refused)["status"] == 400
