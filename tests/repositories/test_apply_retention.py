"""`manage.py apply_retention`: what it says, and what it removes."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Team
from repositories import retention_runs
from repositories.access import Principal
from repositories.models import Repository, Tag
from tests.repositories.content import push_image
from tests.repositories.retaining import matching, set_policy, tags

pytestmark = pytest.mark.django_db
OTHER = "payments/other"


def apply(*names: str, **options: Any) -> list[str]:
    out = StringIO()
    call_command("apply_retention", *names, stdout=out, **options)
    return out.getvalue().splitlines()


@pytest.fixture
def images(writer: Principal, team: Team) -> None:
    for name in ("payments/app", OTHER):
        push_image(writer, b"shared", repository=name, tags=["v1"])
        push_image(writer, b"old", repository=name, tags=["old"])
    set_policy(matching("v*"), team=team)


@pytest.mark.usefixtures("images")
def test_a_dry_run_says_what_would_go_and_why_and_removes_nothing() -> None:
    said = apply(dry_run=True)
    assert said[0] == "payments/app:old  no-rule"
    assert said[1].startswith("payments/app@sha256:")
    assert said[-1] == (
        "2 tags and 2 manifests would be removed; "
        "3 bytes in 1 blobs would be freed by the collector"
    )
    assert tags() == {"v1", "old"}


@pytest.mark.usefixtures("images")
def test_it_removes_from_the_repositories_that_are_named_or_from_all_with_rules() -> None:
    assert apply(OTHER) == [
        f"{OTHER}: 1 tags and 1 manifests removed, 0 changed meanwhile and stay",
        "1 tags and 1 manifests removed",
    ]
    assert tags() == {"v1", "old"}
    assert apply()[-1] == "1 tags and 1 manifests removed"
    assert tags() == {"v1"}


@pytest.mark.usefixtures("images")
def test_one_that_fails_keeps_none_waiting_and_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    real = retention_runs.apply

    def fail(*, repository: Repository) -> retention_runs.Outcome:
        if repository.name == "payments/app":
            raise ValueError("broken")
        return real(repository=repository)

    monkeypatch.setattr(retention_runs, "apply", fail)
    with pytest.raises(CommandError, match="payments/app: broken"):
        apply()
    assert not Tag.objects.filter(repository__name=OTHER, name="old").exists()


@pytest.mark.usefixtures("images")
def test_it_says_what_it_cannot_do(settings: Any) -> None:
    with pytest.raises(CommandError, match="no repository 'payments/none'"):
        apply("payments/none")
    settings.DELETE_ENABLED = False
    assert "nothing is removed here" in apply(dry_run=True)[-1]
    with pytest.raises(CommandError, match="REGISTRY_STORAGE_DELETE_ENABLED"):
        apply()
