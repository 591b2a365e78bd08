"""Parts of names: found by an index, which knows of every change."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import ProgrammingError, connection

from accounts.models import Team
from repositories import names, parts
from repositories.database import execute, fetch
from repositories.models import Repository

pytestmark = pytest.mark.django_db


def make(*found: str) -> None:
    team, _ = Team.objects.get_or_create(name="team")
    Repository.objects.bulk_create([Repository(name=name, team=team) for name in found])


def containing(text: str) -> list[str]:
    rows = Repository.objects.filter(names.containing(text)).order_by("name")
    return list(rows.values_list("name", flat=True))


def test_any_part_of_a_name_is_found_however_short() -> None:
    make("team/app", "team/x_app.y", "team/other")
    assert containing("app") == ["team/app", "team/x_app.y"]
    assert containing("/x_app.") == ["team/x_app.y"]
    assert containing("o") == ["team/other"]
    assert containing("pp") == ["team/app", "team/x_app.y"]
    assert len(containing("")) == 3


@pytest.mark.parametrize(
    "text", ["ap%", "a_p", "'app", 'app"', "app*", "APP", "a\x00p", "app OR x"]
)
def test_nothing_is_a_wildcard_or_a_word_of_a_query(text: str) -> None:
    make("team/app", "team/axp")
    assert containing(text) == []


def test_a_name_that_was_changed_or_deleted_is_found_no_more() -> None:
    make("team/first", "team/second")
    Repository.objects.filter(name="team/first").update(name="team/third")
    Repository.objects.filter(name="team/second").delete()
    assert (containing("first"), containing("second"), containing("third")) == (
        *([], []),
        ["team/third"],
    )


def test_of_many_matches_all_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MOST_LOOKED_UP", 3)
    made = [f"team/app-{number}" for number in range(9)]
    make(*made, "team/other")
    assert containing("app") == made
    assert containing("app-7") == ["team/app-7"]


def test_the_index_is_used() -> None:
    """Or nobody would notice, until there are many repositories."""
    make("team/app")
    if connection.vendor == "sqlite":
        plan = fetch(f"EXPLAIN QUERY PLAN {names.PARTS.matching}", ['"app"', 5])
        assert "VIRTUAL TABLE" in str(plan)
        return
    execute("SET LOCAL enable_seqscan = off", [])
    rows = Repository.objects.filter(name__contains="app").values_list("pk")
    assert "repository_name_pieces" in rows.explain()


def test_what_is_missing_is_made_by_the_next_migrate() -> None:
    """SQLite drops the triggers of a table when a migration rewrites it."""
    if connection.vendor == "sqlite":
        execute("DROP TRIGGER repositories_names_insert", [])
        execute("DROP TRIGGER repositories_names_delete", [])
    else:
        execute("DROP INDEX repository_name_pieces", [])
    make("team/meanwhile")
    connection.check_constraints()  # which a test's transaction has put off
    names.PARTS.make()
    make("team/after")
    assert (containing("meanwhile"), containing("after")) == (["team/meanwhile"], ["team/after"])
    Repository.objects.all().delete()
    assert containing("meanwhile") == []
    connection.check_constraints()
    names.PARTS.make()  # nothing is missing any more


def test_without_the_extension_names_are_read_through(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has no extensions to be forbidden")

    def forbidden(statement: str, values: Any) -> None:
        raise ProgrammingError("permission denied to create extension")

    execute("DROP INDEX repository_name_pieces", [])
    monkeypatch.setattr(parts, "execute", forbidden)
    names.PARTS.make()
    assert "CREATE EXTENSION IF NOT EXISTS pg_trgm" in caplog.text
    make("team/app")
    assert containing("app") == ["team/app"]
