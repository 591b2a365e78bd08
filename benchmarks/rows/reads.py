"""Small answers per second: what a cluster asks for all day."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from benchmarks.bearer import pull
from benchmarks.client import WrongAnswer
from benchmarks.content import IMAGE, TAG, Content, digest_of
from benchmarks.load import Target, requests_in, warm_up
from benchmarks.rows.base import Bench, Row, Sample, sample
from benchmarks.servers import Server
from benchmarks.steps import ACCEPT, DIGEST, blob_path, manifest_path


def _tag(content: Content) -> tuple[str, bytes]:
    return manifest_path(IMAGE, TAG), content.manifest


def _digest(content: Content) -> tuple[str, bytes]:
    return manifest_path(IMAGE, content.manifest_digest), content.manifest


def _blob(content: Content) -> tuple[str, bytes]:
    return blob_path(IMAGE, content.config.digest), content.config.joined()


def _version(content: Content) -> tuple[str, bytes]:
    return "/v2/", b""


What = Callable[[Content], tuple[str, bytes]]


def _check(server: Server, target: Target, body: bytes) -> None:
    """One request, looked at closely: the load itself is only checked for its status."""
    with server.connect(pull(IMAGE)) as connection:
        answer = connection.request(target.method, target.path, target.headers)
    what = f"{target.method} {target.path}"
    answer.expect(200, what)
    if target.path == "/v2/":
        return
    if target.method == "GET" and answer.body != body:
        raise WrongAnswer(f"{what}: other bytes than were pushed")
    if answer.headers.get("content-length") != str(len(body)):
        raise WrongAnswer(f"{what}: Content-Length {answer.headers.get('content-length')}")
    if server.sends_digest and answer.headers.get(DIGEST) != digest_of(body):
        raise WrongAnswer(f"{what}: {DIGEST} {answer.headers.get(DIGEST)}")


def _requests(method: str, what: What, bench: Bench, server: Server) -> Sample:
    path, body = what(bench.content)
    accept = ACCEPT if "/manifests/" in path else {}
    headers = {**server.headers(pull(IMAGE)), **accept}
    target = Target("127.0.0.1", server.port, method, path, headers)
    _check(server, target, body)
    warm_up(target)
    with server.watch() as watch:
        count, seconds = requests_in(target, bench.scale.seconds)
    _check(server, target, body)
    return sample(watch, count / seconds, count)


def _row(key: str, title: str, needs: str, method: str, what: What) -> Row:
    measure = partial(_requests, method, what)
    return Row(f"read-{key}", title, "requests/s", needs, measure, higher_is_better=True)


ROWS = (
    _row("manifest-tag", "GET manifest by tag", "manifest", "GET", _tag),
    _row("manifest-digest", "GET manifest by digest", "manifest", "GET", _digest),
    _row("head-tag", "HEAD manifest by tag", "manifest", "HEAD", _tag),
    _row("head-digest", "HEAD manifest by digest", "manifest", "HEAD", _digest),
    _row("blob", "GET small blob", "blob-get", "GET", _blob),
    _row("head-blob", "HEAD small blob", "blob-get", "HEAD", _blob),
    _row("version", "GET /v2/", "version", "GET", _version),
)
