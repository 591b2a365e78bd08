"""Bodies that end early or are framed badly: 400, and nothing is kept past the last good byte."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import GOOD, HELD, OCI_IMAGE, REFUSED, Case, Given, sha256
from tests.badinput.wire import Headers

OCTETS = ("Content-Type", "application/octet-stream")
CHUNKED = ("Transfer-Encoding", "chunked")
# The last where the length itself is absurd, whatever the body is for.
BODY_CODES = ("SIZE_INVALID", "BLOB_UPLOAD_INVALID", "MANIFEST_INVALID", "UNSUPPORTED")
NEW = b"a blob that must not be published\n"

# What follows the first, whole chunk of five bytes, and then the client stops sending.
BROKEN = {
    "no-last-chunk": b"",
    "last-chunk-without-end": b"0\r\n",
    "last-chunk-cut": b"0",
    "cut-in-size": b"1",
    "cut-after-size": b"5\r\n",
    "cut-in-data": b"5\r\nwo",
    "cut-after-data": b"5\r\nworld",
    "no-line-end-after-data": b"5\r\nworld0\r\n\r\n",
    "data-longer-than-size": b"3\r\nworld\r\n0\r\n\r\n",
    "data-shorter-than-size": b"9\r\nworld\r\n0\r\n\r\n",
    "size-not-hex": b"zz\r\nworld\r\n0\r\n\r\n",
    "size-with-prefix": b"0x5\r\nworld\r\n0\r\n\r\n",
    "size-with-plus": b"+5\r\nworld\r\n0\r\n\r\n",
    "size-negative": b"-5\r\nworld\r\n0\r\n\r\n",
    "size-with-underscore": b"0_5\r\nworld\r\n0\r\n\r\n",
    "size-with-space-before": b" 5\r\nworld\r\n0\r\n\r\n",
    "size-with-space-inside": b"0 5\r\nworld\r\n0\r\n\r\n",
    "size-empty": b"\r\nworld\r\n0\r\n\r\n",
    "size-float": b"5.0\r\nworld\r\n0\r\n\r\n",
    "size-arabic": b"\xd9\xa5\r\nworld\r\n0\r\n\r\n",
    "size-nul": b"5\0\r\nworld\r\n0\r\n\r\n",
    "size-2^64": b"10000000000000000\r\nworld\r\n0\r\n\r\n",
    "size-2^63": b"8000000000000000\r\nworld\r\n0\r\n\r\n",
    "size-all-f": b"FFFFFFFFFFFFFFFF\r\nworld\r\n0\r\n\r\n",
    "size-9000-digits": b"5" * 9000 + b"\r\nworld\r\n0\r\n\r\n",
    "size-bare-newline": b"5\nworld\r\n0\r\n\r\n",
    "size-bare-return": b"5\rworld\r\n0\r\n\r\n",
    "extension-bare-return": b"5;a\rb\r\nworld\r\n0\r\n\r\n",
    "extension-nul": b"5;a=\0\r\nworld\r\n0\r\n\r\n",
    "extension-open-quote": b'5;a="b\r\nworld\r\n0\r\n\r\n',
    "trailer-without-colon": b"0\r\nnonsense\r\n\r\n",
    "trailer-content-length": b"0\r\nContent-Length: 5\r\n\r\n",
    "trailer-transfer-encoding": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "trailer-host": b"0\r\nHost: elsewhere.example\r\n\r\n",
    "trailer-authorization": b"0\r\nAuthorization: Basic YTpi\r\n\r\n",
    "trailer-cut": b"0\r\nX-Trailer: yes\r\n",
}
FIRST = b"5\r\n, you\r\n"
LAWFUL_CHUNKS = {
    "extension": (b"5;a=b\r\nworld\r\n0\r\n\r\n", b"world"),
    "extension-quoted": (b'5;a="b c"\r\nworld\r\n0\r\n\r\n', b"world"),
    "extension-after-space": (b"5 ; a\r\nworld\r\n0\r\n\r\n", b"world"),
    "leading-zeros": (b"0005\r\nworld\r\n0\r\n\r\n", b"world"),
    "upper-case": (b"A\r\nworldworld\r\n0\r\n\r\n", b"worldworld"),
    "trailer": (b"0\r\nX-Checksum: none\r\n\r\n", b""),
    "one-byte-each": (b"1\r\nw\r\n1\r\no\r\n1\r\nr\r\n0\r\n\r\n", b"wor"),
    "zeros": (b"0000000000\r\n\r\n", b""),
}
SOME = frozenset(
    [
        "no-last-chunk",
        "last-chunk-cut",
        "cut-after-size",
        "cut-in-data",
        "size-not-hex",
        "size-negative",
        "size-2^64",
        "size-bare-newline",
        "trailer-content-length",
        "trailer-cut",
    ]
)


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def data_of(rest: bytes) -> bytes:
    """All of a broken rest that could pass for a chunk's data, were its size right."""
    return rest.partition(b"\r\n")[2]


def case(
    key: str,
    kind: str,
    headers: Headers,
    body: bytes,
    *,
    status: int = 400,
    held: bytes = b"",
) -> Case:
    """One badly framed body, as a chunk, an upload's end, a monolithic upload or a manifest."""
    octets, whole = "application/octet-stream", sha256(HELD + NEW)
    method, target, given, media_type = {
        "patch": ("PATCH", "{upload}", Given.UPLOAD, octets),
        "put": ("PUT", f"{{upload}}?digest={whole}", Given.UPLOAD, octets),
        "post": (
            "POST",
            f"/v2/{REFUSED}/blobs/uploads/?digest={sha256(NEW)}",
            Given.NOTHING,
            octets,
        ),
        "manifest": ("PUT", f"/v2/{REFUSED}/manifests/cut", Given.NOTHING, OCI_IMAGE),
    }[kind]
    return Case(
        id=f"framing/{kind}/{key}",
        method=method,
        target=target,
        headers=(*headers, ("Content-Type", media_type)),
        body=body,
        half_close=True,
        given=given,
        status=status,
        code=BODY_CODES,
        # What came before the fault may be kept or not; the session says truly which it is.
        holds_up_to=HELD + held if kind == "patch" else None,
    )


def short(key: str, kind: str, whole: bytes, sent: int, claimed: int) -> Case:
    """A body that ends before its Content-Length."""
    headers = (("Content-Length", str(claimed)),)
    return case(f"short-{key}", kind, headers, whole[:sent], held=whole[:sent])


# After a first, whole chunk: `held` is all that can pass for data of the body.
CHUNK_CASES = (
    *(
        case(key, "patch", (CHUNKED,), FIRST + rest, held=b", you" + data_of(rest))
        for key, rest in BROKEN.items()
    ),
    *(case(key, "put", (CHUNKED,), chunk(NEW[:9]) + rest) for key, rest in BROKEN.items()),
    *(
        case(key, "post", (CHUNKED,), chunk(NEW) + rest)
        for key, rest in BROKEN.items()
        if key in SOME
    ),
    *(
        case(key, "manifest", (CHUNKED,), chunk(GOOD) + rest)
        for key, rest in BROKEN.items()
        if key in SOME
    ),
)
SHORT_CASES = (
    *(
        short(key, kind, whole, sent, claimed)
        for kind, whole in (("patch", NEW), ("put", NEW), ("post", NEW), ("manifest", GOOD))
        for key, sent, claimed in (
            ("nothing-of-it", 0, len(whole)),
            ("first-byte", 1, len(whole)),
            ("half", len(whole) // 2, len(whole)),
            ("all-but-one", len(whole) - 1, len(whole)),
            ("one-more-claimed", len(whole), len(whole) + 1),
            ("2^63-claimed", len(whole), 2**63),
            ("2^64-claimed", len(whole), 2**64),
            ("100-digits-claimed", len(whole), 10**99),
        )
        if kind != "manifest" or claimed < 2**63
    ),
    # A manifest that claims to be too large is refused for that, whatever comes of it.
    *(
        Case(
            id=f"framing/manifest/short-{key}-claimed",
            method="PUT",
            target=f"/v2/{REFUSED}/manifests/cut",
            headers=(("Content-Type", OCI_IMAGE), ("Content-Length", str(claimed))),
            body=GOOD,
            half_close=True,
            status=status,
            code=BODY_CODES,
        )
        for key, claimed, status in (
            ("4MiB-and-1", 4 * 2**20 + 1, 413),
            ("2^62", 2**62, 413),
            ("2^63", 2**63, (400, 413)),
            ("2^64", 2**64, (400, 413)),
        )
    ),
)
CONTENT_RANGES = tuple(
    # A chunked body has no length beforehand: it must still be what Content-Range says it is.
    Case(
        id=f"framing/content-range/{key}",
        method="PATCH",
        target="{upload}",
        headers=(
            CHUNKED,
            ("Content-Range", value),
            ("Content-Type", "application/octet-stream"),
        ),
        body=chunk(b"world") + b"0\r\n\r\n",
        given=Given.UPLOAD,
        status=(400, 416),
        code=("RANGE_INVALID", "BLOB_UPLOAD_INVALID", "SIZE_INVALID"),
        holds_up_to=HELD + b"world",
    )
    for key, value in {"too-long": "5-7", "too-short": "5-99", "overlap": "4-8"}.items()
)
LAWFUL_CASES = tuple(
    Case(
        id=f"framing/lawful/{key}",
        method="PATCH",
        target="{upload}",
        headers=(CHUNKED, ("Content-Type", "application/octet-stream")),
        body=FIRST + rest,
        given=Given.UPLOAD,
        status=202,
        holds=HELD + b", you" + data,
    )
    for key, (rest, data) in LAWFUL_CHUNKS.items()
)
CASES = (*CHUNK_CASES, *SHORT_CASES, *CONTENT_RANGES, *LAWFUL_CASES)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
