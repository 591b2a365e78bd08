"""Malformed HTTP, refused before the application sees it (gunicorn CVE-2024-1135, -6827).

What matters is that nobody in front can disagree with the server on where a request ends: a 4xx,
one answer only, and the connection ends.
"""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import CANARY, GOOD, HELD, OCI_IMAGE, REFUSED, Case, Given

HOST = "Host: {host}"
HIDDEN = "GET /v2/_catalog HTTP/1.1\r\nHost: {host}\r\n\r\n"
PUT = f"PUT /v2/{REFUSED}/manifests/smuggled HTTP/1.1"


def raw(key: str, *lines: str, body: str = "", status: int | tuple[int, ...] = 400) -> Case:
    """A request written out line by line."""
    text = "\r\n".join([*lines, "", ""]) + body
    return Case(
        id=f"smuggling/{key}",
        raw=text.encode("latin-1"),
        status=status,
        by_server=True,
        half_close=True,
    )


def framed(key: str, *fields: str, body: str = "5\r\nworld\r\n0\r\n\r\n") -> Case:
    """A manifest PUT whose length is said in a way that two readers may read differently."""
    return raw(key, PUT, HOST, f"Content-Type: {OCI_IMAGE}", *fields, body=body + HIDDEN)


TE = "Transfer-Encoding"
CL = "Content-Length"
FRAMING = (
    framed("length-and-chunked", f"{CL}: 5", f"{TE}: chunked"),
    framed("chunked-and-length", f"{TE}: chunked", f"{CL}: 5"),
    framed("chunked-and-length-0", f"{TE}: chunked", f"{CL}: 0"),
    framed("chunked-and-right-length", f"{TE}: chunked", f"{CL}: 15"),
    framed("two-lengths", f"{CL}: 5", f"{CL}: 6"),
    framed("two-equal-lengths", f"{CL}: 5", f"{CL}: 5"),
    framed("length-list", f"{CL}: 5, 5"),
    framed("length-plus", f"{CL}: +5"),
    framed("length-minus", f"{CL}: -5"),
    framed("length-underscore", f"{CL}: 1_0"),
    framed("length-hex", f"{CL}: 0x5"),
    framed("length-float", f"{CL}: 5.0"),
    framed("length-exponent", f"{CL}: 5e0"),
    framed("length-empty", f"{CL}:"),
    framed("length-word", f"{CL}: five"),
    framed("length-inner-space", f"{CL}: 1 5"),
    framed("length-superscript", f"{CL}: \xb2"),
    framed("length-no-break-space", f"{CL}: \xa05"),
    framed("length-vertical-tab", f"{CL}: \x0b5"),
    framed("length-5000-digits", f"{CL}: {'5' * 5000}"),
    framed("length-space-before-colon", f"{CL} : 5"),
    framed("length-tab-before-colon", f"{CL}\t: 5"),
    framed("chunked-space-before-colon", f"{TE} : chunked"),
    framed("chunked-twice", f"{TE}: chunked", f"{TE}: chunked"),
    framed("chunked-list", f"{TE}: chunked, chunked"),
    framed("chunked-then-identity", f"{TE}: chunked, identity"),
    framed("chunked-then-gzip", f"{TE}: chunked, gzip"),
    framed("identity", f"{TE}: identity"),
    framed("identity-and-length", f"{TE}: identity", f"{CL}: 5"),
    framed("gzip-only", f"{TE}: gzip"),
    framed("coding-vertical-tab", f"{TE}: \x0bchunked"),
    framed("coding-nul", f"{TE}: chunked\0"),
    framed("coding-folded", f"{TE}:\r\n chunked"),
    framed("name-with-nul", f"{TE}\0: chunked"),
    framed("name-with-space", "Transfer Encoding: chunked"),
    framed("name-with-bracket", f"({TE}): chunked"),
    framed("name-high-byte", "Transfer-Encoding\xa0: chunked"),
)
HEADERS = (
    raw("two-hosts", "GET /v2/ HTTP/1.1", HOST, "Host: elsewhere.example"),
    raw("two-content-types", PUT, HOST, "Content-Type: a/b", "Content-Type: c/d", f"{CL}: 0"),
    raw("no-colon", "GET /v2/ HTTP/1.1", HOST, "nonsense"),
    raw("no-name", "GET /v2/ HTTP/1.1", HOST, ": value"),
    raw("folded", "GET /v2/ HTTP/1.1", HOST, "X-Folded: a", "  b"),
    raw("folded-first", "GET /v2/ HTTP/1.1", " Host: {host}"),
    raw("nul-in-value", "GET /v2/ HTTP/1.1", HOST, "Accept: a\0b"),
    raw("escape-in-value", "GET /v2/ HTTP/1.1", HOST, "Accept: a\x1bb"),
    raw("delete-in-value", "GET /v2/ HTTP/1.1", HOST, "Accept: a\x7fb"),
    raw("bare-return-in-value", "GET /v2/ HTTP/1.1", HOST, "Accept: a\rX: b"),
    raw("bare-newline-in-value", "GET /v2/ HTTP/1.1", HOST, "Accept: a\nX: b"),
    raw("bare-newlines", "GET /v2/ HTTP/1.1\nHost: {host}\n\n", HOST),
    raw("bare-newline-after-host", "GET /v2/ HTTP/1.1", "Host: {host}\nX: y"),
    raw("two-blank-lines-first", "", "", "GET /v2/ HTTP/1.1", HOST),
    raw("field-of-10000", "GET /v2/ HTTP/1.1", HOST, f"X: {'a' * 10_000}", status=431),
    raw("name-of-10000", "GET /v2/ HTTP/1.1", HOST, f"{'X' * 10_000}: a", status=431),
    raw(
        "1000-fields",
        "GET /v2/ HTTP/1.1",
        HOST,
        *(f"X-{number}: a" for number in range(1000)),
        status=431,
    ),
    raw("unknown-expectation", PUT, HOST, f"{CL}: 0", "Expect: 200-maybe", status=417),
)
LINES = (
    raw("line-empty-target", "GET  HTTP/1.1", HOST),
    raw("line-no-version", "GET /v2/", HOST),
    raw("line-http-0.9", "GET /v2/ HTTP/0.9", HOST),
    raw("line-http-2", "GET /v2/ HTTP/2.0", HOST),
    raw("line-http-1.10", "GET /v2/ HTTP/1.10", HOST),
    raw("line-http-lower-case", "GET /v2/ http/1.1", HOST),
    raw("line-other-protocol", "GET /v2/ ICY/1.1", HOST),
    raw("line-arabic-version", "GET /v2/ HTTP/\xd9\xa1.\xd9\xa1", HOST),
    raw("line-two-spaces", "GET  /v2/ HTTP/1.1", HOST),
    raw("line-tab", "GET\t/v2/\tHTTP/1.1", HOST),
    raw("line-space-in-target", "GET /v2/a b HTTP/1.1", HOST),
    raw("line-trailing-space", "GET /v2/ HTTP/1.1 ", HOST),
    raw("line-leading-space", " GET /v2/ HTTP/1.1", HOST),
    raw("line-nul-in-target", "GET /v2/\0 HTTP/1.1", HOST),
    raw("line-non-ascii-target", "GET /v2/\xe9/tags/list HTTP/1.1", HOST),
    raw("line-no-slash", "GET v2/ HTTP/1.1", HOST),
    raw("line-asterisk", "GET * HTTP/1.1", HOST),
    raw("line-authority", "GET {host} HTTP/1.1", HOST),
    raw("line-method-lower-case", "get /v2/ HTTP/1.1", HOST),
    raw("line-method-mixed-case", "Get /v2/ HTTP/1.1", HOST),
    raw("line-method-one-letter", "G /v2/ HTTP/1.1", HOST),
    raw("line-method-brackets", "GE(T) /v2/ HTTP/1.1", HOST),
    raw("line-method-nul", "GE\0T /v2/ HTTP/1.1", HOST),
    raw("line-method-high-byte", "G\xcbT /v2/ HTTP/1.1", HOST),
    raw("line-no-method", " /v2/ HTTP/1.1", HOST),
    raw("line-9000", f"GET /v2/?x={'a' * 9000} HTTP/1.1", HOST, status=(400, 414)),
    raw("line-random", "\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", "\x01\x02"),
    raw("chunked-in-http-1.0", PUT.replace("1.1", "1.0"), HOST, f"{TE}: chunked", body="0\r\n\r\n"),
)


# Odd, and still one reading only: what the application then makes of it.
SMUGGLED = b"GET /v2/_catalog HTTP/1.1\r\nHost: elsewhere.example\r\n\r\n"
LAWFUL = (
    Case(
        id="smuggling/request-in-a-refused-body",
        method="PUT",
        target="/v2/A/manifests/x",
        headers=(("Content-Type", OCI_IMAGE),),
        body=SMUGGLED,
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="smuggling/request-in-a-get-body",
        target=f"/v2/{CANARY}/tags/list",
        body=SMUGGLED,
        status=200,
    ),
    Case(
        id="smuggling/request-in-a-large-refused-body",
        method="PUT",
        target="/v2/A/manifests/x",
        headers=(("Content-Type", OCI_IMAGE),),
        body=SMUGGLED * 20_000,
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="smuggling/request-in-a-chunked-refused-body",
        method="PUT",
        target="/v2/A/manifests/x",
        headers=(("Transfer-Encoding", "chunked"), ("Content-Type", OCI_IMAGE)),
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="smuggling/body-of-delete",
        method="DELETE",
        target=f"/v2/{REFUSED}/manifests/nosuch",
        body=SMUGGLED,
        status=404,
        code="MANIFEST_UNKNOWN",
    ),
    Case(
        id="smuggling/underscored-length",
        method="PATCH",
        target="{upload}",
        headers=(("Content_Length", "99"), ("Content_Range", "90-99")),
        body=b"world",
        given=Given.UPLOAD,
        status=(202, 400),
        holds_up_to=HELD + b"world",
    ),
    Case(
        id="smuggling/chunked-mixed-case",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/-bad",
        headers=(("transfer-encoding", "ChUnKeD"), ("Content-Type", OCI_IMAGE)),
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
        status=400,
        code="TAG_INVALID",
    ),
    Case(
        id="smuggling/absolute-form",
        target="http://{host}/v2/",
        status=200,
    ),
    Case(
        id="smuggling/absolute-form-of-another-host",
        target="http://elsewhere.example/v2/A/tags/list",
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="smuggling/connection-names-length",
        method="PUT",
        target="/v2/A/manifests/x",
        headers=(("Connection", "content-length"), ("Content-Type", OCI_IMAGE)),
        body=SMUGGLED,
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="smuggling/upgrade",
        headers=(("Connection", "upgrade"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAMAAABk")),
        target="/v2/A/tags/list",
        status=400,
        code="NAME_INVALID",
    ),
)
CASES = (*FRAMING, *HEADERS, *LINES, *LAWFUL)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
