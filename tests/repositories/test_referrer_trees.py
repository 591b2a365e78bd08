"""What is attached to an image, by every convention there is."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from repositories import referrer_trees
from repositories.access import Principal
from repositories.models import Repository
from repositories.oci import media_types
from repositories.oci.artifacts import Kind
from repositories.oci.digests import Digest
from repositories.referrer_trees import Node, ReferrerTree
from tests.oci.documents import descriptor, index
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db

SPDX = "application/spdx+json"


def tree(subject: Digest) -> ReferrerTree:
    return referrer_trees.tree(repository=Repository.objects.get(name=APP), subject=subject)


def refer(
    writer: Principal, subject: Digest, content: bytes = b"sbom", *, repository: str = APP
) -> Digest:
    target = descriptor(media_type=media_types.OCI_MANIFEST, digest=str(subject))
    return push_image(
        writer, content, repository=repository, subject=target, artifactType=SPDX
    ).digest


def shape(nodes: tuple[Node, ...]) -> list[tuple[str, str, int]]:
    return [(node.manifest.digest, node.parent, node.depth) for node in nodes]


def test_referrers_come_with_their_own_below_them(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    first, second = sorted(map(str, (refer(writer, subject), refer(writer, subject, b"other"))))
    below = refer(writer, Digest.parse(first), b"signature")
    found = tree(subject)
    assert shape(found.nodes) == [
        (first, str(subject), 1),
        (str(below), first, 2),
        (second, str(subject), 1),
    ]
    assert found.has_more is False
    assert found.nodes[0].manifest.artifact.kind is Kind.SBOM_SPDX


def test_another_repository_and_another_subject_do_not_show(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    refer(writer, subject, repository="payments/other")
    refer(writer, Digest.of(b"other"))
    assert tree(subject) == ReferrerTree((), has_more=False)


def test_a_subject_that_is_absent_has_referrers_too(writer: Principal) -> None:
    refer(writer, Digest.of(b"absent"))
    assert len(tree(Digest.of(b"absent")).nodes) == 1


def test_cosigns_tags_attach_as_well(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    for number, ending in enumerate(("sig", "att", "sbom")):
        push_image(writer, b"%d" % number, tags=[f"sha256-{subject.hex}.{ending}"])
    push_image(writer, b"unrelated", tags=[f"sha256-{subject.hex}.txt"])
    found = tree(subject).nodes
    assert {node.tag.rpartition(".")[2] for node in found} == {"sig", "att", "sbom"}
    assert {node.parent for node in found} == {str(subject)}


def test_what_is_attached_twice_shows_once(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    digest = refer(writer, subject)
    referring = described(
        push_image(
            writer,
            b"sbom",
            subject=descriptor(media_type=media_types.OCI_MANIFEST, digest=str(subject)),
            artifactType=SPDX,
            tags=[f"sha256-{subject.hex}.sbom"],
        )
    )
    push_document(writer, index(referring), tags=[f"sha256-{subject.hex}"])
    assert [node.manifest.digest for node in tree(subject).nodes] == [str(digest)]


def test_the_tag_that_clients_keep_the_list_in_counts(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    listed = described(push_image(writer, b"attached without a subject"))
    absent = descriptor(b"absent", media_types.OCI_MANIFEST)
    push_document(writer, index(listed, absent), tags=[f"sha256-{subject.hex}"])
    assert shape(tree(subject).nodes) == [(listed["digest"], str(subject), 1)]


def test_the_tag_of_a_long_digest_is_shortened_as_clients_do(writer: Principal) -> None:
    subject = Digest.of(b"subject", "sha512")
    push_image(writer, b"signature", tags=[f"sha512-{subject.hex[:64]}.sig"])
    assert len(tree(subject).nodes) == 1


def test_the_tree_ends_at_its_depth_and_says_so(writer: Principal) -> None:
    subject = top = push_image(writer, b"layer").digest
    for number in range(referrer_trees.MAX_DEPTH):
        subject = refer(writer, subject, b"%d" % number)
    assert tree(top).has_more is False
    refer(writer, subject, b"one too deep")
    found = tree(top)
    assert [node.depth for node in found.nodes] == [1, 2, 3, 4, 5]
    assert found.has_more is True


def test_the_tree_ends_at_its_size_and_says_so(
    writer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = push_image(writer, b"layer").digest
    for number in range(6):
        refer(writer, subject, b"%d" % number)
    for size, has_more in ((6, False), (5, True)):
        monkeypatch.setattr(referrer_trees, "MAX_NODES", size)
        found = tree(subject)
        assert (len(found.nodes), found.has_more) == (size, has_more)


def test_a_fuller_tree_takes_no_more_queries(writer: Principal) -> None:
    subject = push_image(writer, b"layer").digest
    counts = []
    for numbers in (range(1), range(1, 20)):
        for number in numbers:
            refer(writer, refer(writer, subject, b"%d" % number), b"below %d" % number)
        with CaptureQueriesContext(connection) as queries:
            tree(subject)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 9
