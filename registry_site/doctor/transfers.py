"""What only somebody with credentials can try: an upload as docker makes it, which is cancelled; a
pull; and how long whatever stands between waits.

Nothing is published. A repository that was made for it is deleted again.
"""

import hashlib
import re
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from accounts import proxy, proxy_lines
from registry_site.doctor.answers import compression, origin_problem, ranges
from registry_site.doctor.caller import NONE, Caller, parsed, refusal
from registry_site.doctor.report import Check, Result
from registry_site.doctor.wire import Answer, Failure, Site

LOCATION = Check("location", "Address of uploads")
UPLOAD = Check("upload", "An upload")
PULL = Check("pull", "A pull")
SEEN = Check("forwarded", "What Berth is told")
LEFT = Check("left", "What is left")
SLOW_REQUEST = Check("slow-request", "Slow uploads")
SLOW_ANSWER = Check("slow-answer", "Slow answers")

_BLOCK = bytes(1024 * 1024)
_TYPES = ", ".join(
    f"application/vnd.{name}+json"
    for name in (
        *("oci.image.index.v1", "oci.image.manifest.v1"),
        *("docker.distribution.manifest.list.v2", "docker.distribution.manifest.v2"),
    )
)
_MOST_REPOSITORIES = 20
_MOST_BYTES = 4 * 1024 * 1024  # of a blob that is pulled
_PAUSE_SECONDS = 10.0
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


class Uploads:
    """Uploads into a repository: that of the caller's choice, or one that is made for it."""

    def __init__(self, caller: Caller, repository: str) -> None:
        self._caller = caller
        self._site = caller.site
        own = f"{caller.name}/doctor" if caller.name else "doctor"
        self.repository = repository or own
        self._is_new = self._look().status == 404

    @property
    def needs(self) -> str:
        """What to say where it is refused."""
        return (
            f"needs the right to push into {self.repository} (--repository names another); nothing "
            "is published there"
        )

    def start(self) -> Answer:
        """Open one. Raises OSError, HTTPException."""
        path = f"/v2/{self.repository}/blobs/uploads/"
        return self._site.ask("POST", path, {**self._headers(), "Content-Length": "0"})

    def send(self, path: str, pieces: Iterator[bytes]) -> Answer:
        headers = {**self._headers(), "Content-Type": "application/octet-stream"}
        return self._site.send("PATCH", path, headers, pieces)

    def cancel(self, path: str) -> None:
        with suppress(*Failure):
            self._site.ask("DELETE", path, self._headers())

    def clean_up(self) -> Iterator[Result]:
        """Delete the repository if it was made for this, and is still empty."""
        if not self._is_new:
            return
        found = self._look()
        content = parsed(found)
        if found.status == 404 or not isinstance(content, dict) or content.get("tags_count"):
            return
        path = f"/api/v1/repositories/{self.repository}"
        if self._site.ask("DELETE", path, self._caller.own).status != 200:
            yield LEFT.advice(
                f"The repository {self.repository}, which is empty, for somebody who may delete it."
            )

    def _look(self) -> Answer:
        path = f"/api/v1/repositories/{self.repository}"
        return self._site.ask("GET", path, self._caller.own)

    def _headers(self) -> dict[str, str]:
        return self._caller.headers(f"repository:{self.repository}:pull,push")


def path_of(location: str) -> str:
    """Path and query of a Location: it is followed at the site itself."""
    parts = urlsplit(location)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def upload(site: Site, uploads: Uploads, size: int) -> Iterator[Result]:
    """`size` bytes in chunks, as docker sends them, and cancelled."""
    try:
        opened = uploads.start()
    except Failure as error:
        yield LOCATION.skipped(f"{uploads.needs}: {error}")
        return
    if opened.status != 202:
        if opened.is_berths and opened.status in (401, 403, 405):
            yield LOCATION.skipped(f"{uploads.needs}: {refusal(opened)}")
        else:
            yield LOCATION.wrong(
                f"An upload cannot be opened ({refusal(opened)}).", proxy_lines.PATHS
            )
        return
    told = opened.header("Location")
    problem = origin_problem(told, site)
    yield (
        LOCATION.wrong(*problem)
        if problem
        else LOCATION.ok("clients are sent to the address that they use")
    )
    path = path_of(told)
    try:
        if size:
            yield _sent(uploads, path, size)
        else:
            yield UPLOAD.skipped("not wanted: --body 0")
    finally:
        uploads.cancel(path)


def _sent(uploads: Uploads, path: str, size: int) -> Result:
    began = time.monotonic()
    try:
        found = uploads.send(path, _content(size))
    except Failure as error:
        return UPLOAD.wrong(
            f"The connection was cut in the midst of {size / 1e6:,.0f} MB, after "
            f"{time.monotonic() - began:.0f} s ({error}).",
            [*proxy_lines.SIZE, *proxy_lines.WAITING],
        )
    seconds = max(time.monotonic() - began, 0.001)
    if found.status == 413 and not found.is_berths:
        return UPLOAD.wrong(
            f"{size / 1e6:,.0f} MB are refused by the proxy (413): set no limit there.",
            proxy_lines.SIZE,
        )
    if found.status in (408, 502, 504) and not found.is_berths:
        return UPLOAD.wrong(
            f"The proxy gave up after {seconds:.0f} s ({found.status}).",
            [*proxy_lines.STREAMING, *proxy_lines.WAITING],
        )
    if found.status != 202:
        return UPLOAD.wrong(f"{size / 1e6:,.0f} MB are refused: {refusal(found)}.")
    if found.header("Range") != f"0-{size - 1}":
        return UPLOAD.wrong(
            f"{size} bytes were sent, and the registry has {found.header('Range')!r}: something "
            "between changes bodies.",
            proxy_lines.UNCHANGED,
        )
    speed = size / seconds / 1e6
    return UPLOAD.ok(f"{size / 1e6:,.0f} MB in chunks, {speed:,.0f} MB/s; cancelled")


def _content(size: int) -> Iterator[bytes]:
    for left in range(size, 0, -len(_BLOCK)):
        yield _BLOCK[: min(left, len(_BLOCK))]


class Blob(NamedTuple):
    """A small one that can be pulled."""

    repository: str
    digest: str
    size: int


def pull(site: Site, caller: Caller) -> Iterator[Result]:
    """A blob of some image: whole, only its length, and a part of it."""
    try:
        blob = _find(site, caller)
        if blob is None:
            yield PULL.skipped(
                "there is no image here that could be pulled"
                + ("" if caller.is_somebody else ", or it " + NONE)
            )
            return
        headers = caller.headers(f"repository:{blob.repository}:pull")
        yield from _pulled(site, blob, headers)
    except Failure as error:
        yield PULL.wrong(f"Pulling broke off: {error}.")


def _pulled(site: Site, blob: Blob, headers: dict[str, str]) -> Iterator[Result]:
    path = f"/v2/{blob.repository}/blobs/{blob.digest}"
    told = site.ask("HEAD", path, headers).header("Content-Length")
    found = site.ask("GET", path, {**headers, "Accept-Encoding": "gzip"})
    internal = found.header("X-Accel-Redirect")
    if internal:
        yield PULL.wrong(
            "REGISTRY_HTTP_ACCELREDIRECT leaves sending blobs to nginx, and what stands before "
            "Berth does not know what that is.",
            proxy_lines.internal("/berth-blobs"),
        )
    elif found.header("Content-Encoding"):
        yield compression(found)
    elif found.status != 200 or told != str(blob.size):
        yield PULL.wrong(
            f"Of {path} there are {told or 'no'} bytes by HEAD, and GET answers {found.status}. "
            "Where nginx sends blobs, it cannot open the file: name the storage root, which its "
            "user may read.",
            proxy_lines.internal("/berth-blobs"),
        )
    elif f"sha256:{hashlib.sha256(found.body).hexdigest()}" != blob.digest:
        yield PULL.wrong(
            f"{path} came as {len(found.body)} other bytes than were pushed: something between "
            "changes or cuts them.",
            proxy_lines.UNCHANGED,
        )
    else:
        yield PULL.ok(f"{blob.size} bytes of {blob.repository}, and its digest is right")
        if blob.size > 10:
            part = ranges(site, path, **headers)
            if part.is_wrong:
                yield part


def _find(site: Site, caller: Caller) -> Blob | None:
    """A small blob of some image. Raises OSError, HTTPException."""
    catalog = _json(site, "/v2/_catalog?n=100", caller.headers("registry:catalog:*"))
    names = catalog.get("repositories")
    for name in (names if isinstance(names, list) else [])[:_MOST_REPOSITORIES]:
        repository = quote(str(name))
        with suppress(PermissionError):
            headers = caller.headers(f"repository:{name}:pull")
            tags = _json(site, f"/v2/{repository}/tags/list?n=1", headers).get("tags")
            if isinstance(tags, list) and tags:
                blob = _blob_of(site, repository, quote(str(tags[0])), headers)
                if blob:
                    return blob
    return None


def _blob_of(
    site: Site, repository: str, reference: str, headers: dict[str, str], depth: int = 0
) -> Blob | None:
    path = f"/v2/{repository}/manifests/{reference}"
    manifest = _json(site, path, {**headers, "Accept": _TYPES})
    children = manifest.get("manifests")
    if isinstance(children, list) and children and depth == 0:
        digest = _digest(children[0])
        return _blob_of(site, repository, digest, headers, depth=1) if digest else None
    layers = manifest.get("layers")
    descriptors = [manifest.get("config"), *(layers if isinstance(layers, list) else [])]
    blobs = [
        Blob(repository, _digest(one), one["size"])
        for one in descriptors
        if _digest(one) and isinstance(one.get("size"), int) and one["size"] <= _MOST_BYTES
    ]
    return max(blobs, key=lambda blob: blob.size, default=None)


def _digest(descriptor: Any) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    return digest if isinstance(digest, str) and _DIGEST.fullmatch(digest) else ""


def _json(site: Site, path: str, headers: dict[str, str]) -> dict[str, Any]:
    found = parsed(site.ask("GET", path, headers))
    return found if isinstance(found, dict) else {}


_LEVELS = {proxy.Level.PROBLEM: SEEN.wrong, proxy.Level.ADVICE: SEEN.advice}


def seen(site: Site, caller: Caller) -> Iterator[Result]:
    """What the page "Proxy doctor" finds, for administrators."""
    path = f"/api/v1/proxy?used={quote(site.origin, safe='')}"
    try:
        found = site.ask("GET", path, {**caller.own, "Accept-Language": "en"})
    except Failure as error:
        yield SEEN.wrong(f"/api/v1/ cannot be asked: {error}.", proxy_lines.PATHS)
        return
    content = parsed(found)
    if found.status in (401, 403):
        yield SEEN.skipped("needs an administrator's credentials")
    elif found.status != 200 or not isinstance(content, dict):
        yield SEEN.wrong(f"/api/v1/ does not arrive ({refusal(found)}).", proxy_lines.PATHS)
    elif not content.get("findings"):
        yield SEEN.ok(f"it is asked at {content.get('base')}, from {content.get('client')}")
    else:
        try:
            yield from [_finding(finding) for finding in content["findings"]]
        except (TypeError, KeyError, ValueError):
            yield SEEN.wrong("What /api/v1/proxy answers is not Berth's.", proxy_lines.PATHS)


def _finding(finding: Any) -> Result:
    """Raises TypeError, KeyError, ValueError for what is none."""
    fixes = [
        proxy_lines.Fix(*(str(fix[name]) for name in proxy_lines.Fix._fields))
        for fix in finding["fixes"]
    ]
    say = _LEVELS[proxy.Level(finding["level"])]
    return say(f"{finding['title']}. {finding['text']}", fixes)


def slow_request(uploads: Uploads, seconds: float) -> Result:
    """An upload that takes so long, with pauses in it."""
    try:
        opened = uploads.start()
        if opened.status != 202:
            return SLOW_REQUEST.skipped(uploads.needs)
    except Failure:
        return SLOW_REQUEST.skipped(uploads.needs)
    path = path_of(opened.header("Location"))
    began = time.monotonic()
    try:
        found = uploads.send(path, _dripping(seconds))
        if found.status == 202:
            return SLOW_REQUEST.ok(f"one of {seconds:.0f} s gets through")
        what = refusal(found)
    except Failure as error:
        what = str(error)
    finally:
        uploads.cancel(path)
    return SLOW_REQUEST.wrong(
        f"An upload over a thin line was cut off after {time.monotonic() - began:.0f} s ({what}).",
        proxy_lines.WAITING,
    )


def _dripping(seconds: float) -> Iterator[bytes]:
    pause = min(_PAUSE_SECONDS, seconds / 3)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield _BLOCK[: 64 * 1024]
        time.sleep(pause)


def slow_answer(site: Site, caller: Caller, seconds: int) -> Result:
    """An answer for which Berth takes so long, as after a very large layer."""
    began = time.monotonic()
    try:
        found = site.ask("GET", f"/api/v1/proxy?wait={seconds}", caller.own, seconds=seconds + 30.0)
        if found.status == 200:
            return SLOW_ANSWER.ok(f"one after {seconds} s arrives")
        if found.status in (401, 403):
            return SLOW_ANSWER.skipped("needs an administrator's credentials")
        what = refusal(found)
    except Failure as error:
        what = str(error)
    return SLOW_ANSWER.wrong(
        f"The proxy gave up after {time.monotonic() - began:.0f} s ({what}): Berth may take longer "
        "when a large layer has to reach the disk.",
        proxy_lines.WAITING,
    )
