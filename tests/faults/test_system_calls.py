"""R2, R4: killed at each system call of a push and of a delete; and every sync that may fail, does.

A process is killed before the kernel does what it asked for. What the request was to do is then
either done or not done, the next one does it, and nothing else is harmed. (`test_garbage_killed.py`
is the same for the collector.)
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from tests.badinput.bench import empty_database
from tests.badinput.corpus import sha256
from tests.badinput.wire import Answer, NoAnswer, exchange
from tests.faults import client, verify
from tests.faults.collecting import inspect
from tests.faults.ledger import GONE, Kind, Ledger
from tests.faults.load import Load
from tests.faults.outcome import Outcome
from tests.faults.scale import LONG, MARKS, either
from tests.faults.tracing import Call, traced
from tests.live import LiveServer, wait_for

pytestmark = MARKS

REPOSITORY = "faults/calls"
SOURCE = "faults/source"
# By which something comes to be, or ends, on disk or in what somebody else sees.
CALLS = (
    *("openat", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "rename", "mkdir"),
    *("unlink", "rmdir", "sendto"),
)
REFUSED_SYNCS = either(20, 700)


@dataclass
class Step:
    """A request that changes something: what it is about, from what to what, and what it is."""

    kind: Kind
    name: str
    before: str
    after: str
    ask: Callable[[], Answer]

    def until_done(self, ledger: Ledger) -> None:
        """The request, of which one may have been killed; one of the two did it."""
        answer = self.ask()
        good = {202, 404} if self.after == GONE else {201}
        assert answer.status in good, answer
        ledger.acknowledge(self.kind, REPOSITORY, self.name, self.after)


class Steps:
    """Makes steps, each of things that no other one has touched."""

    def __init__(self, host: str, ledger: Ledger) -> None:
        self.host = host
        self.ledger = ledger
        self.number = 0

    def _fresh(self) -> bytes:
        self.number += 1
        return client.random_bytes((SOURCE, self.number), 20_000)

    def _request(self, good: int, method: str, path: str, body: bytes = b"") -> Answer:
        answer = exchange(self.host, method, path, client.OCTETS, body)
        assert answer.status == good, answer
        return answer

    def _push(self, repository: str, data: bytes) -> str:
        assert client.push_blob(self.host, repository, data).status == 201
        return sha256(data)

    def _blob(self, data: bytes, ask: Callable[[], Answer], before: str = GONE) -> Step:
        digest = sha256(data)
        return Step("blob", digest, before, digest if before == GONE else GONE, ask)

    def push_in_one_request(self) -> Step:
        data = self._fresh()
        return self._blob(data, lambda: client.push_blob(self.host, REPOSITORY, data))

    def close_an_upload(self) -> Step:
        """Whoever finds the session gone begins another one."""
        data = self._fresh()
        upload = client.open_upload(self.host, REPOSITORY)
        assert client.patch(self.host, upload, data).status == 202

        def ask() -> Answer:
            held = client.status(self.host, upload)
            if held.status == 404:
                return client.push_blob(self.host, REPOSITORY, data)
            rest = data[client.held(held) :]
            return client.finish(self.host, upload, sha256(data), rest)

        return self._blob(data, ask)

    def mount(self) -> Step:
        data = self._fresh()
        digest = self._push(SOURCE, data)
        path = f"/v2/{REPOSITORY}/blobs/uploads/?mount={digest}&from={SOURCE}"
        return self._blob(data, lambda: exchange(self.host, "POST", path))

    def delete_a_blob(self) -> Step:
        data = self._fresh()
        path = f"/v2/{REPOSITORY}/blobs/{self._push(REPOSITORY, data)}"
        return self._blob(data, lambda: exchange(self.host, "DELETE", path), before=sha256(data))

    def _image(self) -> bytes:
        self._push(REPOSITORY, client.CONFIG)
        layer = self._fresh()
        self._push(REPOSITORY, layer)
        return client.image(layer)

    def push_a_manifest(self) -> Step:
        manifest = self._image()
        tag = f"t{self.number}"

        def ask() -> Answer:
            return client.push_manifest(self.host, REPOSITORY, tag, manifest)

        return Step("tag", tag, GONE, sha256(manifest), ask)

    def move_a_tag(self) -> Step:
        old, new = self._image(), self._image()
        tag = f"t{self.number}"
        assert client.push_manifest(self.host, REPOSITORY, tag, old).status == 201

        def ask() -> Answer:
            return client.push_manifest(self.host, REPOSITORY, tag, new)

        return Step("tag", tag, sha256(old), sha256(new), ask)

    def delete_a_tag(self) -> Step:
        manifest = self._image()
        tag = f"t{self.number}"
        assert client.push_manifest(self.host, REPOSITORY, tag, manifest).status == 201
        path = f"/v2/{REPOSITORY}/manifests/{tag}"
        return Step("tag", tag, sha256(manifest), GONE, lambda: exchange(self.host, "DELETE", path))

    def delete_a_manifest(self) -> Step:
        manifest = self._image()
        digest = sha256(manifest)
        assert client.push_manifest(self.host, REPOSITORY, digest, manifest).status == 201
        path = f"/v2/{REPOSITORY}/manifests/{digest}"
        return Step("manifest", digest, digest, GONE, lambda: exchange(self.host, "DELETE", path))


STEPS = {
    "publish": (
        Steps.push_in_one_request,
        Steps.close_an_upload,
        Steps.mount,
        Steps.push_a_manifest,
        Steps.move_a_tag,
    ),
    "delete": (Steps.delete_a_blob, Steps.delete_a_tag, Steps.delete_a_manifest),
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """With a single worker, so that the one which is killed is the one that was asked."""
    folder, env = tmp_path_factory.mktemp("calls"), {"REGISTRY_WORKERS": "1"}
    with (
        empty_database() as url,
        LiveServer(folder / "data", database_url=url, env=env) as server,
    ):
        yield server


def answered(calls: list[Call]) -> list[Call]:
    """What the thread did that gave the last answer, as far as that."""
    last = max(place for place, call in enumerate(calls) if '"HTTP/1.1 2' in call.text)
    thread = calls[last].thread
    return [call for call in calls[: last + 1] if call.thread == thread]


def points_of(server: LiveServer, make: Callable[[], Step], ledger: Ledger) -> list[str]:
    """Where to kill the step: `name:when` for each of its calls, as strace counts them."""
    make().until_done(ledger)  # all that is done once only
    step = make()
    with traced(server, system_calls=CALLS) as trace:
        step.until_done(ledger)
    names = [call.name for call in answered(trace.calls)]
    return [f"{name}:{names[: place + 1].count(name)}" for place, name in enumerate(names)]


def killed(server: LiveServer, step: Step, point: str) -> bool:
    """Ask while a call is deadly; whether it was."""
    name, _, when = point.partition(":")
    before = server.workers()
    inject = f"inject={name}:signal=SIGKILL:when={when}"
    answer: Answer | None = None
    with traced(server, "-e", inject, system_calls=(name,)):
        try:
            answer = step.ask()
        except (NoAnswer, OSError):
            wait_for(lambda: not os.path.exists(f"/proc/{before[0]}"), seconds=20, what="its end")
    wait_for(
        lambda: len(server.workers()) == len(before) and is_at_work(server),
        seconds=20,
        what="another worker",
    )
    return answer is None


def is_at_work(server: LiveServer) -> bool:
    """Whether it takes a push, after which it has done all that it does only once."""
    try:
        return client.push_blob(server.host, REPOSITORY, client.CONFIG).status == 201
    except (NoAnswer, OSError):
        return False


@pytest.mark.experiment("R2", "killed at each system call")
@pytest.mark.parametrize("what", STEPS)
def test_whoever_is_killed_has_done_it_or_not(
    live: LiveServer, ledger: Ledger, outcome: Outcome, what: str
) -> None:
    outcome.what = f"{what}: killed at each system call"
    steps, tried = Steps(live.host, ledger), 0
    for place, how in enumerate(STEPS[what]):

        def make(how: Callable[[Steps], Step] = how) -> Step:
            return how(steps)

        points = points_of(live, make, ledger)
        outcome.notes[how.__name__.replace("_", " ")] = len(points)
        if not LONG:  # one for each, here and there
            points = [points[len(points) * (place + 1) // (len(STEPS[what]) + 1)]]
        for point in points:
            step = make()
            ledger.acknowledge(step.kind, REPOSITORY, step.name, step.before)
            ledger.attempt(step.kind, REPOSITORY, step.name, step.after)
            outcome.faults += killed(live, step, point)
            mine = [entry for entry in ledger.entries() if entry.name == step.name]
            assert verify.problems(live.host, mine) == [], (how, point)
            step.until_done(ledger)
            tried += 1
    assert outcome.faults >= tried * 3 // 4, "it was done before it was killed"
    live.restart()
    outcome.judge(live, ledger.entries())
    found = inspect(live, after_collecting=True)
    assert [found[what] for what in ("lost", "strays", "trash", "abandoned")] == [[]] * 4


@pytest.mark.experiment("R4", "a sync of a file, a folder or the database fails")
def test_what_cannot_be_synced_is_not_acknowledged(
    live: LiveServer, ledger: Ledger, outcome: Outcome
) -> None:
    """The clients are told, and go on until it is done."""
    load = Load(live.host, ledger)
    refuse = ("-e", "inject=fsync,fdatasync:error=EIO:when=2+5")
    with traced(live, *refuse, system_calls=("fsync", "fdatasync")) as trace, load.running():
        load.wait_for_faults(REFUSED_SYNCS)
    outcome.faults = sum("INJECTED" in call.result for call in trace.calls)
    outcome.notes = {**load.met, **load.done}
    again = Load(live.host, ledger)
    with again.running():
        again.wait_for_progress(2)
    assert again.faults == 0
    outcome.judge(live, ledger.entries())
    found = inspect(live)
    assert (found["lost"], found["abandoned"]) == ([], [])
