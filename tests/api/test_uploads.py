"""end-4 to end-6, end-13 and end-14: blobs pushed in one request or many."""

import uuid
from typing import Any

import pytest

from repositories import uploads
from repositories.access import Principal
from repositories.models import Blob, Upload
from repositories.oci.digests import Digest
from repositories.storage.base import Storage
from tests.api.doors import HOST, Answer, Caller
from tests.repositories.content import APP, push_blob

CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)
UPLOADS = f"/v2/{APP}/blobs/uploads/"
BLOB = f"/v2/{APP}/blobs/{DIGEST}"

NO_DIGESTS = [
    "digest-algorithm=md5",
    "digest=sha256:x",
    "digest=md5:abc",
    "mount=x&from=a",
    "mount=",
]
NO_DIGESTS += [f"digest={DIGEST}&digest=x", f"digest={DIGEST}%0a"]


class Session:
    """An upload session, spoken to as a client does."""

    def __init__(self, call: Caller, by: Principal, query: str = "") -> None:
        self._call, self._by = call, by
        self.opened = call("POST", f"{UPLOADS}{query}", by=by)
        self.path = self.opened.headers["Location"].removeprefix(f"http://{HOST}")

    def __call__(
        self, method: str, body: bytes = b"", *, query: str = "", where: str = "", **options: Any
    ) -> Answer:
        headers = {"Content-Range": where} if where else {}
        return self._call(
            method, f"{self.path}{query}", body, by=self._by, headers=headers, **options
        )

    def finish(self, digest: Digest | str = DIGEST, body: bytes = b"", **options: Any) -> Answer:
        return self("PUT", body, query=f"?digest={digest}", **options)

    @property
    def size(self) -> int:
        return uploads.status(repository=APP, upload=self.path.rpartition("/")[2]).size


@pytest.fixture
def session(call: Caller, writer: Principal) -> Session:
    return Session(call, writer)


def is_stored() -> bool:
    return Blob.objects.filter(digest=str(DIGEST)).exists()


class TestPost:
    @pytest.mark.parametrize("path", [UPLOADS, UPLOADS.rstrip("/")])
    def test_a_session_is_opened(self, path: str, call: Caller, writer: Principal) -> None:
        answer = call("POST", path, by=writer)
        id = answer.headers["Docker-Upload-UUID"]

        assert (answer.status, answer.body) == (202, b"")
        assert str(uuid.UUID(id)) == id
        assert answer.headers["Location"] == f"http://{HOST}{UPLOADS}{id}"
        assert answer.headers["Range"] == "0-0"

    @pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
    def test_an_algorithm_can_be_announced(
        self, algorithm: str, call: Caller, writer: Principal
    ) -> None:
        session = Session(call, writer, f"?digest-algorithm={algorithm}")

        assert session.finish(Digest.of(CONTENT, algorithm), CONTENT).status == 201

    @pytest.mark.parametrize("query", NO_DIGESTS)
    def test_a_digest_that_is_none_is_refused(
        self, query: str, call: Caller, writer: Principal
    ) -> None:
        answer = call("POST", f"{UPLOADS}?{query}", by=writer)

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert not Upload.objects.exists()

    @pytest.mark.parametrize("chunked", [False, True])
    @pytest.mark.parametrize("content", [CONTENT, b"", CONTENT * 200_000])
    def test_a_blob_can_be_pushed_in_one_request(
        self, content: bytes, chunked: bool, call: Caller, writer: Principal
    ) -> None:
        digest = Digest.of(content)
        answer = call("POST", f"{UPLOADS}?digest={digest}", content, by=writer, chunked=chunked)

        assert (answer.status, answer.body) == (201, b"")
        assert answer.headers["Location"] == f"http://{HOST}/v2/{APP}/blobs/{digest}"
        assert answer.headers["Docker-Content-Digest"] == str(digest)
        assert call("GET", f"/v2/{APP}/blobs/{digest}", by=writer).body == content

    def test_a_blob_in_one_request_that_is_another_is_refused(
        self, call: Caller, writer: Principal, blob_storage: Storage
    ) -> None:
        answer = call("POST", f"{UPLOADS}?digest={DIGEST}", b"rubbish", by=writer)

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert not is_stored()
        assert list(blob_storage.uploads()) == []

    def test_a_blob_in_one_request_that_breaks_off_is_refused(
        self, call: Caller, writer: Principal, blob_storage: Storage
    ) -> None:
        answer = call("POST", f"{UPLOADS}?digest={DIGEST}", CONTENT, by=writer, length=11)

        assert (answer.status, answer.code) == (400, "SIZE_INVALID")
        assert not is_stored()
        assert list(blob_storage.uploads()) == []

    def test_over_the_limit_of_open_sessions_the_client_is_told_to_wait(
        self, call: Caller, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(uploads, "MAX_OPEN_PER_USER", 1)
        call("POST", UPLOADS, by=writer)
        answer = call("POST", UPLOADS, by=writer)

        assert (answer.status, answer.code) == (429, "TOOMANYREQUESTS")
        assert int(answer.headers["Retry-After"]) > 0


class TestMount:
    @pytest.mark.parametrize("source", ["&from=payments/base", ""])
    def test_a_readable_blob_is_linked_without_its_bytes(
        self, source: str, call: Caller, writer: Principal
    ) -> None:
        push_blob(writer, CONTENT, repository="payments/base")
        answer = call("POST", f"{UPLOADS}?mount={DIGEST}{source}", by=writer)

        assert answer.status == 201
        assert answer.headers["Location"] == f"http://{HOST}{BLOB}"
        assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
        assert call("GET", BLOB, by=writer).body == CONTENT

    @pytest.mark.parametrize("source", ["&from=payments/secret", "&from=payments/absent", ""])
    @pytest.mark.parametrize("content", [CONTENT, b"absent"])
    def test_what_cannot_be_mounted_becomes_an_upload_and_says_nothing_of_why(
        self, source: str, content: bytes, call: Caller, writer: Principal, stranger: Principal
    ) -> None:
        """S13: private, missing, and not there at all are answered alike."""
        push_blob(writer, CONTENT, repository="payments/secret")
        path = "/v2/stranger/app/blobs/uploads/"
        answer = call("POST", f"{path}?mount={Digest.of(content)}{source}", by=stranger)

        assert (answer.status, answer.body) == (202, b"")
        assert set(answer.headers) <= {
            "Location",
            "Range",
            "Docker-Upload-UUID",
            "Docker-Distribution-API-Version",
            "X-Content-Type-Options",
            "Content-Length",
        }
        blob = call("HEAD", f"/v2/stranger/app/blobs/{DIGEST}", by=stranger)
        assert blob.status == 404


class TestPatch:
    def test_chunks_are_appended(self, session: Session) -> None:
        first = session("PATCH", CONTENT[:4])
        second = session("PATCH", CONTENT[4:], where="4-9")

        assert (first.status, first.headers["Range"]) == (202, "0-3")
        assert (second.status, second.headers["Range"]) == (202, "0-9")
        assert second.headers["Location"] == f"http://{HOST}{session.path}"
        assert session.path.endswith(second.headers["Docker-Upload-UUID"])
        assert session.finish().status == 201

    def test_a_chunked_body_is_read(self, session: Session) -> None:
        """What `docker push` sends."""
        assert session("PATCH", CONTENT * 100_000, chunked=True).headers["Range"] == "0-999999"

    @pytest.mark.parametrize(
        "where", ["4-9", "bytes=4-9", "bytes 4-9", "bytes 4-9/*", "4-9/10", "bytes 4-9/10"]
    )
    def test_every_form_of_a_range_that_clients_send_is_read(
        self, where: str, session: Session
    ) -> None:
        session("PATCH", CONTENT[:4])

        assert session("PATCH", CONTENT[4:], where=where).headers["Range"] == "0-9"

    @pytest.mark.parametrize(
        ("where", "status", "code"),
        [
            ("0-5", 416, "RANGE_INVALID"),
            ("3-8", 416, "RANGE_INVALID"),
            ("5-10", 416, "RANGE_INVALID"),
            ("9-4", 416, "RANGE_INVALID"),
            ("9223372036854775807-9223372036854775812", 416, "RANGE_INVALID"),
            ("4-8", 400, "SIZE_INVALID"),
            ("4-10", 400, "SIZE_INVALID"),
            ("4-", 400, "BLOB_UPLOAD_INVALID"),
            ("-9", 400, "BLOB_UPLOAD_INVALID"),
            ("4", 400, "BLOB_UPLOAD_INVALID"),
            ("x", 400, "BLOB_UPLOAD_INVALID"),
            ("+4-9", 400, "BLOB_UPLOAD_INVALID"),
            ("\xb2-\xb3", 400, "BLOB_UPLOAD_INVALID"),
            ("4-9" * 1000, 400, "BLOB_UPLOAD_INVALID"),
        ],
    )
    def test_a_chunk_out_of_order_is_refused_and_harms_nothing(
        self, where: str, status: int, code: str, session: Session
    ) -> None:
        session("PATCH", CONTENT[:4])
        answer = session("PATCH", CONTENT[4:], where=where)

        assert (answer.status, answer.code) == (status, code)
        assert session.size == 4
        assert session.finish(body=CONTENT[4:]).status == 201

    def test_a_chunk_out_of_order_is_told_where_to_go_on(self, session: Session) -> None:
        session("PATCH", CONTENT[:4])
        answer = session("PATCH", CONTENT, where="0-9")

        assert answer.headers["Range"] == "0-3"

    def test_of_a_chunk_that_breaks_off_what_came_stays(self, session: Session) -> None:
        answer = session("PATCH", CONTENT[:4], length=10)

        assert (answer.status, answer.code) == (400, "SIZE_INVALID")
        assert session("GET").headers["Range"] == "0-3"
        assert session.finish(body=CONTENT[4:]).status == 201


class TestPut:
    @pytest.mark.parametrize("chunked", [False, True])
    def test_all_the_bytes_can_come_with_the_digest(
        self, chunked: bool, session: Session, call: Caller, writer: Principal
    ) -> None:
        answer = session.finish(body=CONTENT, chunked=chunked)

        assert (answer.status, answer.body) == (201, b"")
        assert answer.headers["Location"] == f"http://{HOST}{BLOB}"
        assert answer.headers["Docker-Content-Digest"] == str(DIGEST)
        assert call("GET", BLOB, by=writer).body == CONTENT

    @pytest.mark.parametrize(
        "query", ["", "?digest=", "?digest=x", "?digest=md5:x", f"?digest={DIGEST}&digest={DIGEST}"]
    )
    def test_without_one_good_digest_nothing_is_finished(
        self, query: str, session: Session
    ) -> None:
        session("PATCH", CONTENT)
        answer = session("PUT", query=query)

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert session.finish().status == 201

    def test_bytes_that_hash_to_something_else_are_not_stored(self, session: Session) -> None:
        answer = session.finish(body=b"rubbish")

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
        assert not is_stored()
        assert session("GET").code == "BLOB_UPLOAD_UNKNOWN"

    def test_a_last_chunk_that_breaks_off_publishes_nothing(self, session: Session) -> None:
        answer = session.finish(body=CONTENT, length=11)

        assert (answer.status, answer.code) == (400, "SIZE_INVALID")
        assert not is_stored()
        assert session.finish().status == 201

    def test_a_last_chunk_out_of_order_publishes_nothing(self, session: Session) -> None:
        session("PATCH", CONTENT[:4])
        answer = session.finish(body=CONTENT[4:], where="5-10")

        assert (answer.status, answer.code) == (416, "RANGE_INVALID")
        assert session.finish(body=CONTENT[4:], where="4-9").status == 201


class TestStatusAndCancel:
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_the_status_says_how_far_it_has_come(self, method: str, session: Session) -> None:
        assert session(method).headers["Range"] == "0-0"
        session("PATCH", CONTENT)
        answer = session(method)

        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["Range"] == "0-9"
        assert answer.headers["Location"] == f"http://{HOST}{session.path}"

    @pytest.mark.parametrize("end", ["finished", "cancelled"])
    def test_a_session_that_has_ended_is_unknown(self, end: str, session: Session) -> None:
        ended = session.finish(body=CONTENT) if end == "finished" else session("DELETE")
        assert ended.status == (201 if end == "finished" else 204)

        for method in ("GET", "PATCH", "DELETE"):
            answer = session(method, CONTENT if method == "PATCH" else b"")
            assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")
        assert session.finish(body=CONTENT).code == "BLOB_UPLOAD_UNKNOWN"

    def test_a_session_is_unknown_in_every_other_repository(
        self, session: Session, call: Caller, administrator: Principal
    ) -> None:
        """S14."""
        push_blob(administrator, b"x", repository="payments/other")
        path = session.path.replace(APP, "payments/other")
        for method, query in {
            "GET": "",
            "PATCH": "",
            "DELETE": "",
            "PUT": f"?digest={DIGEST}",
        }.items():
            answer = call(method, path + query, by=administrator)
            assert (answer.status, answer.code) == (404, "BLOB_UPLOAD_UNKNOWN")

        assert session.finish(body=CONTENT).status == 201
