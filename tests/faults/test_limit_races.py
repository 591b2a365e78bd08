"""S6 and R16 at once: limits hold to the byte, however many push at the same moment."""

from __future__ import annotations

import random
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.badinput.corpus import sha256
from tests.badinput.wire import exchange
from tests.faults import client, verify
from tests.faults.conftest import Start
from tests.faults.looping import looping
from tests.faults.scale import MARKS, either
from tests.live import LiveServer

pytestmark = MARKS

PUSHERS = 16
OPERATIONS = either(120, 6_400)
TEAM, ONE, OTHER = "faults", "faults/one", "faults/other"
OF_TEAM, OF_ONE = 60_000, 25_000
SHARED = [client.random_bytes(("shared", number), 1_000 + number) for number in range(12)]
_SET = f"""
from accounts.management.local import OPERATOR
from accounts.models import Team
from repositories import limit_settings
from repositories.models import Repository
team = Team.objects.create(name="{TEAM}")
Repository.objects.create(name="{ONE}", team=team, visibility="public")
limit_settings.set_team_quota(principal=OPERATOR, team="{TEAM}", quota={OF_TEAM})
limit_settings.set_repository_quota(principal=OPERATOR, name="{ONE}", quota={OF_ONE})
limit_settings.set_immutable_tags(principal=OPERATOR, name="{ONE}", patterns=["v*"])
"""
# What is committed, as often as it can be looked at: the most that it ever was.
_WATCH = """
import json, select, sys
from repositories import quotas
from repositories.limits import Quota
from repositories.models import RepositoryLimits, TeamLimits
of = {"team": Quota(True, TeamLimits.objects.get().pk, "", 0, 0),
      "one": Quota(False, RepositoryLimits.objects.get().pk, "", 0, 0)}
most, looks = {"team": 0, "one": 0}, 0
print("looping", flush=True)
while True:
    is_over = select.select([sys.stdin], [], [], 0.002)[0]
    for name, quota in of.items():
        most[name] = max(most[name], quotas.count(quota))
    looks += 1
    if is_over:
        break
now = {name: quotas.count(quota) for name, quota in of.items()}
known = {"team": TeamLimits.objects.get().used, "one": RepositoryLimits.objects.get().used}
print(json.dumps({"most": most, "now": now, "known": known, "looks": looks}))
"""


class Pusher:
    """Somebody who brings blobs into both repositories in every way, and takes some out again."""

    def __init__(self, number: int, server: LiveServer) -> None:
        self.host = server.host
        self.lots = random.Random(number)
        self.own: set[tuple[str, str]] = set()  # nobody else pushes or deletes those
        self.did: Counter[str] = Counter()
        self.wrong: list[str] = []

    def run(self, operations: int) -> None:
        for _ in range(operations):
            repository = self.lots.choice((ONE, OTHER))
            step = self.lots.choice(("whole", "whole", "chunks", "mount", "delete", "shared"))
            if step == "delete":
                self._delete()
            elif step == "mount":
                blob = sha256(self.lots.choice(SHARED))
                source = OTHER if repository == ONE else ONE
                target = f"/v2/{repository}/blobs/uploads/?mount={blob}&from={source}"
                self._note(step, exchange(self.host, "POST", target).status, 201, 202, 403)
            else:
                self._push(repository, step)

    def _push(self, repository: str, step: str) -> None:
        if step == "shared":
            blob = self.lots.choice(SHARED)
        else:
            blob = self.lots.randbytes(self.lots.randrange(1, 6_000))
        if step == "chunks":
            answer = exchange(self.host, "POST", f"/v2/{repository}/blobs/uploads/")
            if not self._note("open", answer.status, 202, 403):
                return
            upload = answer.header("location").partition(self.host)[2]
            if not self._note("patch", client.patch(self.host, upload, blob).status, 202, 403):
                return
            status = client.finish(self.host, upload, sha256(blob)).status
        else:
            status = client.push_blob(self.host, repository, blob).status
        if self._note(step, status, 201, 403) and step != "shared":
            self.own.add((repository, sha256(blob)))

    def _delete(self) -> None:
        if self.own:
            repository, digest = self.lots.choice(sorted(self.own))
            self.own.discard((repository, digest))
            path = f"/v2/{repository}/blobs/{digest}"
            self._note("delete", exchange(self.host, "DELETE", path).status, 202)

    def _note(self, what: str, status: int, good: int, *allowed: int) -> bool:
        self.did[f"{what} {status}"] += 1
        if status not in (good, *allowed):
            self.wrong.append(f"{what}: {status}")
        return status == good


def test_no_quota_is_exceeded_by_a_byte(start_server: Start) -> None:
    """In the state that any commit leaves; and what was acknowledged is there."""
    server = start_server()
    server.manage("shell", "-v", "0", "-c", _SET)
    pushers = [Pusher(number, server) for number in range(PUSHERS)]
    with looping(server, _WATCH) as seen, ThreadPoolExecutor(PUSHERS) as pool:
        list(pool.map(lambda pusher: pusher.run(OPERATIONS // PUSHERS), pushers))
    did = sum((pusher.did for pusher in pushers), Counter[str]())
    print(f"\n{dict(sorted(did.items()))}\n{seen}")

    assert [line for pusher in pushers for line in pusher.wrong] == []
    assert did["whole 403"] + did["chunks 403"] + did["patch 403"], "no quota was ever reached"
    assert did["whole 201"]
    assert did["delete 202"]
    assert seen["most"]["team"] <= OF_TEAM
    assert seen["most"]["one"] <= OF_ONE
    assert all(seen["now"][name] <= seen["known"][name] for name in ("team", "one"))
    assert verify.misnamed(server.data) == []
    for pusher in pushers:
        for repository, digest in pusher.own:
            path = f"/v2/{repository}/blobs/{digest}"
            assert exchange(server.host, "HEAD", path).status == 200


def test_of_many_who_make_an_immutable_tag_one_does(start_server: Start) -> None:
    server = start_server()
    server.manage("shell", "-v", "0", "-c", _SET)
    assert client.push_blob(server.host, ONE, client.CONFIG).status == 201
    images = []
    for number in range(PUSHERS):
        layer = b"layer %d" % number
        assert client.push_blob(server.host, ONE, layer).status == 201
        images.append(client.image(layer))
    for tag in range(either(5, 20)):
        line = threading.Barrier(PUSHERS)

        def push(image: bytes, line: threading.Barrier = line, tag: int = tag) -> int:
            line.wait(30)
            return client.push_manifest(server.host, ONE, f"v{tag}", image).status

        with ThreadPoolExecutor(PUSHERS) as pool:
            statuses = list(pool.map(push, images))
        assert sorted(statuses) == [201] + [403] * (PUSHERS - 1)
        head = exchange(server.host, "HEAD", f"/v2/{ONE}/manifests/v{tag}")
        assert head.header("docker-content-digest") == sha256(images[statuses.index(201)])


def test_when_the_switch_has_returned_nothing_is_committed_any_more(start_server: Start) -> None:
    server = start_server()
    stop = threading.Event()

    def push(number: int) -> Counter[int]:
        statuses: Counter[int] = Counter()
        lots = random.Random(number)
        while not stop.is_set():
            blob = lots.randbytes(100)
            statuses[client.push_blob(server.host, OTHER, blob).status] += 1
        return statuses

    with ThreadPoolExecutor(PUSHERS) as pool:
        running = [pool.submit(push, number) for number in range(PUSHERS)]
        try:
            server.manage("read_only", "on")
            then = server.manage("shell", "-v", "0", "-c", _LINKS)
            later = server.manage("shell", "-v", "0", "-c", _LINKS)
        finally:
            stop.set()
        found = sum((each.result() for each in running), Counter[int]())
    assert then == later
    assert set(found) == {201, 405}
    assert found[201] == int(then)
    server.manage("read_only", "off")
    assert client.push_blob(server.host, OTHER, b"again").status == 201


def test_the_setting_of_dockers_registry_makes_it_read_only(start_server: Start) -> None:
    server = start_server(REGISTRY_STORAGE_MAINTENANCE_READONLY_ENABLED="true")
    assert client.push_blob(server.host, OTHER, b"blob").status == 405
    assert exchange(server.host, "GET", "/v2/").status == 200
    assert server.manage("read_only").startswith("read-only: by REGISTRY_STORAGE_MAINTENANCE")


_LINKS = "from repositories.models import BlobLink; print(BlobLink.objects.count())"
