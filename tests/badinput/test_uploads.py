"""Upload sessions: bytes out of order, ids that are none, ends that do not fit."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import (
    ABSENT,
    CANARY,
    EMPTY,
    HELD,
    LAWFUL,
    LAYER,
    NOWHERE,
    PRIVATE,
    REFUSED,
    Case,
    Given,
    sha256,
    sha512,
)
from tests.badinput.wire import Headers

OCTETS = ("Content-Type", "application/octet-stream")
NEXT = b"world"  # five more bytes
WHOLE = sha256(HELD + NEXT)
RANGE_CODES = ("RANGE_INVALID", "BLOB_UPLOAD_INVALID", "SIZE_INVALID")

# Well formed, and not where the session is: 416, as the specification wants it.
OUT_OF_ORDER = {
    "again": "0-4",
    "overlap": "3-7",
    "overlap-more": "2-6",
    "gap": "6-10",
    "far-gap": "1000000-1000004",
    "2^63": "9223372036854775808-9223372036854775812",
}
MALFORMED = {
    "end-before-start": "5-4",
    "end-far-before-start": "5-0",
    "no-end": "5-",
    "no-start": "-9",
    "hyphen": "-",
    "2^64": "18446744073709551616-18446744073709551620",
    "100-digits": f"{'9' * 100}-{'9' * 100}",
    "one-number": "5",
    "word": "abc",
    "words": "five-nine",
    "with-unit-overlap": "bytes 3-7/8",
    "with-unit-gap": "bytes 6-10/*",
    "with-other-unit": "items 5-9/10",
    "star": "bytes */10",
    "three-numbers": "5-9-13",
    "two-ranges": "5-6,7-9",
    "plus": "+5-9",
    "plus-end": "5-+9",
    "minus": "-5-9",
    "underscore": "0_5-9",
    "hex": "0x5-0x9",
    "float": "5.0-9.0",
    "exponent": "5e0-9e0",
    "inner-spaces": "5 - 9",
    "en-dash": "5\xe2\x80\x939",
    "arabic-digits": "\xd9\xa5-\xd9\xa9",
    "full-width-digits": "\xef\xbc\x95-\xef\xbc\x99",
    "superscript": "\xb5-\xb9",
    "letters-behind": "5-9x",
    "quote": "5-9'",
    "5000-digits": f"{'5' * 5000}-{'9' * 5000}"[:8000],
}
# The specification has a form of its own; some clients send HTTP's, which is as clear.
HTTP_FORM = {
    "with-unit": "bytes 5-9/10",
    "with-unit-and-star": "bytes 5-9/*",
    "as-range": "bytes=5-9",
    "with-total": "5-9/10",
    "empty": "",
}
WRONG_LENGTH = {"shorter-body": "5-14", "longer-body": "5-6", "one-more": "5-10", "one-less": "5-8"}


def ranges(method: str, key: str, value: str, status: int | tuple[int, ...]) -> Case:
    target = "{upload}" if method == "PATCH" else f"{{upload}}?digest={WHOLE}"
    return Case(
        id=f"uploads/range-{method.lower()}/{key}",
        method=method,
        target=target,
        headers=(OCTETS, ("Content-Range", value)),
        body=NEXT,
        given=Given.UPLOAD,
        status=status,
        code="RANGE_INVALID" if status == 416 else RANGE_CODES,
        holds=HELD,
    )


BAD_IDS = {
    "unknown": "01234567-89ab-4cde-8f01-23456789abcd",
    "nil": "00000000-0000-0000-0000-000000000000",
    "upper-case": "{UUID}",
    "no-hyphens": "{hex}",
    "odd-hyphens": "0123-456789ab-4cde-8f01-23456789abcd",
    "encoded-braces": "%7b{uuid}%7d",
    "urn": "urn:uuid:{uuid}",
    "trailing-newline": "{uuid}%0a",
    "trailing-space": "{uuid}%20",
    "leading-space": "%20{uuid}",
    "trailing-nul": "{uuid}%00",
    "trailing-dot": "{uuid}.",
    "short": "0123",
    "long": "{uuid}0",
    "dots": "..",
    "dot": ".",
    "encoded-dots": "%2e%2e",
    "word": "nosuch",
    "integer": "1",
    "full-width": "{uuid}%ef%bd%81",
    "arabic-digit": "%d9%a1{uuid}",
    "not-utf-8": "%ff",
    "backslash": "..%5c{uuid}",
    "3000-characters": "a" * 3000,
    "asterisk": "*",
    "sql": "'or'1'='1",
}


def session(key: str, method: str, target: str, given: Given = Given.UPLOAD) -> Case:
    """A request for an upload session that does not exist; a session beside it is not touched."""
    query = f"?digest={WHOLE}" if method == "PUT" else ""
    return Case(
        id=f"uploads/session-{method.lower()}/{key}",
        method=method,
        target=target + query,
        headers=(OCTETS,) if method in {"PATCH", "PUT"} else (),
        body=NEXT if method in {"PATCH", "PUT"} else b"",
        given=given,
        status=404,
        code="BLOB_UPLOAD_UNKNOWN",
        holds=HELD if given is Given.UPLOAD else None,
    )


VERBS = ("GET", "PATCH", "PUT", "DELETE")
SESSIONS = (
    *(
        session(key, method, f"/v2/{REFUSED}/blobs/uploads/{name}")
        for method in VERBS
        for key, name in BAD_IDS.items()
    ),
    # An id is good in its repository only (Quay CVE-2026-32589).
    *(
        session(
            f"of-another-repository-{number}", method, f"/v2/{repository}/blobs/uploads/{{uuid}}"
        )
        for method in VERBS
        for number, repository in enumerate((CANARY, LAWFUL, NOWHERE))
    ),
    *(session("after-put", method, "{upload}", Given.FINISHED) for method in VERBS),
    *(session("after-delete", method, "{upload}", Given.CANCELLED) for method in VERBS),
)


def ending(
    key: str,
    query: str,
    body: bytes = NEXT,
    *,
    status: int = 400,
    given: Given = Given.UPLOAD,
    headers: Headers = (OCTETS,),
    publishes: tuple[str, ...] = (),
) -> Case:
    return Case(
        id=f"uploads/end/{key}",
        method="PUT",
        target=f"{{upload}}{query}",
        headers=headers,
        body=body,
        given=given,
        status=status,
        code="DIGEST_INVALID",
        publishes=publishes,
    )


ENDINGS = (
    ending("no-digest", ""),
    ending("empty-query", "?"),
    ending("empty-digest", "?digest="),
    ending("digest-without-value", "?digest"),
    ending("upper-case-key", f"?Digest={WHOLE}"),
    ending("key-with-brackets", f"?digest[]={WHOLE}"),
    ending("key-with-nul", f"?digest%00={WHOLE}"),
    ending("two-digests", f"?digest={WHOLE}&digest={sha256(LAYER)}"),
    ending("two-digests-other-order", f"?digest={sha256(LAYER)}&digest={WHOLE}"),
    ending("one-digest-twice", f"?digest={WHOLE}&digest={WHOLE}"),
    ending("two-algorithms", f"?digest={WHOLE}&digest={sha512(HELD + NEXT)}"),
    ending("digest-and-empty", f"?digest={WHOLE}&digest="),
    ending("list", f"?digest={WHOLE},{WHOLE}"),
    ending("semicolon", f"?digest={WHOLE};digest={WHOLE}"),
    ending("mismatch", f"?digest={ABSENT}"),
    ending("mismatch-of-existing", f"?digest={sha256(LAYER)}"),
    ending("mismatch-of-private", f"?digest={sha256(PRIVATE)}"),
    ending("mismatch-sha512", f"?digest={sha512(LAYER)}"),
    ending("last-part-only", f"?digest={sha256(NEXT)}"),
    ending("first-part-only", f"?digest={sha256(HELD)}"),
    ending("empty-blob-not-empty", f"?digest={EMPTY}", b""),
    ending("nothing-sent", f"?digest={WHOLE}", b"", given=Given.EMPTY_UPLOAD),
    ending(
        "empty-blob",
        f"?digest={EMPTY}",
        b"",
        status=201,
        given=Given.EMPTY_UPLOAD,
        publishes=(EMPTY,),
    ),
    ending(
        "sha512",
        f"?digest={sha512(HELD + NEXT)}",
        status=201,
        publishes=(sha512(HELD + NEXT), WHOLE),
    ),
    ending("no-content-type", f"?digest={WHOLE}", status=201, headers=(), publishes=(WHOLE,)),
    ending("ns-beside", f"?ns=docker.io&digest={WHOLE}", status=201, publishes=(WHOLE,)),
)


def opening(
    key: str,
    query: str,
    status: int | tuple[int, ...] = 202,
    body: bytes = b"",
    code: str = "",
) -> Case:
    return Case(
        id=f"uploads/open/{key}",
        method="POST",
        target=f"/v2/{REFUSED}/blobs/uploads/{query}",
        headers=(OCTETS,),
        body=body,
        status=status,
        code=code,
    )


OPENINGS = (
    # Monolithic, and not what was announced.
    opening("mismatch", f"?digest={ABSENT}", 400, LAYER, "DIGEST_INVALID"),
    opening("mismatch-empty-body", f"?digest={ABSENT}", 400, b"", "DIGEST_INVALID"),
    opening("two-digests", f"?digest={ABSENT}&digest={WHOLE}", 400, LAYER, "DIGEST_INVALID"),
    opening("one-digest-twice", f"?digest={WHOLE}&digest={WHOLE}", 400, NEXT, "DIGEST_INVALID"),
    opening("algorithm-unknown", "?digest-algorithm=md5", 400, b"", "DIGEST_INVALID"),
    opening("algorithm-upper-case", "?digest-algorithm=SHA256", 400, b"", "DIGEST_INVALID"),
    # A mount that cannot be done is an upload, and tells nothing of the source.
    *(
        opening(f"mount/{key}", f"?{query}")
        for key, query in {
            "absent": f"mount={ABSENT}&from={CANARY}",
            "absent-without-from": f"mount={ABSENT}",
            "from-upper-case": f"mount={ABSENT}&from=A",
            "from-traversal": f"mount={ABSENT}&from=../../etc",
            "from-empty": f"mount={ABSENT}&from=",
            "from-3000-characters": f"mount={ABSENT}&from={'a' * 3000}",
            "from-alone": f"from={CANARY}",
        }.items()
    ),
    opening("mount-from-nul", f"?mount={ABSENT}&from=%00", (202, 400)),
    opening("mount-from-twice", f"?mount={ABSENT}&from={CANARY}&from={LAWFUL}", (202, 400)),
    opening("mount-twice", f"?mount={ABSENT}&mount={EMPTY}&from={CANARY}", (202, 400)),
    opening("algorithm-empty", "?digest-algorithm=", (202, 400)),
    opening("algorithm-nul", "?digest-algorithm=sha256%00", 400),
    opening("unknown-parameter", "?nosuch=1"),
    opening("digest-algorithm-sha512", "?digest-algorithm=sha512"),
)

PATCHES = (
    *(
        Case(
            id=f"uploads/patch/type-{key}",
            method="PATCH",
            target="{upload}",
            headers=(("Content-Type", value),),
            body=NEXT,
            given=Given.UPLOAD,
            status=(202, 400, 415),
            holds_up_to=HELD + NEXT,
        )
        for key, value in {
            "html": "text/html",
            "json": "application/json",
            "form": "application/x-www-form-urlencoded",
            "multipart": "multipart/form-data; boundary=x",
            "multipart-without-boundary": "multipart/form-data",
            "empty": "",
            "broken": ";;;",
            "charset": "application/octet-stream; charset=\xff",
        }.items()
    ),
    *(
        Case(
            id=f"uploads/patch/range-in-http-form-{key}",
            method="PATCH",
            target="{upload}",
            headers=(OCTETS, ("Content-Range", value)),
            body=NEXT,
            given=Given.UPLOAD,
            status=(202, 400, 416),
            code=RANGE_CODES,
            holds_up_to=HELD + NEXT,
        )
        for key, value in HTTP_FORM.items()
    ),
    Case(
        id="uploads/patch/no-body",
        method="PATCH",
        target="{upload}",
        headers=(OCTETS,),
        given=Given.UPLOAD,
        status=(202, 400),
        holds=HELD,
    ),
    Case(
        id="uploads/patch/two-content-ranges",
        method="PATCH",
        target="{upload}",
        headers=(OCTETS, ("Content-Range", "5-9"), ("Content-Range", "5-9")),
        body=NEXT,
        given=Given.UPLOAD,
        status=(400, 416),
        code=RANGE_CODES,
        holds=HELD,
    ),
    Case(
        id="uploads/patch/spaces-around-the-range",
        method="PATCH",
        target="{upload}",
        headers=(OCTETS, ("Content-Range", "  5-9 ")),
        body=NEXT,
        given=Given.UPLOAD,
        status=202,
        holds=HELD + NEXT,
    ),
    Case(
        id="uploads/patch/content-encoding",
        method="PATCH",
        target="{upload}",
        headers=(OCTETS, ("Content-Encoding", "gzip")),
        body=NEXT,
        given=Given.UPLOAD,
        status=(202, 400, 415),
        holds_up_to=HELD + NEXT,
    ),
)

CASES = (
    *(
        ranges(method, key, value, 416)
        for method in ("PATCH", "PUT")
        for key, value in OUT_OF_ORDER.items()
    ),
    *(
        ranges(method, key, value, (400, 416))
        for method in ("PATCH", "PUT")
        for key, value in (MALFORMED | WRONG_LENGTH).items()
    ),
    *SESSIONS,
    *ENDINGS,
    *OPENINGS,
    *PATCHES,
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
