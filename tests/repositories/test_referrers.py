"""The referrers API: what names a manifest as its subject."""

import json
from typing import Any

import pytest

from accounts.models import Team
from repositories import manifests, referrers
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.models import Repository
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.oci.documents import CONFIG, Document, descriptor, image
from tests.repositories.content import APP, described, push_blob, push_document, push_image

pytestmark = pytest.mark.django_db

SIGNATURE = "application/vnd.example.signature"
SBOM = "application/vnd.example.sbom"
ABSENT = Digest.of(b"absent")


def listing(
    subject: Digest, *, artifact_type: str = "", last: str = "", repository: str = APP
) -> tuple[list[Document], referrers.Referrers]:
    found = referrers.listing(
        repository=repository, subject=subject, artifact_type=artifact_type, last=last
    )
    return [json.loads(entry) for entry in found.entries], found


def digests(subject: Digest, **conditions: str) -> list[str]:
    return [entry["digest"] for entry in listing(subject, **conditions)[0]]


def refer(
    principal: Principal,
    subject: Digest,
    content: bytes = b"signature",
    *,
    repository: str = APP,
    **fields: Any,
) -> PushedManifest:
    """Push an artifact with `subject`; another `content`, another artifact."""
    fields.setdefault("artifactType", SIGNATURE)
    target = descriptor(media_type=media_types.OCI_MANIFEST, digest=str(subject))
    return push_image(principal, content, repository=repository, subject=target, **fields)


def test_a_referrer_is_listed_with_its_descriptor(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    pushed = refer(writer, subject, annotations={"org.example": "yes"})
    payload = manifests.read(repository=APP, reference=str(pushed.digest)).payload

    assert pushed.subject == str(subject)
    assert listing(subject)[0] == [
        {
            "mediaType": media_types.OCI_MANIFEST,
            "digest": str(pushed.digest),
            "size": len(payload),
            "artifactType": SIGNATURE,
            "annotations": {"org.example": "yes"},
        }
    ]


def test_characters_that_a_database_cannot_hold_come_back(writer: Principal) -> None:
    odd = '\0 \u00eb \U0001f600 \u2028 " \\'
    refer(writer, ABSENT, annotations={odd: odd})

    assert listing(ABSENT)[0][0]["annotations"] == {odd: odd}


def test_an_image_refers_with_its_config_type_when_it_has_no_other(writer: Principal) -> None:
    refer(writer, ABSENT, artifactType=None, config=descriptor(CONFIG, SBOM))

    assert listing(ABSENT)[0][0]["artifactType"] == SBOM
    assert len(digests(ABSENT, artifact_type=SBOM)) == 1


def test_an_index_can_refer(writer: Principal) -> None:
    child = push_image(writer, b"layer")
    document = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [described(child)],
        "subject": described(child),
    }
    pushed = push_document(writer, document)

    assert listing(child.digest)[0][0] == {
        "mediaType": media_types.OCI_INDEX,
        "digest": str(pushed.digest),
        "size": listing(child.digest)[0][0]["size"],
    }


def test_a_subject_that_is_pushed_later_finds_its_referrers(writer: Principal) -> None:
    push_blob(writer, CONFIG)
    payload = json.dumps(image()).encode()
    pushed = refer(writer, Digest.of(payload))
    push_document(writer, image())

    assert digests(Digest.of(payload)) == [str(pushed.digest)]


def test_a_subject_that_is_deleted_keeps_its_referrers(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    pushed = refer(writer, subject)
    manifests.delete(principal=writer, repository=APP, digest=subject)

    assert digests(subject) == [str(pushed.digest)]


def test_a_deleted_referrer_is_not_listed(writer: Principal) -> None:
    pushed = refer(writer, ABSENT)
    manifests.delete(principal=writer, repository=APP, digest=pushed.digest)

    assert digests(ABSENT) == []


@pytest.mark.parametrize("repository", [APP, "payments/absent"])
def test_what_nothing_refers_to_has_an_empty_list(
    repository: str, writer: Principal, team: Team
) -> None:
    """Also where there is no repository: told 404, a client would keep the list in a tag."""
    Repository.objects.create(name=APP, team=team)

    assert listing(ABSENT, repository=repository) == ([], ([], "", False))


def test_referrers_of_another_repository_are_not_listed(writer: Principal) -> None:
    refer(writer, ABSENT, repository="payments/other")
    push_image(writer, b"layer")

    assert digests(ABSENT) == []


def test_an_image_without_a_subject_refers_to_nothing(writer: Principal) -> None:
    pushed = push_image(writer, b"layer")

    assert pushed.subject == ""
    assert digests(pushed.digest) == []


def test_referrers_are_filtered_by_artifact_type(writer: Principal) -> None:
    signature = refer(writer, ABSENT, b"signature")
    sbom = refer(writer, ABSENT, b"sbom", artifactType=SBOM)

    assert digests(ABSENT, artifact_type=SIGNATURE) == [str(signature.digest)]
    assert digests(ABSENT, artifact_type=SBOM) == [str(sbom.digest)]
    assert digests(ABSENT, artifact_type="application/vnd.example") == []
    assert len(digests(ABSENT)) == 2


def test_pages_go_by_number_in_the_order_of_digests(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert referrers.MAX_ENTRIES == 1000
    monkeypatch.setattr(referrers, "MAX_ENTRIES", 2)
    pushed = sorted(str(refer(writer, ABSENT, b"%d" % n).digest) for n in range(5))
    pages, last, has_more = [], "", True
    while has_more:
        page, found = listing(ABSENT, last=last)
        pages.append([entry["digest"] for entry in page])
        last, has_more = found.last, found.has_more
        assert last == pages[-1][-1]

    assert pages == [pushed[:2], pushed[2:4], pushed[4:]]


def test_a_last_page_that_is_full_promises_no_other(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(referrers, "MAX_ENTRIES", 2)
    for number in range(2):
        refer(writer, ABSENT, b"%d" % number)

    assert listing(ABSENT)[1].has_more is False


def test_pages_go_by_size(writer: Principal) -> None:
    """An answer is an index itself, and a client takes no more than 4 MiB for one."""
    large = {"text": "x" * 1_500_000}
    pushed = sorted(
        str(refer(writer, ABSENT, b"%d" % n, annotations=large).digest) for n in range(5)
    )
    seen, last, has_more = [], "", True
    while has_more:
        _, found = listing(ABSENT, last=last)
        assert 0 < sum(len(entry) + 1 for entry in found.entries) < referrers.MAX_ANSWER_BYTES
        seen += [json.loads(entry)["digest"] for entry in found.entries]
        last, has_more = found.last, found.has_more

    assert seen == pushed


def test_the_filter_holds_over_pages(writer: Principal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(referrers, "MAX_ENTRIES", 1)
    for number in range(3):
        refer(writer, ABSENT, b"%d" % number, artifactType=SBOM)
        refer(writer, ABSENT, b"-%d" % number)
    seen, last, has_more = [], "", True
    while has_more:
        page, found = listing(ABSENT, artifact_type=SBOM, last=last)
        seen += [entry["artifactType"] for entry in page]
        last, has_more = found.last, found.has_more

    assert seen == [SBOM] * 3
