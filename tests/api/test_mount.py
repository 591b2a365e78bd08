"""The two doors themselves: how an answer is framed, sent, and given up."""

import io
import json
from typing import BinaryIO

import pytest

from api import mount
from api.v2 import endpoint
from api.v2.request import Request
from repositories.access import Principal
from repositories.oci.digests import Digest
from repositories.storage.base import Storage
from repositories.storage.filesystem import FilesystemStorage
from tests.api.doors import (
    Caller,
    Environ,
    credentials,
    environment,
    through_django,
    through_wsgi,
)
from tests.oci.documents import encode, index
from tests.repositories.content import APP, push_blob, push_image

LARGE = bytes(range(256)) * 4096
DIGEST = Digest.of(LARGE)
BLOB = f"/v2/{APP}/blobs/{DIGEST}"


@pytest.mark.parametrize("path", ["/v2", "/v2/", "/v2/x", "/v2//", "/v2/\n"])
def test_everything_under_v2_is_the_specifications(path: str) -> None:
    assert mount.door_of(path) is endpoint.answer


@pytest.mark.parametrize("path", ["", "/", "/v", "/v2x", "/v22/", "//v2/", "/api/v2/", "/V2/"])
def test_nothing_else_is(path: str) -> None:
    assert mount.door_of(path) is None


@pytest.fixture
def repository(writer: Principal) -> str:
    """One with an image and a large blob."""
    push_image(writer, b"layer", tags=["v1"])
    push_blob(writer, LARGE)
    return APP


REQUESTS: list[tuple[str, str, dict[str, str]]] = [
    ("GET", "/v2/", {}),
    ("GET", "/v2/nowhere", {}),
    ("POST", "/v2/", {}),
    ("OPTIONS", "/v2/", {}),
    ("GET", "/v2/_catalog?n=0", {}),
    ("GET", f"/v2/{APP}/tags/list", {}),
    ("GET", f"/v2/{APP}/manifests/v1", {}),
    ("HEAD", f"/v2/{APP}/manifests/v1", {}),
    ("GET", f"/v2/{APP}/manifests/v1", {"If-None-Match": "*"}),
    ("GET", f"/v2/{APP}/manifests/absent", {}),
    ("GET", BLOB, {}),
    ("HEAD", BLOB, {}),
    ("GET", BLOB, {"Range": "bytes=10-19"}),
    ("GET", BLOB, {"Range": "bytes=100000-900000"}),
    ("GET", BLOB, {"Range": f"bytes={len(LARGE)}-"}),
    ("GET", BLOB, {"If-None-Match": f'"{DIGEST}"'}),
    ("GET", f"/v2/{APP}/referrers/{DIGEST}", {}),
    ("POST", f"/v2/{APP}/blobs/uploads/?mount={DIGEST}", {}),
    ("DELETE", f"/v2/{APP}/manifests/v1", {}),
    ("DELETE", BLOB, {}),
]


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize("signed_in", [True, False])
@pytest.mark.parametrize(("method", "target", "headers"), REQUESTS)
def test_both_doors_say_the_same(
    method: str, target: str, headers: dict[str, str], signed_in: bool, reader: Principal
) -> None:
    """Never two opinions: a reader, so that nothing changes between the two."""
    if signed_in:
        headers = {**headers, "Authorization": credentials(reader)}
    direct, through = (
        door(environment(method, target, headers=headers))
        for door in (through_wsgi, through_django)
    )

    assert (through.status, through.body) == (direct.status, direct.body)
    framing = {"Content-Length"} if direct.status in (204, 304) else set()
    ours = {name: through.headers[name] for name in through.headers.keys() - framing}
    assert ours == direct.headers


@pytest.mark.parametrize("host", ["two words", "a,b", "[::1", "a/b", "a:b:c", "a" * 300, "_:x"])
@pytest.mark.parametrize("target", ["/v2/", f"/v2/{APP}/tags/list", "/token?service=berth"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_malformed_host_is_answered_in_json_at_both_doors(
    method: str, target: str, host: str, reader: Principal
) -> None:
    """Django's own opinion of it is a page."""
    headers = {"Authorization": credentials(reader), "Host": host}
    environ = environment(method, target, headers=headers)
    door = mount.door_of(environ["PATH_INFO"])
    assert door
    direct = door(Request(environ))
    through = through_django(environment(method, target, headers=headers))

    assert through.status == direct.status
    assert through.headers["Content-Type"] == "application/json"
    assert set(through.json()) == set(json.loads(bytes(direct.body)))  # type: ignore[arg-type]


class Wrapper:
    """The server's way of sending a file: it starts where the file stands."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file = file

    def __iter__(self) -> "Wrapper":
        return self

    def __next__(self) -> bytes:
        raise AssertionError("the server sends the file itself")


def answer(reader: Principal, **headers: str) -> tuple[object, dict[str, str]]:
    """The body that the WSGI server is given, and the headers, for the large blob."""
    sent = {"Authorization": credentials(reader), **headers}
    environ: Environ = environment("GET", BLOB, headers=sent)
    environ["wsgi.file_wrapper"] = Wrapper
    started: list[tuple[str, list[tuple[str, str]]]] = []
    body = mount.wsgi(endpoint.answer, environ, lambda *status: started.append(status))
    return body, dict(started[0][1])


@pytest.mark.usefixtures("repository")
@pytest.mark.parametrize(
    ("asked", "start", "length"),
    [("", 0, len(LARGE)), ("bytes=1000-", 1000, len(LARGE) - 1000), ("bytes=7-700006", 7, 700000)],
)
def test_a_file_is_handed_to_the_server_from_where_it_is_to_be_sent(
    asked: str, start: int, length: int, reader: Principal
) -> None:
    """sendfile: no byte of a large blob goes through Python."""
    body, headers = answer(reader, Range=asked)

    assert isinstance(body, Wrapper)
    with body.file:
        assert body.file.tell() == start
        assert headers["Content-Length"] == str(length)


@pytest.mark.usefixtures("repository")
def test_a_small_part_is_not_worth_a_file(reader: Principal) -> None:
    assert answer(reader, Range="bytes=0-99")[0] == (LARGE[:100],)


@pytest.mark.usefixtures("repository")
def test_a_file_is_closed_when_the_client_has_gone(
    call: Caller, reader: Principal, blob_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R18."""
    opened: list[BinaryIO] = []
    open_blob = FilesystemStorage.open_blob

    def recorded(self: FilesystemStorage, digest: Digest) -> BinaryIO:
        opened.append(open_blob(self, digest))
        return opened[-1]

    monkeypatch.setattr(FilesystemStorage, "open_blob", recorded)
    environ = environment("GET", BLOB, headers={"Authorization": credentials(reader)})
    body = mount.wsgi(endpoint.answer, environ, lambda *_: None)
    next(iter(body))
    body.close()  # type: ignore[attr-defined]
    assert call("GET", BLOB, by=reader).status == 200

    assert len(opened) == 2
    assert all(file.closed for file in opened)


def test_the_least_of_a_request_is_answered(db: None) -> None:
    """No key is needed that PEP 3333 leaves out of some requests."""
    answer = through_wsgi({"REQUEST_METHOD": "GET", "PATH_INFO": "/v2/"})

    assert answer.status == 401


def test_a_body_that_nobody_wanted_is_left_alone(call: Caller, reader: Principal) -> None:
    body = io.BytesIO(encode(index()))
    refused = call("PUT", f"/v2/{APP}/manifests/v1", body, by=reader, length=len(body.getvalue()))

    assert refused.status == 403
    assert body.tell() == 0
