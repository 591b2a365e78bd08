"""R20: uploads are purged when they have not grown for long; nobody loses a chunk by it.

The purge runs over and over, against uploads that look old and get a chunk at just that moment.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.badinput.corpus import sha256
from tests.faults import client, verify
from tests.faults.collecting import inspect
from tests.faults.ledger import Ledger
from tests.faults.looping import looping
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.faults.staleness import run_sql
from tests.live import LiveServer

pytestmark = MARKS

REPOSITORY = "faults/stale"
ROUNDS = either(4, 60)
AT_ONCE = 16
WEEKS = 30 * 86_400
_LOOP = """
import json, select, sys
from datetime import timedelta
from repositories import stale_uploads
print("looping", flush=True)
purged = 0
while not select.select([sys.stdin], [], [], 0.001)[0]:
    purged += stale_uploads.purge(age=timedelta(days=7))
print(json.dumps({"purged": purged}))
"""


def file_of(server: LiveServer, upload: str) -> Path:
    return server.data / verify.UPLOADS / upload.rpartition("/")[2]


def play(server: LiveServer, number: int, ledger: Ledger) -> str:
    """An upload that begins to look old, is given a chunk at once, and is finished if it can be."""
    data = client.random_bytes(("stale", number), 40_000)
    upload = client.open_upload(server.host, REPOSITORY)
    assert client.patch(server.host, upload, data[:10_000], 0).status == 202
    run_sql(
        server,
        "UPDATE repositories_upload SET started_at = '2020-01-01 00:00:00+00:00' "
        f"WHERE id = '{sql_id(server, upload)}'",
    )
    past = time.time() - WEEKS
    os.utime(file_of(server, upload), (past, past))
    time.sleep(random.Random(number).uniform(0, 0.01))
    answer = client.patch(server.host, upload, data[10_000:], 10_000)
    if answer.status == 404:
        assert client.status(server.host, upload).status == 404
        return "purged"
    if answer.status != 202:  # it was being purged, and is now
        assert answer.status in {409, 416}, answer
        return "purged"
    # It was acknowledged, and so it stays.
    status = client.status(server.host, upload)
    if (status.status, client.held(status)) != (204, len(data)):
        return "lost"
    if client.finish(server.host, upload, sha256(data)).status != 201:
        return "lost"
    ledger.acknowledge("blob", REPOSITORY, sha256(data))
    return "finished"


def sql_id(server: LiveServer, upload: str) -> str:
    """The session's key as the database has it."""
    name = upload.rpartition("/")[2]
    return name if server.database_url else name.replace("-", "")


@pytest.mark.experiment("R20", "stale uploads are purged while they get a chunk")
def test_an_acknowledged_chunk_is_never_purged(
    server: LiveServer, ledger: Ledger, outcome: Outcome
) -> None:
    found: Counter[str] = Counter()
    with looping(server, _LOOP) as purged, ThreadPoolExecutor(AT_ONCE) as pool:
        numbers = range(ROUNDS * AT_ONCE)
        found.update(pool.map(lambda number: play(server, number, ledger), numbers))
    outcome.faults = purged["purged"]
    outcome.notes = dict(found)
    outcome.check(["an acknowledged chunk"] * found["lost"], server)
    assert found["purged"], "nothing was raced"
    assert found["finished"], "nothing was raced"
    outcome.judge(server, ledger.entries())
    assert inspect(server)["abandoned"] == []
