"""Whether code of ours that can make a remembered answer wrong has it forgotten.

Every statement that a test has our code run is looked at: one that deletes or changes what pulls
and lists are answered from, or makes what lists lack, has to stand in a transaction that calls
`memory.forget_on_commit`. So a new domain function that does not call it fails its own tests,
whatever they are about.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any
from unittest import mock

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.transaction import Atomic

from repositories import memory
from repositories.postgresql import turns
from repositories.postgresql.base import DatabaseWrapper

ROOT = Path(__file__).resolve().parent.parent
OURS = tuple(f"{ROOT / folder}/" for folder in ("repositories", "accounts", "api", "registry_site"))
# By which statements go to the database, whoever's they are.
MERE_WAYS = (f"{ROOT}/repositories/database.py", f"{ROOT}/repositories/postgresql/")
CHANGES = re.compile(
    r"""
      DELETE\ FROM\ "?repositories_(repository|manifest|tag|bloblink)"?\b
    | UPDATE\ "?repositories_repository"?\ SET\ [^;]*?\bname"?\ =
    | UPDATE\ "?repositories_manifest"?\ SET\ [^;]*?\b(repository_id|digest|media_type|payload)"?\ =
    | UPDATE\ "?repositories_tag"?\ SET\ [^;]*?\b(repository_id|name|manifest_id)"?\ =
    | UPDATE\ "?repositories_bloblink"?\ SET\b
    | UPDATE\ "?repositories_blob"?\ SET\ [^;]*?\b(digest|size|damaged_at)"?\ =
    | INSERT\ INTO\ "?repositories_(manifest|tag)"?\b
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


@dataclass
class _Block:
    """A transaction of ours, or a part of one."""

    changes: list[str] = field(default_factory=list)
    is_forgetting: bool = False


class Watch:
    """Where our code changed something and let everybody go on with what they remember."""

    def __init__(self) -> None:
        self.offences: list[str] = []
        self._blocks: list[tuple[Atomic, _Block]] = []
        self._thread = threading.get_ident()

    def statement(self, sql: str) -> None:
        if threading.get_ident() != self._thread:
            return
        if CHANGES.search(sql) and (culprit := _ours(sys._getframe(1))):
            change = f"{culprit}: {sql[:200]}"
            if self._blocks:
                self._blocks[-1][1].changes.append(change)
            else:
                self.offences.append(f"outside of a transaction, {change}")

    def forgets(self, hook: object) -> None:
        if self._blocks and isinstance(hook, partial) and hook.func is memory._forget:
            self._blocks[-1][1].is_forgetting = True

    def enters(self, block: Atomic, caller: FrameType) -> None:
        while "contextlib" in caller.f_code.co_filename and caller.f_back:
            caller = caller.f_back
        is_here = threading.get_ident() == self._thread
        if is_here and caller.f_code.co_filename.startswith(OURS):
            self._blocks.append((block, _Block()))

    def leaves(self, block: Atomic, *, has_failed: bool) -> None:
        if not self._blocks or self._blocks[-1][0] is not block:
            return
        _, left = self._blocks.pop()
        if has_failed:
            return
        if self._blocks:
            outer = self._blocks[-1][1]
            outer.changes += left.changes
            outer.is_forgetting |= left.is_forgetting
        elif not left.is_forgetting:
            self.offences += left.changes


def _ours(frame: FrameType | None) -> str:
    """The innermost code of ours that the frame was called by, if any; migrations are not meant."""
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(OURS) and not path.startswith(MERE_WAYS):
            return "" if "/migrations/" in path else f"{path}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


@contextmanager
def watch() -> Iterator[list[str]]:
    """What was found, when the block ends."""
    found = Watch()
    enter, leave, on_commit = Atomic.__enter__, Atomic.__exit__, BaseDatabaseWrapper.on_commit
    execute, run, run_on_end = CursorWrapper.execute, turns.run, DatabaseWrapper.run_on_end

    def entering(block: Atomic) -> None:
        found.enters(block, sys._getframe(1))
        enter(block)

    def leaving(
        block: Atomic,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        found.leaves(block, has_failed=kind is not None)
        leave(block, kind, error, trace)

    def hooking(self: BaseDatabaseWrapper, hook: Any, robust: bool = False) -> None:
        found.forgets(hook)
        on_commit(self, hook, robust)

    def executing(self: CursorWrapper, sql: str, params: Any = None) -> Any:
        found.statement(sql)
        return execute(self, sql, params)

    def running(raw: Any, statements: Sequence[turns.Statement], **rest: Any) -> Any:
        if not rest.get("commit"):  # those have been seen below
            see(statements)
        return run(raw, statements, **rest)

    def running_on_end(self: DatabaseWrapper, statements: Sequence[turns.Statement]) -> None:
        see(statements)
        run_on_end(self, statements)

    def see(statements: Sequence[turns.Statement]) -> None:
        for sql, _ in statements:
            found.statement(sql)

    # No execute_wrapper: where there is one, statements are run one by one (`has_turns`).
    with (
        mock.patch.object(Atomic, "__enter__", entering),
        mock.patch.object(Atomic, "__exit__", leaving),
        mock.patch.object(BaseDatabaseWrapper, "on_commit", hooking),
        mock.patch.object(CursorWrapper, "execute", executing),
        mock.patch.object(turns, "run", running),
        mock.patch.object(DatabaseWrapper, "run_on_end", running_on_end),
    ):
        yield found.offences
