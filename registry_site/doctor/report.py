"""What the doctor says of each thing that it has tried."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from accounts.proxy_lines import Fix


class State(StrEnum):
    """`advice`: it works, and could be better. `skipped`: the text says why."""

    OK = "ok"
    WRONG = "wrong"
    ADVICE = "advice"
    SKIPPED = "skipped"


class Result(NamedTuple):
    """One thing that was tried. `id` names it for programs; `fixes` are alternatives by tool."""

    id: str
    state: State
    title: str
    text: str
    fixes: Sequence[Fix] = ()

    @property
    def is_wrong(self) -> bool:
        return self.state is State.WRONG


class Check(NamedTuple):
    """What is tried, before it is known how it is; makes its results."""

    id: str
    title: str

    def ok(self, text: str) -> Result:
        return Result(self.id, State.OK, self.title, text)

    def wrong(self, text: str, fixes: Sequence[Fix] = ()) -> Result:
        return Result(self.id, State.WRONG, self.title, text, tuple(fixes))

    def advice(self, text: str, fixes: Sequence[Fix] = ()) -> Result:
        return Result(self.id, State.ADVICE, self.title, text, tuple(fixes))

    def skipped(self, text: str) -> Result:
        return Result(self.id, State.SKIPPED, self.title, text)
