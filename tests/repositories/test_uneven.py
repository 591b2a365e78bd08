"""What pulls and pushes look up where one repository has very many rows, and many have few.

PostgreSQL plans prepared statements for a repository like the others: a plan that goes through all
rows of one repository, or of one digest, looks cheap to it.
"""

from __future__ import annotations

import re

import pytest
from django.db import connection

from accounts.models import Team
from repositories import blobs, manifests, tags
from repositories.database import placeholders

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans by rules"),
]

BIG, SMALL = "team/big", "team/small1"
DIGEST = f"sha256:{1:064x}"  # of what all are made of
OWN = f"sha256:{2:064x}"  # of what the big one alone has

FILL = """
INSERT INTO repositories_repository (name, team_id, visibility, created_at)
SELECT 'team/small' || number, {team}, 'private', now() FROM generate_series(1, 2000) AS number;
INSERT INTO repositories_repository (name, team_id, visibility, created_at)
VALUES ('team/big', {team}, 'private', now());
INSERT INTO repositories_blob (digest, size, created_at)
SELECT 'sha256:' || lpad(to_hex(number), 64, '0'), 1, now() FROM generate_series(1, 2000) AS number;
INSERT INTO repositories_bloblink (repository_id, blob_id, size, created_at)
SELECT repository.id, blob.id, 1, now()
FROM repositories_repository AS repository, repositories_blob AS blob
WHERE repository.name = 'team/big' OR blob.digest = '{digest}';
INSERT INTO repositories_manifest (
    repository_id, digest, media_type, payload, artifact_type, subject, referrer, pushed_at,
    pushed_by
)
SELECT link.repository_id, blob.digest, '', '', '', '', '', now(), ''
FROM repositories_bloblink AS link JOIN repositories_blob AS blob ON blob.id = link.blob_id;
INSERT INTO repositories_tag (repository_id, manifest_id, name, created_at, pushed_at)
SELECT repository_id, id, 'v' || id, now(), now() FROM repositories_manifest;
ANALYZE;
SET LOCAL plan_cache_mode = force_generic_plan;
SET LOCAL enable_seqscan = off
"""
# Rows, of an index or a join, that were looked at for nothing; or looks, one after another.
MANY = re.compile(r"Rows Removed by .*: \d\d|loops=\d\d")
LINKS = manifests._LINKS + placeholders(2)
CURRENT = f"{tags._CURRENT} {placeholders(1)} ORDER BY name FOR UPDATE"


@pytest.fixture(autouse=True)
def _uneven() -> None:
    with connection.cursor() as cursor:
        team = Team.objects.create(name="team")
        cursor.execute(FILL.format(team=team.pk, digest=DIGEST))


def plan(statement: str, values: list[str]) -> str:
    numbers = iter(range(1, 10))
    numbered = re.sub("%s", lambda _: f"${next(numbers)}", statement)
    with connection.cursor() as cursor:
        cursor.execute(f"PREPARE asked AS {numbered}")
        given = ", ".join(f"'{value}'" for value in values)
        cursor.execute(f"EXPLAIN (ANALYZE, COSTS OFF) EXECUTE asked ({given})")
        lines = [row[0] for row in cursor.fetchall()]
        cursor.execute("DEALLOCATE asked")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("statement", "values"),
    [
        (manifests._BY_TAG, [BIG, "v1"]),
        (manifests._BY_DIGEST, [BIG, OWN]),
        (manifests._PLACE, [BIG, OWN]),
        (LINKS, [BIG, DIGEST, OWN]),
        (blobs._FIND, [SMALL, DIGEST]),
        (blobs._FIND, [BIG, DIGEST]),
        (blobs._NAMED_SOURCE, [SMALL, DIGEST, SMALL]),
    ],
)
def test_a_look_up_goes_to_its_row(statement: str, values: list[str]) -> None:
    assert not MANY.search(plan(statement, values))


def test_tags_are_found_among_very_many() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM repositories_repository WHERE name = %s", [BIG])
        (id,) = cursor.fetchone()
    assert not MANY.search(plan(CURRENT, [str(id), "v1"]))


@pytest.mark.parametrize("table", ["manifest", "tag", "bloblink"])
def test_no_index_of_the_repository_alone_looks_cheaper(table: str) -> None:
    """It does beside 100,000 rows, which are too many to make here."""
    with connection.cursor() as cursor:
        found = connection.introspection.get_constraints(cursor, f"repositories_{table}")
    columns = [each["columns"] for each in found.values() if each["index"] or each["unique"]]
    assert columns
    assert ["repository_id"] not in columns
