"""R22: the server is restarted again and again under load. A stop drains; nothing is lost."""

from __future__ import annotations

import pytest

from tests.faults.collecting import inspect
from tests.faults.ledger import Ledger
from tests.faults.load import Load
from tests.faults.outcome import Outcome
from tests.faults.scale import MARKS, either
from tests.live import LiveServer

pytestmark = MARKS

RESTARTS = either(1, 50)


@pytest.mark.experiment("R22", "restarted under load")
def test_a_restart_under_load_loses_nothing(
    server: LiveServer, ledger: Ledger, outcome: Outcome
) -> None:
    load = Load(server.host, ledger)
    with load.running():
        for _ in range(RESTARTS):
            load.wait_for_progress(2)
            assert server.stop() == 0
            server.start()
    outcome.faults = RESTARTS
    outcome.notes = {**load.met, **load.done}
    outcome.judge(server, ledger.entries())
    found = inspect(server)
    assert (found["lost"], found["abandoned"]) == ([], [])
