"""What clients were told: every attempt and every acknowledgement, on disk before the next step.

A client writes down what it is about to do, does it, and writes down that the registry said yes.
After a fault, `tests/faults/verify.py` holds the registry to it.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["blob", "manifest", "tag"]
# The digest of what is deleted.
GONE = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: `name` is a digest, or for a tag its name; `digest` what it is to be, or GONE."""

    kind: Kind
    repository: str
    name: str
    digest: str
    is_acknowledged: bool


class Ledger:
    """A file that many threads append to; a line is durable when the method that writes it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.touch()

    def attempt(self, kind: Kind, repository: str, name: str, digest: str | None = None) -> None:
        """To be called before the request. What has no other digest is named by it."""
        digest = name if digest is None else digest
        self._append(Entry(kind, repository, name, digest, is_acknowledged=False))

    def acknowledge(
        self, kind: Kind, repository: str, name: str, digest: str | None = None
    ) -> None:
        """To be called once the registry has answered 201 or 202."""
        digest = name if digest is None else digest
        self._append(Entry(kind, repository, name, digest, is_acknowledged=True))

    def entries(self) -> Iterator[Entry]:
        """All lines in the order of their writing; a last one that was cut short is none."""
        for line in self.path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):
                yield Entry(**json.loads(line))

    def _append(self, entry: Entry) -> None:
        line = json.dumps(asdict(entry)).encode() + b"\n"
        with self._lock:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                os.write(descriptor, line)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
