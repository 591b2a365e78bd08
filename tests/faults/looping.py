"""Something that goes on beside a running server, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.live import ROOT, LiveServer


@contextmanager
def looping(server: LiveServer, code: str) -> Iterator[dict[str, Any]]:
    """Run `code` in Berth, which prints `looping` when it is ready, goes on until a line comes by
    its standard input, and then prints a JSON object: that is here afterwards."""
    said: dict[str, Any] = {}
    with subprocess.Popen(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code],
        cwd=ROOT,
        env=server.environment | {"REGISTRY_DATA": str(server.data)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout
        line = process.stdout.readline()
        assert line == "looping\n", line + process.stdout.read()
        try:
            yield said
        finally:
            output, _ = process.communicate("\n", timeout=120)
        assert process.returncode == 0, output
        said.update(json.loads(output.splitlines()[-1]))
