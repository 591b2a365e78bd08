"""`manage.py delete`: it says what goes and why the rest stays, and does just that."""

import io

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import AuditEvent
from repositories.access import Principal
from repositories.models import Deletion, Manifest, Repository, Tag
from tests.oci import documents
from tests.repositories.content import APP, described, push_document, push_image

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = io.StringIO()
    call_command("delete", *arguments, stdout=out)
    return out.getvalue()


def test_it_says_what_goes_and_what_stays_and_then_does_it(writer: Principal) -> None:
    one = push_image(writer, b"one")
    two = push_image(writer, b"two", tags=["two"])
    arm = {"os": "linux", "architecture": "arm64"}
    document = documents.index(described(one, platform=arm), described(two))
    push_document(writer, document, tags=["multi"])
    said = run(f"{APP}:multi", "--dry-run")

    assert f"manifest {one.digest}  linux/arm64  " in said
    assert f"stays: {two.digest}: the tag two names it" in said
    assert "1 tags and 2 manifests would be deleted; 3 bytes in 1 blobs" in said
    assert Manifest.objects.count() == 3
    done = run(f"{APP}:multi")
    assert done.splitlines()[:-2] == said.splitlines()[:-1]
    assert "it can be undone until " in done
    assert list(Manifest.objects.values_list("digest", flat=True)) == [str(two.digest)]
    assert Deletion.objects.get().deleted_by == "command line"
    assert AuditEvent.objects.filter(actor="command line", action="tag.delete").exists()


def test_a_manifest_goes_by_its_digest_and_a_repository_by_its_name(writer: Principal) -> None:
    one = push_image(writer, b"one", tags=["v1"])
    push_image(writer, b"two", tags=["v2"])
    run(f"{APP}@{one.digest}")
    assert set(Tag.objects.values_list("name", flat=True)) == {"v2"}
    assert "1 tags and 1 manifests would be deleted" in run(APP, "--dry-run")
    assert "1 tags and 1 manifests deleted" in run(APP)
    assert not Repository.objects.exists()


def test_without_a_grace_it_says_that_it_cannot_be_undone(
    writer: Principal, settings: Settings
) -> None:
    settings.GARBAGE_GRACE = 0
    push_image(writer, b"one", tags=["v1"])
    assert "it cannot be undone" in run(f"{APP}:v1")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is not NAME"),
        ("payments/app:", "is not NAME"),
        ("payments/app@", "is not NAME"),
        ("Payments/app", "is not NAME"),
        ("payments/app@sha256:123", "digest"),
        ("payments/app@latest", "digest"),
        ("payments/app:\0", "tag"),
        ("payments/app:<script>", "tag"),
        ("payments/app:absent", "There is no 'payments/app:absent'"),
        (f"payments/app@sha256:{64 * '0'}", "There is no"),
        ("payments/nothing", "There is no repository"),
        ("payments/nothing:v1", "There is no repository"),
    ],
)
def test_what_is_not_there_or_no_name_is_refused(name: str, why: str, writer: Principal) -> None:
    push_image(writer, b"one", tags=["v1"])
    for more in ([], ["--dry-run"]):
        with pytest.raises(CommandError, match=why):
            run(name, *more)
    assert Tag.objects.count() == 1


def test_it_does_nothing_where_deletes_are_switched_off(
    writer: Principal, settings: Settings
) -> None:
    push_image(writer, b"one", tags=["v1"])
    settings.DELETE_ENABLED = False
    with pytest.raises(CommandError, match="switched off"):
        run(f"{APP}:v1")
    assert Tag.objects.count() == 1
