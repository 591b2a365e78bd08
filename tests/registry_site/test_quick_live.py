"""Small requests to a real server: the same answer, whoever gives it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.badinput.corpus import OCI_IMAGE, OCI_INDEX, sha256
from tests.badinput.wire import Answer, Headers, exchange, path_of, request
from tests.badinput.wire import Connection as Wire
from tests.faults import client
from tests.live import LiveServer

NAME = "team/app"
TAG = f"/v2/{NAME}/manifests/1"
LAYER = client.random_bytes("layer", 3_000_000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    folder = tmp_path_factory.mktemp("quick")
    with LiveServer(folder / "data", env={"REGISTRY_WORKERS": "1"}) as server:
        for data in (client.CONFIG, LAYER):
            assert client.push_blob(server.host, NAME, data).status == 201
        image = client.image(LAYER)
        fields = (("Content-Type", OCI_IMAGE),)
        assert exchange(server.host, "PUT", TAG, fields, image).status == 201
        yield server


CONFIG = f"/v2/{NAME}/blobs/{sha256(client.CONFIG)}"
PATHS = {
    "version": "/v2/",
    "tag": TAG,
    "digest": f"/v2/{NAME}/manifests/{sha256(client.image(LAYER))}",
    "small blob": CONFIG,
    "large blob": f"/v2/{NAME}/blobs/{sha256(LAYER)}",
    "no tag": f"/v2/{NAME}/manifests/2",
    "no blob": f"/v2/{NAME}/blobs/{sha256(b'nothing')}",
    "no repository": "/v2/team/other/manifests/1",
    "no route": "/v2/team/app/nothing",
    "a bad name": "/v2/Team/manifests/1",
    "tags": f"/v2/{NAME}/tags/list",
    "catalog": "/v2/_catalog",
    "some tags": f"/v2/{NAME}/tags/list?n=1&last=0",
    "a wrong number": f"/v2/{NAME}/tags/list?n=-1&n=2",
    "an empty query": "/v2/?",
    "an encoded query": f"/v2/{NAME}/tags/list?last=%30+&n=%31",
    "a second question mark": "/v2/?a=b?c",
}
FIELDS: dict[str, Headers] = {
    "nothing": (),
    "what clients accept": (("Accept", OCI_IMAGE), ("Accept", "*/*"), ("User-Agent", "x/1")),
    "what is not there": (("Accept", OCI_INDEX),),
    "a part": (("Range", "bytes=1-1"),),
    "no such part": (("Range", "bytes=99999999-"),),
    "what is known": (("If-None-Match", f'"{sha256(client.CONFIG)}"'),),
    "a wrong token": (("Authorization", "Bearer x"),),
    "Latin-1": (("X-Name", "caf\xe9"),),
    "underscores": (("X_Forwarded_For", "192.0.2.1"),),
}


def _lasting(answer: Answer) -> Answer:
    kept = tuple(each for each in answer.headers if each[0] not in ("date", "connection"))
    return Answer(answer.status, kept, answer.body)


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_both_ways_give_the_same_answer(path: str, fields: Headers, server: LiveServer) -> None:
    for method in ("GET", "HEAD"):
        by_thread = exchange(server.host, method, path, fields)
        with Wire(server.host) as wire:
            for _ in range(3):  # what is not remembered takes a thread at first
                wire.send(request(method, path, server.host, fields))
                again = wire.answer(head=method == "HEAD")
                assert _lasting(again) == _lasting(by_thread)
                assert again.header("connection") == "keep-alive"


UPLOADS = f"/v2/{NAME}/blobs/uploads/"
WRITES: dict[str, tuple[str, str, Headers, bytes]] = {
    "a manifest": ("PUT", TAG, (("Content-Type", OCI_IMAGE),), client.image(LAYER)),
    "no manifest": ("PUT", TAG, (("Content-Type", OCI_IMAGE),), b"{}"),
    "a mount": ("POST", f"{UPLOADS}?mount={sha256(LAYER)}&from={NAME}", (), b""),
    "a blob": ("POST", f"{UPLOADS}?digest={sha256(b'a blob')}", (), b"a blob"),
    "another blob": ("POST", f"{UPLOADS}?digest={sha256(b'a blob')}", (), b"other"),
    "no digest": ("POST", f"{UPLOADS}?digest=x%0Ay", (), b""),
    "no upload": ("PATCH", f"{UPLOADS}0", (), b"bytes"),
    "nothing to end": ("PUT", f"{UPLOADS}0?digest={sha256(b'a')}", (), b"a"),
    "no such tag": ("DELETE", f"/v2/{NAME}/manifests/none", (), b""),
    "no such method": ("PUT", "/v2/", (), b"x"),
    "a wrong token": ("PUT", TAG, (("Authorization", "Bearer x"),), b"{}"),
}


@pytest.mark.parametrize("name", WRITES)
def test_both_ways_do_the_same(name: str, server: LiveServer) -> None:
    write = WRITES[name]
    by_gunicorn = exchange(server.host, *write)
    with Wire(server.host) as wire:
        for _ in range(3):
            method, target, fields, body = write
            wire.send(request(method, target, server.host, fields, body))
            again = wire.answer()
            assert _lasting(again) == _lasting(by_gunicorn)
            assert again.header("connection") == "keep-alive"


def test_an_upload_in_small_requests_is_whole(server: LiveServer) -> None:
    pieces = [client.random_bytes(f"piece {number}", 5000 * number) for number in range(20)]
    whole = b"".join(pieces)
    with Wire(server.host) as wire:
        wire.send(request("POST", UPLOADS, server.host))
        place = path_of(wire.answer().header("location"))
        for piece in pieces:
            fields = (("Content-Type", "application/octet-stream"),)
            wire.send(request("PATCH", place, server.host, fields, piece))
            answer = wire.answer()
            assert answer.status == 202
            place = path_of(answer.header("location"))
        end = f"{place}{'&' if '?' in place else '?'}digest={sha256(whole)}"
        wire.send(request("PUT", end, server.host))
        assert wire.answer().status == 201
        wire.send(request("GET", f"/v2/{NAME}/blobs/{sha256(whole)}", server.host))
        assert wire.answer().body == whole


def test_requests_that_come_together_or_in_pieces_are_all_answered(server: LiveServer) -> None:
    one = request("GET", TAG, server.host)
    with Wire(server.host) as wire:
        for data in ([one], [one, one], [one * 3], [one[:20], one[20:]], [one + one[:9], one[9:]]):
            for piece in data:
                wire.send(piece)
            for _ in range(b"".join(data).count(b"\r\n\r\n")):
                assert wire.answer().body == client.image(LAYER)


def test_a_client_that_reads_late_keeps_nobody_waiting(server: LiveServer) -> None:
    large = request("GET", PATHS["large blob"], server.host)
    with Wire(server.host) as late, Wire(server.host) as other:
        for wire in (late, other):
            wire.send(request("GET", "/v2/", server.host))
            wire.answer()
        late.send(large)
        for _ in range(20):
            other.send(request("GET", TAG, server.host))
            assert other.answer().status == 200
        assert late.answer().body == LAYER
        late.send(request("GET", TAG, server.host))
        assert late.answer().body == client.image(LAYER)


def test_clients_that_go_away_leave_nothing_behind(server: LiveServer) -> None:
    for path in (TAG, PATHS["large blob"]):
        for _ in range(20):
            with Wire(server.host) as wire:
                wire.send(request("GET", "/v2/", server.host))
                wire.answer()
                wire.send(request("GET", path, server.host))
                wire.reset()
    assert exchange(server.host, "GET", TAG).status == 200
    assert "Traceback" not in server.log()


def test_what_is_changed_is_seen_by_the_next_read(server: LiveServer) -> None:
    path = f"/v2/{NAME}/manifests/moving"
    with Wire(server.host) as wire:
        for number in range(30):
            image = client.image(LAYER, annotations={"number": str(number)})
            fields = (("Content-Type", OCI_IMAGE),)
            assert exchange(server.host, "PUT", path, fields, image).status == 201
            for _ in range(3):
                wire.send(request("GET", path, server.host))
                assert wire.answer().body == image
        assert exchange(server.host, "DELETE", path).status == 202
        wire.send(request("GET", path, server.host))
        assert wire.answer().status == 404


def test_a_stop_does_not_wait_for_connections_that_wait(tmp_path: Path) -> None:
    with LiveServer(tmp_path / "data") as server, Wire(server.host) as wire:
        for _ in range(2):
            wire.send(request("GET", "/v2/", server.host))
            assert wire.answer().status == 200
        assert server.stop() == 0
        assert wire.rest() == b""
