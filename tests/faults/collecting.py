"""The collector beside a running server, in a loop; and what must hold whatever it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

from tests.faults.looping import looping
from tests.live import LiveServer

# A server on which everything is collected as soon as nothing needs it, and that knows that
# untagged manifests go. Those younger than the shortest age that the settings take, too.
SETTINGS = {"REGISTRY_GARBAGE_GRACE": "0s", "REGISTRY_GARBAGE_UNTAGGED": "1"}
# Of all that may be wrong inside: a row without its file (I0), a file without a row, uploaded bytes
# without a session.
_INSPECT = """
import json
from repositories.models import Blob, Manifest, Upload
from repositories.storage import storage
rows = dict(Blob.objects.values_list("digest", "size"))
files = {str(b.digest): b.size for shard in range(256) for b in storage().stored(shard)}
print(json.dumps({
    "lost": sorted(digest for digest, size in rows.items() if files.get(digest) != size),
    "strays": sorted(files.keys() - rows.keys()),
    "trash": sorted(str(blob.digest) for blob in storage().trash()),
    "abandoned": sorted({upload.id for upload in storage().uploads()} - {
        str(id) for id in Upload.objects.values_list("id", flat=True)}),
    "manifests": sorted(" ".join(row) for row in Manifest.objects.values_list(
        "repository__name", "digest")),
}))
"""
_COLLECT = """
import io
from datetime import timedelta
from django.core.management import call_command
from repositories import stale_uploads
call_command("collect_garbage", grace="0s", stdout=io.StringIO())
stale_uploads.purge(age=timedelta(0))
"""
_LOOP = """
import json, select, sys
from datetime import timedelta
from django.conf import settings
from repositories import garbage, reviews, trash
settings.GARBAGE_UNTAGGED = 1e-9
none, removed, rounds = timedelta(0), trash.Tally(), 0
print("looping", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    removed.add(garbage.collect(grace=none, insist=True, seconds=2))
    if rounds % 5 == 0:
        reviews.nominate_forgotten()
        removed.add(trash.sweep(grace=none, shards=range(rounds % 7, trash.SHARDS, 7)))
    removed.add(trash.purge(grace=none))
    rounds += 1
names = ("manifests", "links", "blobs", "strays", "purged")
figures = {name: getattr(removed, name) for name in names}
failures = removed.kept["failed, and tried again later"]
print(json.dumps(figures | {"failures": failures, "rounds": rounds}))
"""
# Undoes whatever has been deleted, over and over; what is gone for good is refused.
_UNDO = """
import json, select, sys
from accounts.management.local import OPERATOR
from django.db import transaction
from repositories import deleted, undo
from repositories.models import Deletion, Repository
done = refused = late = 0
print("looping", flush=True)
while not select.select([sys.stdin], [], [], 0.005)[0]:
    for id, name in Deletion.objects.order_by("-pk").values_list("pk", "name")[:20]:
        try:
            undo.undo(principal=OPERATOR, repository=name, deletion=id, rest=True)
            done += 1
        except undo.CannotUndo:
            refused += 1
            with transaction.atomic():
                if Deletion.objects.select_for_update().filter(pk=id).first():
                    deleted.drop(id)
        except (Deletion.DoesNotExist, Repository.DoesNotExist):
            late += 1
print(json.dumps({"done": done, "refused": refused, "late": late}))
"""


def inspect(server: LiveServer, *, after_collecting: bool = False) -> dict[str, list[str]]:
    """What is in the database and on disk, and does not fit; `after_collecting` all that can go."""
    code = (_COLLECT if after_collecting else "") + _INSPECT
    said = server.manage("shell", "-v", "0", "-c", code)
    found: dict[str, list[str]] = json.loads(said.splitlines()[-1])  # the rest is a log's
    return found


@contextmanager
def collecting(server: LiveServer) -> Iterator[dict[str, int]]:
    """A process that collects everything without grace, over and over. Afterwards: its figures."""
    with looping(server, _LOOP) as figures:
        yield figures


@contextmanager
def undoing(server: LiveServer) -> Iterator[dict[str, int]]:
    """A process that undoes every delete. Afterwards: its figures."""
    with looping(server, _UNDO) as figures:
        yield figures
