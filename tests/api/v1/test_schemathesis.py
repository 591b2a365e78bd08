"""Schemathesis against a real server, by the schema that the server itself gives out.

An administrator's token, every check. What is done is the same on a slow machine: every case that
the schema itself suggests, and a few random ones. `BERTH_SCHEMATHESIS_SECONDS=300` goes on for that
long, and follows links from one operation to the next.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import database, postgres
from tests.api.v1.test_matrix import ROWS, UNDESCRIBED
from tests.live import ROOT, LiveServer

SECONDS = int(os.environ.get("BERTH_SCHEMATHESIS_SECONDS", "0"))
AMOUNT = [f"--max-time={SECONDS}"] if SECONDS else ["--phases=coverage,fuzzing", "--max-examples=3"]
HERE = Path(__file__).parent
# An id that no generated number hits: a run that revokes its own token tests nothing any more.
TOKEN_ID = 7_777_777_777_777
WORLD = f"""
from accounts import tokens
from accounts.models import *
from repositories.access import principal_of
from tests.repositories.content import push_image
admin = User.objects.create_superuser("operator")
team = Team.objects.create(name="payments")
Membership.objects.create(team=team, user=admin, role=40)
User.objects.create_user("guest")
Robot.objects.create(team=team, name="robot-payments-ci")
TrustRule.objects.create(
    id=1, name="payments-ci", team=team, issuer="https://gitlab.com", audience="berth",
    claims={{"sub": "x"}}, scopes="payments/*:push",
)
push_image(principal_of(admin), b"layer", tags=["v1"])
token, secret = tokens.create(owner=admin, name="schemathesis")
AccessToken.objects.filter(pk=token.pk).update(id={TOKEN_ID})
print(secret)
"""


OPERATIONS = len([key for key in ROWS if key[0] not in UNDESCRIBED])


def _figures(pattern: str, report: str) -> tuple[int, ...]:
    found = re.search(pattern, report)
    assert found, report[-5_000:]
    return tuple(int(figure) for figure in found.groups())


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    on_postgres = database.DATABASE == "postgresql"
    url = postgres.current().create_database(tables=True) if on_postgres else None
    with LiveServer(tmp_path / "data", database_url=url, open_access=False) as started:
        yield started


@pytest.mark.timeout(SECONDS + 600)
def test_the_server_keeps_to_its_schema(server: LiveServer, tmp_path: Path) -> None:
    secret = server.manage("shell", "--no-imports", "-c", WORLD).split()[-1]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "schemathesis.cli",
            f"--config-file={HERE / 'schemathesis.toml'}",
            "run",
            f"{server.url}/api/v1/schema/",
            "--header",
            f"Authorization: Bearer {secret}",
            "--checks=all",
            "--exclude-checks=positive_data_acceptance",  # see the hooks for what stands for it
            "--mode=all",
            *AMOUNT,
            "--continue-on-failure",
            # How quickly data can be made on this machine says nothing of the server.
            "--suppress-health-check=too_slow,filter_too_much",
            "--no-color",
        ],
        env=server.environment | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,  # it leaves a folder behind
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS + 540,
        check=False,
    )
    (tmp_path / "report.txt").write_text(done.stdout)
    assert done.returncode == 0, done.stdout[-20_000:]
    # Every operation was called, and nothing was left out on the way.
    assert _figures(r"Selected: (\d+)/(\d+)", done.stdout) == (OPERATIONS, OPERATIONS)
    assert _figures(r"Tested: (\d+)", done.stdout) == (OPERATIONS,)
    generated, passed = _figures(r"(\d+) generated, (\d+) passed", done.stdout)
    assert generated == passed >= OPERATIONS
    who = requests.get(
        f"{server.url}/api/v1/me", headers={"Authorization": f"Bearer {secret}"}, timeout=10
    )
    assert who.json()["is_admin"], "the run lost its rights on the way"
