"""What clients are told where a limit stops them, or soon will."""

import pytest

from accounts.models import Team
from repositories import limit_settings
from repositories.access import Principal
from repositories.oci.digests import Digest
from repositories.oci.media_types import OCI_MANIFEST
from tests.api.doors import Answer, Caller
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, push_image

pytestmark = pytest.mark.django_db

UPLOADS = f"/v2/{APP}/blobs/uploads/"


def put_manifest(call: Caller, tag: str, principal: Principal, *layers: bytes) -> Answer:
    payload = documents.encode(documents.image(*layers))
    path = f"/v2/{APP}/manifests/{tag}"
    return call("PUT", path, payload, by=principal, headers={"Content-Type": OCI_MANIFEST})


def test_over_a_quota_the_answer_has_the_numbers_and_what_to_do(
    call: Caller, administrator: Principal, writer: Principal
) -> None:
    limit_settings.set_team_quota(principal=administrator, team="payments", quota=10)
    target = f"{UPLOADS}?digest={Digest.of(b'x' * 11)}"
    answer = call("POST", target, b"x" * 11, by=writer)
    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.json()["errors"][0]["detail"] == {
        "team": "payments",
        "quota": 10,
        "used": 0,
        "wanted": 11,
    }
    for words in ("quota of 10 bytes", "0 bytes are used", "11 bytes more", "administrator"):
        assert words in answer.message
    opened = call("POST", UPLOADS, by=writer)
    location = opened.headers["Location"].partition("example.com")[2]
    for method in ("PATCH", "PUT"):
        path = location if method == "PATCH" else f"{location}?digest={Digest.of(b'x' * 11)}"
        answer = call(method, path, b"x" * 11, by=writer)
        assert (answer.status, answer.code) == (403, "DENIED")


def test_a_mount_that_does_not_fit_is_refused_as_a_push_would_be(
    call: Caller, administrator: Principal, team: Team
) -> None:
    push_image(administrator, b"layer", repository="research/app")
    limit_settings.set_team_quota(principal=administrator, team="payments", quota=4)
    target = f"{UPLOADS}?mount={Digest.of(b'layer')}&from=research/app"
    answer = call("POST", target, by=administrator)
    assert (answer.status, answer.code) == (403, "DENIED")


def test_near_a_quota_every_push_is_answered_with_a_warning(
    call: Caller, administrator: Principal, writer: Principal
) -> None:
    size = len(CONFIG + b"layer")
    limit_settings.set_team_quota(principal=administrator, team="payments", quota=size)
    first = call("POST", f"{UPLOADS}?digest={Digest.of(b'l')}", b"l", by=writer)
    assert first.status == 201
    assert "Warning" not in first.headers
    limit_settings.set_team_quota(principal=administrator, team="payments", quota=size + 1)
    call("POST", f"{UPLOADS}?digest={Digest.of(CONFIG)}", CONFIG, by=writer)
    location = call("POST", UPLOADS, by=writer).headers["Location"]
    path = location.partition("example.com")[2]
    answers = [
        call("PUT", f"{path}?digest={Digest.of(b'layer')}", b"layer", by=writer),
        put_manifest(call, "v1", writer, b"layer"),
    ]
    for answer in answers:
        assert answer.status == 201
        warning = answer.headers["Warning"]
        assert warning.startswith('299 - "the team payments uses ')
        assert warning.endswith('"')
        assert warning.count('"') == 2
        assert len(warning) < 4096


def test_an_immutable_tag_says_so_and_takes_the_same_digest_again(
    call: Caller, maintainer: Principal
) -> None:
    push_image(maintainer, b"one", tags=["v1"])
    push_image(maintainer, b"two")
    limit_settings.set_immutable_tags(principal=maintainer, name=APP, patterns=["v*"])
    assert put_manifest(call, "v1", maintainer, b"one").status == 201
    answer = put_manifest(call, "v1", maintainer, b"two")
    assert (answer.status, answer.code) == (403, "DENIED")
    assert answer.json()["errors"][0]["detail"] == {"tags": ["v1"]}
    assert "use another name" in answer.message


def test_read_only_says_who_can_end_it(
    call: Caller, administrator: Principal, maintainer: Principal
) -> None:
    push_image(maintainer, b"one", tags=["v1"])
    limit_settings.set_read_only(principal=administrator, on=True)
    answer = put_manifest(call, "v1", maintainer, b"one")
    assert (answer.status, answer.code) == (405, "UNSUPPORTED")
    assert "administrator" in answer.message
    assert call("GET", f"/v2/{APP}/manifests/v1", by=maintainer).status == 200
