"""What registry clients do: lists, pulls, pushes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from benchmarks.many.asking import WHO, Registry
from benchmarks.many.fill import MANY, digest_of
from benchmarks.many.measuring import Case
from benchmarks.many.others import RARE, REFERRED_TO, THOUSAND
from repositories.models import Blob, BlobLink, Manifest, Tag
from repositories.oci.media_types import OCI_MANIFEST

_HERE = f"/v2/{MANY}"
_PAGE = 100


def cases(size: int) -> Iterator[Case]:
    """Every request that clients send often, as each of WHO."""
    for who in WHO:
        client = Registry(who, [MANY, THOUSAND])
        for title, address in _lists(size):
            yield Case("registry", title, who, client.send("GET", _always(address)))
        yield from _reads(client, who, size)
        yield from _writes(client, who, size)


def _always(address: str) -> Callable[[int], str]:
    return lambda _: address


def _lists(size: int) -> Iterator[tuple[str, str]]:
    half = size // 2
    places = [
        ("first", "", ""),
        ("middle", f"team-010/app-{half // 20 * 20 + 10:06}", f"t{half:06}"),
        ("last", f"team-019/app-{size - 2100 if size > 2100 else 0:06}", f"t{size - _PAGE - 1:06}"),
    ]
    for place, repository, tag in places:
        for title, path, last in (
            ("`_catalog`", "/v2/_catalog", repository),
            ("`tags/list`", f"{_HERE}/tags/list", tag),
        ):
            query = urlencode({"n": _PAGE} | ({"last": last} if last else {}))
            yield f"GET {title}, {place} {_PAGE}", f"{path}?{query}"
    yield "GET `tags/list`, 100 of 1,000", f"/v2/{THOUSAND}/tags/list?n={_PAGE}"
    subject = Tag.objects.get(repository__name=MANY, name=REFERRED_TO).manifest.digest
    yield "GET `referrers`, first 1,000", f"{_HERE}/referrers/{subject}"
    query = urlencode({"artifactType": RARE})
    yield "GET `referrers`, of a rare type", f"{_HERE}/referrers/{subject}?{query}"


def _reads(client: Registry, who: str, size: int) -> Iterator[Case]:
    """Another name each time: nothing is remembered of it."""
    part = WHO.index(who) / len(WHO)
    step = size // 200

    def number(n: int) -> int:
        return int(part * size) + n * step

    def case(title: str, method: str, *, of: str) -> Case:
        paths = {
            "tag": lambda n: f"{_HERE}/manifests/t{number(n) + (method == 'HEAD'):06}",
            "digest": lambda n: f"{_HERE}/manifests/{_digest(number(n), method)}",
            "blob": lambda n: f"{_HERE}/blobs/{_readable(size, n, who)}",
        }
        return Case("registry", title, who, client.send(method, paths[of]))

    yield case("GET a manifest by tag", "GET", of="tag")
    yield case("HEAD a manifest by tag", "HEAD", of="tag")
    yield case("GET a manifest by digest", "GET", of="digest")
    yield case("HEAD a manifest by digest", "HEAD", of="digest")
    yield case("HEAD a blob", "HEAD", of="blob")


def _digest(number: int, method: str) -> str:
    """Of a manifest that no other case asks for."""
    return digest_of(f"tag {number + (2 if method == 'GET' else 3)}")


def _readable(size: int, number: int, who: str) -> str:
    """One of the blobs that have a file."""
    links = _files(size)
    return links[(number + WHO.index(who) * len(links) // 2) % len(links)]


def _files(size: int, cache: dict[int, list[str]] = {}) -> list[str]:  # noqa: B006  (a cache)
    if size not in cache:
        rows = BlobLink.objects.filter(
            uses__manifest__tags__name__startswith=f"x-{size}-", uses__role="layer"
        )
        cache[size] = list(rows.values_list("blob__digest", flat=True))
    return cache[size]


def _writes(client: Registry, who: str, size: int) -> Iterator[Case]:
    own = BlobLink.objects.filter(repository__name=MANY).exclude(
        blob__links__repository__name=THOUSAND
    )
    # Such as have not been mounted yet; the blobs' sizes are what the manifests say of them.
    digests = list(own.order_by("-pk").values_list("blob__digest", flat=True)[:60])

    def mount(number: int) -> str:
        query = urlencode({"mount": digests[number], "from": MANY})
        return f"/v2/{THOUSAND}/blobs/uploads/?{query}"

    yield Case("registry", "POST, mount a blob", who, client.send("POST", mount))
    blob = Blob.objects.filter(links__repository__name=MANY).order_by("pk")[0]

    def manifest(number: int) -> bytes:
        layer = {"mediaType": "application/x-any", "digest": blob.digest, "size": blob.size}
        return json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "config": layer,
                "layers": [layer],
                "annotations": {"round": f"{who} {size} {number}"},
            }
        ).encode()

    def tag(number: int) -> str:
        return f"{_HERE}/manifests/new-{who}-{size}-{number}"

    send = client.send("PUT", tag, bodies=manifest, content_type=OCI_MANIFEST)
    yield Case("registry", "PUT a manifest by a new tag", who, send)
    send = client.send(
        "PUT", _always(f"{_HERE}/manifests/moved"), bodies=manifest, content_type=OCI_MANIFEST
    )
    yield Case("registry", "PUT a manifest by a tag that moves", who, send)
    known = Manifest.objects.filter(repository__name=MANY, tags__name="amd64").get()
    send = client.send(
        "PUT",
        lambda n: f"{_HERE}/manifests/also-{who}-{size}-{n}",
        bodies=lambda _: bytes(known.payload),
        content_type=OCI_MANIFEST,
    )
    yield Case("registry", "PUT a known manifest by another tag", who, send)
