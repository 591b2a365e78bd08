"""The server under test, what was pushed to it before, and the two questions that are asked of it.

Was each request answered exactly as it must be? And after a group of requests: is everything that
was there before still there, and nothing else?
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.badinput import corpus
from tests.badinput.corpus import Case, Given
from tests.badinput.wire import Answer, Connection, Headers, exchange, path_of, request
from tests.database import DATABASE
from tests.live import LiveServer
from tests.postgres import Server

BLOBS = Path("docker/registry/v2/blobs")
UPLOADS = Path("berth/uploads")
USER, PASSWORD = "corpus-admin", "correct horse: battery"
TRACE = "Traceback (most recent call last)"


@contextmanager
def empty_database(*, tables: bool = True) -> Iterator[str | None]:
    """The URL of a database for one live server; None for SQLite in its data folder."""
    if DATABASE != "postgresql":
        yield None
        return
    server = Server(os.environ["DATABASE_URL"])  # the one that this test run started
    try:
        yield server.create_database(tables=tables)
    finally:
        server.drop_databases()


@dataclass(frozen=True, slots=True)
class State:
    """What refused requests must leave as it is."""

    catalog: list[str]
    tags: dict[str, list[str]]
    outside: dict[Path, bytes]
    blobs: set[str]
    log_length: int


class Bench:
    """A running server with a canary image, an untouched repository and one for lawful pushes."""

    def __init__(self, server: LiveServer, outside: Path, *, credentials: Headers = ()) -> None:
        self.server = server
        self.host = server.host
        self.outside = outside
        self.credentials = credentials
        self.sessions: set[str] = set()
        self.may_exist: set[str] = set()
        self._push_images()
        self.before = self._state()

    # -- talking to it

    def ask(self, method: str, target: str, headers: Headers = (), body: bytes = b"") -> Answer:
        """A lawful request of our own, with credentials."""
        return exchange(self.host, method, target, self.credentials + headers, body)

    def must(
        self, status: int, method: str, target: str, headers: Headers = (), body: bytes = b""
    ) -> Answer:
        answer = self.ask(method, target, headers, body)
        assert answer.status == status, f"{method} {target}: {answer}"
        return answer

    def open_upload(self, repository: str) -> str:
        """A new upload session's path."""
        answer = self.must(202, "POST", f"/v2/{repository}/blobs/uploads/")
        path = path_of(answer.header("location"))
        self.sessions.add(path)
        return path

    def push_blob(self, repository: str, data: bytes) -> None:
        target = f"/v2/{repository}/blobs/uploads/?digest={corpus.sha256(data)}"
        self.must(201, "POST", target, (("Content-Type", "application/octet-stream"),), data)

    def push_manifest(self, repository: str, reference: str, data: bytes) -> None:
        media_type = json.loads(data)["mediaType"]
        self.must(
            201,
            "PUT",
            f"/v2/{repository}/manifests/{reference}",
            (("Content-Type", media_type),),
            data,
        )

    def _push_images(self) -> None:
        for data in (corpus.CONFIG, corpus.LAYER, corpus.PRIVATE):
            self.push_blob(corpus.CANARY, data)
        for tag, manifest in corpus.CANARY_TAGS.items():
            self.push_manifest(corpus.CANARY, tag, manifest)
        for repository in (corpus.REFUSED, corpus.LAWFUL):
            for data in (corpus.CONFIG, corpus.LAYER):
                self.push_blob(repository, data)
            self.push_manifest(repository, "seed", corpus.GOOD)

    # -- one case

    def check(self, case: Case) -> None:
        """Send the case's request and hold the answer against what the case says."""
        values = {"host": self.host, **self._given(case.given)}
        for _ in range(5 if case.within < 1 else 1):
            started = time.monotonic()
            with Connection(self.host) as connection:
                connection.send(case.render(values))
                if case.half_close:
                    connection.half_close()
                answer = connection.answer(head=case.is_head)
                taken = time.monotonic() - started
                self._note_session(answer)
                self._check_connection_after(case, connection, answer)
            if taken <= case.within:
                break
        else:
            raise AssertionError(f"{taken:.3f} s at best, {case.within} s allowed")
        self._check_answer(case, answer)
        if case.holds is not None or case.holds_up_to is not None:
            self._check_held(case, values["upload"])

    def _given(self, given: Given) -> Mapping[str, str]:
        """Bring about the state that the case starts from; what its texts may then name."""
        if given is Given.NOTHING:
            return {}
        upload = self.open_upload(corpus.REFUSED)
        if given in {Given.UPLOAD, Given.CANCELLED}:
            octets = (("Content-Type", "application/octet-stream"), ("Content-Range", "0-4"))
            self.must(202, "PATCH", upload, octets, corpus.HELD)
        if given is Given.CANCELLED:
            self.must(204, "DELETE", upload)
        if given is Given.FINISHED:
            glue = "&" if "?" in upload else "?"
            digest = corpus.sha256(corpus.LAYER)
            self.must(201, "PUT", f"{upload}{glue}digest={digest}", (), corpus.LAYER)
        name = upload.partition("?")[0].rstrip("/").rpartition("/")[2]
        return {"upload": upload, "uuid": name, "UUID": name.upper(), "hex": name.replace("-", "")}

    def _note_session(self, answer: Answer) -> None:
        location = answer.header("location")
        if answer.status == 202 and "/blobs/uploads/" in location:
            self.sessions.add(path_of(location))

    def _check_connection_after(self, case: Case, connection: Connection, answer: Answer) -> None:
        """No part of the request is taken for another one, and what follows is in step."""
        if case.by_server or case.half_close or answer.says_close:
            assert connection.rest() == b"", "a second answer to one request"
            return
        connection.send(
            request("GET", "/v2/", self.host, (*self.credentials, ("Connection", "close")))
        )
        after = connection.rest()
        if after:  # else it preferred to close, which is safe too
            assert after.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 401 ")), (
                f"out of step: {after[:300]!r}"
            )
            assert after.count(b"HTTP/1.1 ") == 1, f"out of step: {after[:600]!r}"

    def _check_answer(self, case: Case, answer: Answer) -> None:
        shown = f"{case.id}: {answer.status} {answer.body[:300]!r}"
        assert answer.status in case.statuses, f"{shown}, expected {case.statuses}"
        assert answer.status < 500, shown
        if case.by_server:
            return
        if not case.outside:
            assert "html" not in answer.header("content-type"), shown
            assert not answer.body.lstrip()[:9].lower().startswith((b"<!doctype", b"<html")), shown
        if answer.status >= 400 and not case.outside and not case.is_head:
            self._check_error(case, answer, shown)
        if case.is_head:
            assert answer.body == b"", shown
        for name, part in case.answer_headers:
            assert part in answer.header(name), (
                f"{shown}: {name} is {answer.header(name)!r}, not {part!r}"
            )
        if case.location_is_relative and answer.status < 300:
            assert answer.header("location").startswith("/v2/"), f"{shown} {answer.headers}"
        if case.answer_body is not None and answer.status < 300:
            assert answer.body == case.answer_body, shown
        if answer.status < 300:
            self.may_exist.update(case.publishes)

    def _check_error(self, case: Case, answer: Answer, shown: str) -> None:
        assert answer.header("content-type").startswith("application/json"), shown
        errors = json.loads(answer.body)["errors"]
        assert isinstance(errors, list), shown
        assert errors, shown
        for error in errors:
            assert set(error) <= {"code", "message", "detail"}, shown
            assert error["code"] in case.codes, f"{shown}, expected {sorted(case.codes)}"
            message = error["message"]
            # Prose that says what is wrong, and nothing about the inside of the house.
            assert len(message.split()) > 2, f"{shown}: says nothing"
            assert case.message_has in message, f"{shown}: {case.message_has!r} is missing"
            inside = (str(self.server.data), "Traceback", "DETAIL:", "sqlite", "psycopg")
            assert not [word for word in inside if word in message], shown

    def _check_held(self, case: Case, upload: str) -> None:
        """The session goes on from its last durable byte: the status GET is what the disk holds."""
        answer = self.must(204, "GET", upload)
        file = self.server.data / UPLOADS / Path(upload.partition("?")[0]).name
        on_disk = file.read_bytes()
        if case.holds is not None:
            assert on_disk == case.holds, f"{case.id}: on disk is {on_disk!r}"
        if case.holds_up_to is not None:
            assert on_disk.startswith(corpus.HELD), f"{case.id}: on disk is {on_disk!r}"
            assert case.holds_up_to.startswith(on_disk), f"{case.id}: on disk is {on_disk!r}"
        assert answer.header("range") == f"0-{max(len(on_disk) - 1, 0)}", answer

    # -- after a group

    def assert_unharmed(self) -> None:
        """All that was there is there, byte for byte, and nothing else but what cases announced.

        Afterwards what is there is taken as given, so that each group answers for itself only.
        """
        before, self.before = self.before, self._state()
        self._canary_reads_back()
        self._no_upload_left()
        assert self.before.catalog == before.catalog
        assert self.before.tags == before.tags
        assert self.before.outside == before.outside, "a file outside the data folder was touched"
        lost, added = before.blobs - self.before.blobs, self.before.blobs - before.blobs
        assert not lost
        assert not added - self.may_exist
        log = self.server.log()[before.log_length :]
        assert TRACE not in log, log[max(0, log.find(TRACE) - 500) :][:4000]

    def _state(self) -> State:
        catalog = json.loads(self.must(200, "GET", "/v2/_catalog?n=1000").body)
        return State(
            catalog=catalog["repositories"],
            tags={name: self.tags(name) for name in (corpus.CANARY, corpus.REFUSED)},
            outside={file: file.read_bytes() for file in self.outside.parent.iterdir()},
            blobs=self.blobs_on_disk(),
            log_length=len(self.server.log()),
        )

    def tags(self, repository: str) -> list[str]:
        answer = self.must(200, "GET", f"/v2/{repository}/tags/list?n=1000")
        tags = json.loads(answer.body)["tags"]
        assert isinstance(tags, list)
        return tags

    def blobs_on_disk(self) -> set[str]:
        """All published blobs; each file hashes to its name, and there is no other."""
        found = set()
        for file in (self.server.data / BLOBS).rglob("*"):
            if file.is_dir():
                continue
            folder = file.parent
            algorithm = folder.parent.parent.name
            assert file.name == "data", f"left over: {file}"
            assert folder.name[:2] == folder.parent.name, f"misplaced: {file}"
            assert hashlib.new(algorithm, file.read_bytes()).hexdigest() == folder.name, file
            found.add(f"{algorithm}:{folder.name}")
        return found

    def _canary_reads_back(self) -> None:
        for data in (corpus.CONFIG, corpus.LAYER, corpus.PRIVATE):
            answer = self.must(200, "GET", f"/v2/{corpus.CANARY}/blobs/{corpus.sha256(data)}")
            assert answer.body == data
        for tag, data in corpus.CANARY_TAGS.items():
            for reference in (tag, corpus.sha256(data)):
                answer = self.must(200, "GET", f"/v2/{corpus.CANARY}/manifests/{reference}")
                assert answer.body == data
                assert answer.header("docker-content-digest") == corpus.sha256(data)
                assert answer.header("content-type") == json.loads(data)["mediaType"]

    def _no_upload_left(self) -> None:
        while self.sessions:
            path = self.sessions.pop()
            answer = self.ask("DELETE", path)
            assert answer.status in {204, 404}, f"cancelling {path}: {answer}"
        left = [entry.name for entry in (self.server.data / UPLOADS).rglob("*") if entry.is_file()]
        assert not left, f"left over among the uploads: {left}"
