"""Range, conditions and Accept: read strictly, and ignored where they cannot be read."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import (
    CANARY,
    CANARY_IMAGE,
    LAYER,
    OCI_IMAGE,
    OCI_INDEX,
    Case,
    sha256,
)
from tests.badinput.wire import Headers

BLOB = f"/v2/{CANARY}/blobs/{sha256(LAYER)}"
BY_TAG = f"/v2/{CANARY}/manifests/v1"
BY_DIGEST = f"/v2/{CANARY}/manifests/{sha256(CANARY_IMAGE)}"
SIZE = len(LAYER)
ETAG = f'"{sha256(LAYER)}"'
DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"

# A Range that cannot be read is none (RFC 9110, section 14.2): the whole blob is the answer.
IGNORED = {
    "end-before-start": "bytes=5-1",
    "no-unit": "0-1",
    "unknown-unit": "items=0-1",
    "empty-unit": "=0-1",
    "unit-only": "bytes",
    "empty": "",
    "no-range": "bytes=",
    "hyphen": "bytes=-",
    "word": "bytes=abc",
    "one-number": "bytes=5",
    "three-numbers": "bytes=1-2-3",
    "plus": "bytes=+0-1",
    "plus-end": "bytes=0-+1",
    "minus-minus": "bytes=--1",
    "minus-start": "bytes=-1-2",
    "underscore": "bytes=0-1_0",
    "hex": "bytes=0x0-0x1",
    "float": "bytes=0.0-1.0",
    "exponent": "bytes=0-1e2",
    "inner-space": "bytes=0 - 1",
    "en-dash": "bytes=0\xe2\x80\x931",
    "arabic-digits": "bytes=\xd9\xa0-\xd9\xa1",
    "superscript": "bytes=0-\xb2",
    "letters-behind": "bytes=0-1x",
    "content-range": "bytes 0-1/1024",
    "two-units": "bytes=0-1;items=0-1",
    "broken-second": "bytes=0-1,x",
}
UNSATISFIABLE = {
    "beyond": f"bytes={SIZE}-",
    "beyond-with-end": f"bytes={SIZE}-{SIZE + 9}",
    "far-beyond": "bytes=1000000-1000001",
    "2^63": f"bytes={2**63}-",
    "2^64": f"bytes={2**64}-{2**64 + 1}",
    "empty-suffix": "bytes=-0",
}
SATISFIABLE = {
    "first-byte": ("bytes=0-0", 0, 0),
    "last-byte": ("bytes=-1", SIZE - 1, SIZE - 1),
    "last-by-number": (f"bytes={SIZE - 1}-", SIZE - 1, SIZE - 1),
    "end-beyond": (f"bytes=1000-{SIZE + 1000}", 1000, SIZE - 1),
    "end-2^64": (f"bytes=10-{2**64}", 10, SIZE - 1),
    "suffix-larger": (f"bytes=-{SIZE * 2}", 0, SIZE - 1),
    "open": ("bytes=512-", 512, SIZE - 1),
    "leading-zeros": ("bytes=007-009", 7, 9),
}


def get(
    key: str,
    headers: Headers,
    status: int | tuple[int, ...],
    *,
    target: str = BLOB,
    method: str = "GET",
    body: bytes | None = None,
    has: Headers = (),
    code: str = "",
    message_has: str = "",
    within: float = 5.0,
) -> Case:
    return Case(
        id=f"conditions/{key}",
        method=method,
        target=target,
        headers=headers,
        status=status,
        answer_body=body if method == "GET" else None,
        answer_headers=has,
        code=code,
        message_has=message_has,
        within=within,
    )


RANGES = (
    *(
        get(f"range-ignored/{key}", (("Range", value),), 200, body=LAYER)
        for key, value in IGNORED.items()
    ),
    *(
        get(
            f"range-unsatisfiable/{key}",
            (("Range", value),),
            416,
            has=(("Content-Range", f"bytes */{SIZE}"),),
            code="RANGE_INVALID",
        )
        for key, value in UNSATISFIABLE.items()
    ),
    *(
        get(
            f"range/{key}",
            (("Range", value),),
            206,
            body=LAYER[first : last + 1],
            has=(("Content-Range", f"bytes {first}-{last}/{SIZE}"),),
        )
        for key, (value, first, last) in SATISFIABLE.items()
    ),
    # A server may ignore any Range; these are lawful and absurd.
    *(
        get(f"range-endless/{key}", (("Range", value),), status, code="RANGE_INVALID")
        for key, value, status in (
            ("start", f"bytes={'9' * 4000}-", (200, 416)),
            ("start-7000", f"bytes={'9' * 7000}-", (200, 416)),
            ("end", f"bytes=10-{'9' * 4000}", (200, 206)),
            ("suffix", f"bytes=-{'9' * 4000}", (200, 206)),
        )
    ),
    # Several ranges may be answered by the whole, or be refused where there are absurdly many.
    get("range-several/two", (("Range", "bytes=0-0,2-2"),), (200, 206)),
    get("range-several/overlapping", (("Range", "bytes=0-9,5-14"),), (200, 206)),
    get(
        "range-several/1000",
        (("Range", "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))),),
        (200, 416),
        code="RANGE_INVALID",
        within=0.05,
    ),
    get(
        "range-several/1000-overlapping",
        (("Range", "bytes=" + ",".join(["0-"] * 1000)),),
        (200, 416),
        code="RANGE_INVALID",
        within=0.05,
    ),
    get(
        "range-several/two-fields",
        (("Range", "bytes=0-0"), ("Range", "bytes=1-1")),
        200,
        body=LAYER,
    ),
    get("range-of-head", (("Range", "bytes=0-0"),), (200, 206), method="HEAD"),
    get("range-of-manifest", (("Range", "bytes=0-0"),), (200, 206), target=BY_TAG),
    get("range-commas", (("Range", "bytes=" + "," * 8000),), (200, 416), within=0.05),
    get("if-range/same", (("Range", "bytes=0-0"), ("If-Range", ETAG)), 206, body=LAYER[:1]),
    *(
        get(
            f"if-range/{key}",
            (("Range", "bytes=0-0"), ("If-Range", value)),
            200,
            body=LAYER,
        )
        for key, value in {
            "other": '"sha256:0"',
            "weak": f"W/{ETAG}",
            "open-quote": ETAG[:-1],
            "garbage": "\xff\xfe",
            "date": "Wed, 21 Oct 2015 07:28:00 GMT",
            "broken-date": "Wed, 99 Oct 2015 99:99:99 GMT",
            "list": f"{ETAG}, {ETAG}",
            "7000-characters": '"' + "a" * 7000 + '"',
        }.items()
    ),
)
CONDITIONS = (
    *(
        get(f"if-none-match/{key}", (("If-None-Match", value),), 304)
        for key, value in {
            "same": ETAG,
            "weak": f"W/{ETAG}",
            "in-list": f'"a", {ETAG} , W/"b"',
            "star": "*",
        }.items()
    ),
    *(
        get(f"if-none-match/{key}", (("If-None-Match", value),), 200, body=LAYER)
        for key, value in {
            "other": '"sha256:0"',
            "empty": "",
            "open-quote": '"abc',
            "garbage": '"\xff", W/, ,,',
            "part-of-it": f'"{sha256(LAYER)[:-1]}"',
            "7000-characters": '"' + "a" * 7000 + '"',
            "many": ", ".join(f'"{n}"' for n in range(900)),
        }.items()
    ),
    get("if-none-match/unquoted", (("If-None-Match", sha256(LAYER)),), (200, 304)),
    get("if-none-match/of-unknown", (("If-None-Match", "*"),), 404, target=f"{BY_TAG}x"),
    get("if-none-match/manifest-other", (("If-None-Match", '"x"'),), 200, target=BY_TAG),
    get("if-none-match/manifest-star", (("If-None-Match", "*"),), 304, target=BY_TAG),
    *(
        get(f"dates/{key}", (("If-Modified-Since", value),), (200, 304))
        for key, value in {
            "garbage": "yesterday",
            "year-10000": "Wed, 21 Oct 10000 07:28:00 GMT",
            "non-ascii": "\xd9\xa1",
            "minus": "Wed, 21 Oct -015 07:28:00 GMT",
            "7000-characters": "9" * 7000,
        }.items()
    ),
    *(
        get(f"preconditions/{key}", (("If-Match", value),), (200, 412), target=BY_TAG)
        for key, value in {"other": '"x"', "garbage": "\xff", "empty": ""}.items()
    ),
)
STAR = "*/*"
OTHERS = ", ".join(f"application/vnd.example.{n}+json" for n in range(99))
ACCEPTABLE = {
    "star": STAR,
    "application": "application/*",
    "same": OCI_IMAGE,
    "upper-case": OCI_IMAGE.upper(),
    "spaces": f"  {OCI_IMAGE}  ",
    "in-list": f"text/html, {OCI_IMAGE};q=0.5, {DOCKER_IMAGE}",
    "last-of-100": f"{OTHERS}, {OCI_IMAGE}",
    "small-q": f"{OCI_IMAGE};q=0.001",
    "star-behind": f"text/html, {STAR};q=0.1",
    "empty-members": f",,, {OCI_IMAGE} ,,",
    "specific-over-star": f"{STAR};q=0, {OCI_IMAGE}",
    "with-parameter": f"{OCI_IMAGE};charset=utf-8",
    "broken-beside": f"a/b/c, /, ;;, {OCI_IMAGE}",
}
UNACCEPTABLE = {
    "html": "text/html",
    "index-only": OCI_INDEX,
    "docker-only": DOCKER_IMAGE,
    "99-others": OTHERS,
    "star-refused": f"{STAR};q=0",
    "star-refused-0.000": f"{STAR};q=0.000",
    "same-refused": f"{OCI_IMAGE};q=0",
    "same-refused-star-taken": f"{OCI_IMAGE};q=0, {STAR}",
    "application-refused": f"application/*;q=0, {STAR}",
    "text-star": "text/*",
    "star-json": "*/json",
    "prefix": OCI_IMAGE[:-5],
    "garbage": "garbage",
    "slashes": "a/b/c",
    "non-ascii": "\xd0\xb1/\xd0\xb1",
}
# What a broken quality means nobody says: either answer will do, but an answer it must be.
UNCLEAR = {
    "q-2": f"{OCI_IMAGE};q=2",
    "q-minus": f"{OCI_IMAGE};q=-1",
    "q-nan": f"{OCI_IMAGE};q=nan",
    "q-inf": f"{OCI_IMAGE};q=inf",
    "q-1e400": f"{OCI_IMAGE};q=1e400",
    "q-empty": f"{OCI_IMAGE};q=",
    "q-word": f"{OCI_IMAGE};q=high",
    "q-arabic": f"{OCI_IMAGE};q=\xd9\xa1",
    "q-5000-digits": f"{OCI_IMAGE};q=0.{'9' * 5000}",
    "q-twice": f"{OCI_IMAGE};q=0;q=1",
    "star-only": "*",
    "commas": "," * 8000,
    "semicolons": OCI_IMAGE + ";" * 7000,
    "quotes": f'{OCI_IMAGE};a="' + "\\" * 7000,
    "spaces": f"{OCI_IMAGE}{' ' * 7000};q=1",
}
MANY_FIELDS = tuple(("Accept", ("a/b;q=0.5, " * 720)[:8000]) for _ in range(8))
ACCEPTS = (
    get("accept/none", (), 200, target=BY_TAG, body=CANARY_IMAGE),
    get("accept/empty", (("Accept", ""),), 200, target=BY_TAG, body=CANARY_IMAGE),
    get("accept/only-commas", (("Accept", " , ,"),), (200, 404), target=BY_TAG),
    *(
        get(f"accept/{key}", (("Accept", value),), 200, target=BY_TAG, body=CANARY_IMAGE)
        for key, value in ACCEPTABLE.items()
    ),
    *(
        get(
            f"accept-not/{method.lower()}/{key}",
            (("Accept", value),),
            404,
            target=BY_TAG,
            method=method,
            code="MANIFEST_UNKNOWN",
            message_has=OCI_IMAGE,
        )
        for method in ("GET", "HEAD")
        for key, value in UNACCEPTABLE.items()
    ),
    # A digest names one sequence of bytes: there is nothing to choose from.
    *(
        get(f"accept-by-digest/{key}", (("Accept", value),), 200, target=BY_DIGEST)
        for key, value in UNACCEPTABLE.items()
    ),
    *(
        get(
            f"accept-unclear/{key}",
            (("Accept", value),),
            (200, 404),
            target=BY_TAG,
            code="MANIFEST_UNKNOWN",
            within=0.05,
        )
        for key, value in UNCLEAR.items()
    ),
    get(
        "accept-64KiB",
        MANY_FIELDS,
        404,
        target=BY_TAG,
        code="MANIFEST_UNKNOWN",
        within=0.05,
    ),
    get("accept-two-fields", (("Accept", "a/b"), ("Accept", OCI_IMAGE)), 200, target=BY_TAG),
    *(
        get(f"accept-of-{key}", (("Accept", "text/html"),), 200, target=target)
        for key, target in {
            "blob": BLOB,
            "tags": f"/v2/{CANARY}/tags/list",
            "catalog": "/v2/_catalog",
            "base": "/v2/",
            "referrers": f"/v2/{CANARY}/referrers/{sha256(CANARY_IMAGE)}",
        }.items()
    ),
    get("accept-encoding", (("Accept-Encoding", "gzip, br;q=nan, *;q=0"),), 200, body=LAYER),
    get("accept-language", (("Accept-Language", "x" * 7000),), 200, body=LAYER),
    get("accept-charset", (("Accept-Charset", "utf-16"),), 200, target=BY_TAG, body=CANARY_IMAGE),
)
CASES = (*RANGES, *CONDITIONS, *ACCEPTS)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
