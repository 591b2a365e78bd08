"""The tag that lists what refers to a manifest, where there is no referrers API."""

import json

import pytest

from repositories.leaving.fallback import listing, tag_of
from repositories.oci.media_types import OCI_INDEX

FIRST = {"mediaType": "a/b", "digest": "sha256:1", "size": 1}
SECOND = {"mediaType": "a/b", "digest": "sha256:2", "size": 2, "artifactType": "c/d"}


@pytest.mark.parametrize(
    ("digest", "tag"),
    [
        (f"sha256:{'a' * 64}", f"sha256-{'a' * 64}"),
        (f"sha512:{'b' * 128}", f"sha512-{'b' * 64}"),
        (f"{'x' * 40}:c", f"{'x' * 32}-c"),
        ("sha256+b64:d/e", "sha256-b64-d-e"),
    ],
)
def test_the_tag_is_cut_and_written_as_the_specification_says(digest: str, tag: str) -> None:
    assert tag_of(digest) == tag


def test_a_new_list_is_an_index() -> None:
    payload = listing([json.dumps(FIRST), json.dumps(SECOND)], None)
    assert payload is not None
    assert json.loads(payload) == {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [FIRST, SECOND],
    }


def test_what_a_list_lacks_is_added_and_what_it_has_stays() -> None:
    old = {"schemaVersion": 2, "manifests": [FIRST], "annotations": {"a": "ä"}}
    payload = listing(
        [json.dumps(FIRST | {"size": 9}), json.dumps(SECOND)], json.dumps(old).encode()
    )
    assert payload is not None
    assert json.loads(payload) == old | {"manifests": [FIRST, SECOND]}


@pytest.mark.parametrize(
    "old", [{"manifests": [FIRST, SECOND]}, {"layers": []}, {"manifests": None}]
)
def test_a_list_that_is_whole_and_what_is_no_list_stay_as_they_are(old: dict[str, object]) -> None:
    assert listing([json.dumps(FIRST)], json.dumps(old).encode()) is None
