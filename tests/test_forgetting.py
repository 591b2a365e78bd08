"""The watch over changes that nobody is told of: does it see what it is there for?"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction

from repositories import memory
from repositories.access import Principal
from repositories.models import Blob, BlobLink, Manifest, Repository, RepositoryGrant, Tag
from tests.forgetting import ROOT
from tests.repositories.content import APP, push_image

pytestmark = pytest.mark.django_db

INVENTED = """
def change(forget=False, fail=False):
    with transaction.atomic():
        with transaction.atomic():
            {statement}
        if forget:
            memory.forget_on_commit("payments/app")
        if fail:
            raise ZeroDivisionError

def change_alone():
    {statement}

@transaction.atomic
def change_decorated():
    {statement}
"""
WRONG = [
    "Tag.objects.filter(name='v1').delete()",
    "Tag.objects.get(name='v1').delete()",
    "Tag.objects.update(manifest=Manifest.objects.get())",
    "Manifest.objects.all().delete()",
    "Manifest.objects.update(media_type='x')",
    "BlobLink.objects.filter(uses=None).delete()",
    "Repository.objects.all().update(name='payments/other')",
    "Blob.objects.update(size=1)",
    "execute('DELETE FROM repositories_tag WHERE name = %s', ['v1'])",
]
HARMLESS = [
    "Repository.objects.update(visibility='public')",
    "Tag.objects.update(pushed_at=Tag.objects.get().created_at)",
    "Manifest.objects.update(pushed_by='somebody')",
    "Blob.objects.create(digest='sha256:0', size=1)",
    "RepositoryGrant.objects.all().delete()",
]


def invent(statement: str) -> dict[str, Callable[..., None]]:
    """Domain functions with the statement, in a file that stands where those of Berth stand."""
    from repositories.database import execute  # noqa: PLC0415

    tables = (Blob, BlobLink, Manifest, Repository, RepositoryGrant, Tag)
    names: dict[str, Any] = {table.__name__: table for table in tables}
    names |= {"transaction": transaction, "memory": memory, "execute": execute}
    code = INVENTED.format(statement=statement)
    exec(compile(code, str(ROOT / "repositories" / "invented.py"), "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _image(administrator: Principal) -> None:
    push_image(administrator, b"layer", tags=["v1"], repository=APP)


@pytest.mark.parametrize("statement", WRONG)
@pytest.mark.parametrize("function", ["change", "change_alone", "change_decorated"])
def test_a_change_that_nobody_is_told_of_is_found(
    statement: str, function: str, unannounced: list[str]
) -> None:
    if "uses=None" in statement:
        Manifest.objects.all().delete()
    invent(statement)[function]()

    assert unannounced
    assert all("invented.py" in change for change in unannounced)
    unannounced.clear()


@pytest.mark.parametrize("statement", WRONG)
def test_a_change_that_is_told_is_right(statement: str, unannounced: list[str]) -> None:
    if "uses=None" in statement:
        Manifest.objects.all().delete()
    with pytest.raises(ZeroDivisionError):
        invent(statement)["change"](fail=True)
    invent(statement)["change"](forget=True)

    assert unannounced == []


@pytest.mark.parametrize("statement", HARMLESS)
def test_what_makes_no_answer_wrong_need_not_be_told(
    statement: str, unannounced: list[str]
) -> None:
    invent(statement)["change"]()

    assert unannounced == []


def test_what_a_test_does_itself_is_not_meant(unannounced: list[str]) -> None:
    Tag.objects.all().delete()

    assert unannounced == []
