"""Rows that the tests of a module share: made once, and as they were for each test.

Making the cast and its images anew took most of the time of tests that only look at them. Each test
runs within a savepoint of the transaction that made the rows, in its own copy of their objects and
files. A test of the module that does not ask for them sees the rows all the same.
"""

import copy
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from django.conf import settings
from django.db import transaction
from django.test import override_settings
from pytest_django import DjangoDbBlocker

T = TypeVar("T")


@dataclass(frozen=True)
class SharedRows(Generic[T]):
    """What stands for the rows, and the folder of their files."""

    made: T
    files: Path

    def for_test(self) -> T:
        """The test's own copy, with the files in its storage."""
        root = settings.BLOB_STORAGE["OPTIONS"]["root"]
        shutil.copytree(self.files, root, dirs_exist_ok=True)
        return copy.deepcopy(self.made)


@contextmanager
def shared_rows(
    make: Callable[[], T], *, files: Path, blocker: DjangoDbBlocker
) -> Iterator[SharedRows[T]]:
    """Make the rows in a transaction that is undone at the end. For fixtures of a module."""
    storage = {**settings.BLOB_STORAGE, "OPTIONS": {"root": files}}
    with blocker.unblock():
        atomic = transaction.atomic()
        atomic._from_testcase = True  # type: ignore[attr-defined]  # as TestCase has it
        with atomic:
            with override_settings(BLOB_STORAGE=storage):
                made = make()
            with blocker.block():
                yield SharedRows(made, files)
            transaction.set_rollback(True)
