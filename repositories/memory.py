"""Answers that this process remembers, never used after a change of theirs was acknowledged.

A reader notes the repository's generation, asks the database, and keeps the answer with the number.
Whoever changes something gives the repository another number, after the commit and before the
answer goes out. Who may see what is not remembered: it is asked before, each time.

The registry as a whole has a number, too, for what goes across repositories: each change replaces
it.
"""

import os
import threading
from collections.abc import Callable, Iterable
from functools import partial, wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar, cast

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction

from repositories import generations, hosts
from repositories.database import seen_after_commit
from repositories.waiting import may_wait

MOST_ANSWERS = 4096
MOST_BYTES = 8 * 1024 * 1024
MOST_BYTES_EACH = 64 * 1024
# What a writer leaves behind that is killed between its commit and its bump is acknowledged to
# nobody, and lasts no longer than this.
LONGEST_SECONDS = 30.0
REGISTRY = ""  # no repository has this name

P = ParamSpec("P")
R = TypeVar("R", bound=tuple[Any, ...])


class _Answer(NamedTuple):
    generation: int
    period: int
    until: float
    weight: int
    value: Any


class Names(NamedTuple):
    """A page of names as it is remembered: one in a line."""

    lines: bytes

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        return cls("\n".join(names).encode("ascii"))

    def listed(self) -> list[str]:
        return self.lines.decode("ascii").splitlines()


class Memory:
    """Answers by key, within the limits above: the first in is the first out.

    Reading takes no lock, and moves nothing: no answer lasts long anyway.
    """

    def __init__(self) -> None:
        self._answers: dict[tuple[object, ...], _Answer] = {}
        self._bytes = 0
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._answers)

    def get(self, key: tuple[object, ...]) -> _Answer | None:
        return self._answers.get(key)

    def keep(self, key: tuple[object, ...], answer: _Answer) -> None:
        if answer.weight > MOST_BYTES_EACH:
            return
        with self._lock:
            self._drop(key)
            self._answers[key] = answer
            self._bytes += answer.weight
            while len(self._answers) > MOST_ANSWERS or self._bytes > MOST_BYTES:
                self._drop(next(iter(self._answers)))

    def _drop(self, key: tuple[object, ...]) -> None:
        dropped = self._answers.pop(key, None)
        self._bytes -= dropped.weight if dropped else 0


_memory = Memory()


def remembered(*, by: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Remember what a look-up returns, by its keyword arguments `repository`, or REGISTRY as that,
    and what `by` names.

    What it returns is a named tuple, which nobody can change; what it raises is not remembered.
    """

    def decorate(look_up: Callable[P, R]) -> Callable[P, R]:
        name = f"{look_up.__module__}.{look_up.__qualname__}"

        @wraps(look_up)
        def answer(*args: P.args, **kwargs: P.kwargs) -> R:
            file = _usable()
            # Before the database is asked: what changes later has another number, or period.
            period = hosts.alone() if file else None
            if file is None or period is None:
                return look_up(*args, **kwargs)
            repository = cast("str", kwargs["repository"])
            key, generation, now = (name, repository, kwargs[by]), file.of(repository), hosts.now()
            known = _memory.get(key)
            if (
                known is not None
                and known.generation == generation
                and known.period == period
                and now < known.until
            ):
                return cast("R", known.value)
            value = look_up(*args, **kwargs)
            weight = sum(len(part) for part in value if isinstance(part, bytes))
            _memory.keep(key, _Answer(generation, period, now + LONGEST_SECONDS, weight, value))
            return value

        return answer

    return decorate


def _usable() -> generations.Generations | None:
    """The generations, unless answers are not to be remembered: inside a transaction they never
    are, which sees what it has done itself and nobody else can see yet."""
    if not settings.REMEMBER_ANSWERS:
        return None
    if may_wait() and connections[DEFAULT_DB_ALIAS].in_atomic_block:  # others use no database
        return None
    try:
        return generations.shared()
    except OSError:  # reads go on without; a change says what is wrong
        return None


def forget_on_commit(*repositories: str) -> None:
    """Have no process use what it remembers of them, once this transaction has committed.

    Whatever changes or deletes a tag, a manifest, a blob link or a repository calls it, inside of
    its transaction, and whatever makes a tag or a manifest, which lists lack. What only adds other
    rows need not: no answer that was found becomes wrong by them.
    Raises OSError, before anything is committed, where the change could not be made known.
    """
    hosts.look_on_commit()
    transaction.on_commit(partial(_forget, generations.shared(), *repositories))


def _forget(file: generations.Generations | None, *repositories: str) -> None:
    seen = seen_after_commit()
    if file is not None:
        for repository in (*repositories, REGISTRY):
            file.bump(repository)
    hosts.announce(seen)


def forget_everything() -> None:
    """Remember nothing of before."""
    global _memory  # noqa: PLW0603
    _memory = Memory()


os.register_at_fork(after_in_child=forget_everything)
