"""Manifests that are not JSON, or that two readers would read differently (CVE-2021-41190)."""

from __future__ import annotations

import codecs

from tests.badinput.bench import Bench
from tests.badinput.corpus import (
    CONFIG,
    GOOD,
    LAWFUL,
    LAYER,
    OCI_CONFIG,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    REFUSED,
    Case,
    descriptor,
    encode,
    image,
    index,
    sha256,
)

MIB = 1 << 20
LIMIT = 4 * MIB
TEXT = GOOD.decode()


def put(
    key: str,
    body: bytes,
    *,
    status: int = 400,
    media_type: str = OCI_IMAGE,
    is_chunked: bool = False,
    within: float = 5.0,
) -> Case:
    """A manifest push; lawful ones go where they may leave something."""
    repository = LAWFUL if status == 201 else REFUSED
    headers = [("Content-Type", media_type)]
    if is_chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return Case(
        id=f"json/{key}",
        method="PUT",
        target=f"/v2/{repository}/manifests/json",
        headers=tuple(headers),
        body=body,
        status=status,
        code="MANIFEST_INVALID",
        publishes=(sha256(body),) if status == 201 else (),
        within=within,
    )


def padded(size: int) -> bytes:
    """The good manifest with spaces behind it, `size` bytes in all."""
    return GOOD + b" " * (size - len(GOOD))


def nested(opening: str, closing: str, depth: int) -> bytes:
    """The good manifest with an unknown key of that depth."""
    deep = opening * depth + "1" + closing * depth
    return f'{TEXT[:-1]},"x":{deep}}}'.encode()


def with_member(member: str) -> bytes:
    """The good manifest with one more member, as it stands."""
    return f"{TEXT[:-1]},{member}}}".encode()


def replaced(old: str, new: str) -> bytes:
    assert old in TEXT, old
    return TEXT.replace(old, new, 1).encode("utf-8", "surrogatepass")


SIZE = f'"size":{len(CONFIG)}'
NOT_A_MANIFEST = {
    "empty": b"",
    "space": b" ",
    "newline": b"\n",
    "nul": b"\0",
    "string": b'""',
    "word": b'"manifest"',
    "null": b"null",
    "true": b"true",
    "false": b"false",
    "integer": b"1",
    "float": b"1.5",
    "list": b"[]",
    "list-of-manifest": b"[" + GOOD + b"]",
    "empty-object": b"{}",
    "open-brace": b"{",
    "close-brace": b"}",
    "bare-word": b"manifest",
    "html": b"<!doctype html><title>x</title>",
    "xml": b"<?xml version='1.0'?><a/>",
    "yaml": b"schemaVersion: 2\nlayers: []\n",
    "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    "random": bytes(range(256)),
    "truncated": GOOD[: len(GOOD) // 2],
    "truncated-by-one": GOOD[:-1],
    "trailing-object": GOOD + b"{}",
    "trailing-manifest": GOOD + GOOD,
    "trailing-word": GOOD + b"x",
    "trailing-nul": GOOD + b"\0",
    "trailing-comma": GOOD + b",",
    "trailing-comma-inside": GOOD[:-1] + b",}",
    "single-quotes": GOOD.replace(b'"', b"'"),
    "comment": b"/* x */" + GOOD,
    "line-comment": b"// x\n" + GOOD,
    "hash-comment": b"# x\n" + GOOD,
    "unquoted-key": GOOD.replace(b'"schemaVersion"', b"schemaVersion"),
    "form-feed": b"\x0c" + GOOD,
    "no-break-space": b"\xc2\xa0" + GOOD,
    "concatenation-prefix": b")]}'\n" + GOOD,
}
ENCODINGS = {
    "utf-8-bom": codecs.BOM_UTF8 + GOOD,
    "utf-16-le": TEXT.encode("utf-16-le"),
    "utf-16-be": TEXT.encode("utf-16-be"),
    "utf-16-bom": TEXT.encode("utf-16"),
    "utf-32-le": TEXT.encode("utf-32-le"),
    "utf-32-bom": TEXT.encode("utf-32"),
    "utf-7": b"+AHs-" + GOOD[1:],
    "latin-1": with_member('"annotations":{"a":"\xe9"}').decode().encode("latin-1"),
    "overlong": with_member('"annotations":{"a":"Q"}').replace(b"Q", b"\xc0\xaf"),
    "cut-sequence": with_member('"annotations":{"a":"Q"}').replace(b"Q", b"\xe2\x82"),
    "raw-surrogate": with_member('"annotations":{"a":"Q"}').replace(b"Q", b"\xed\xa0\x80"),
    "beyond-unicode": with_member('"annotations":{"a":"Q"}').replace(b"Q", b"\xf4\x90\x80\x80"),
    "lone-high-surrogate": with_member('"annotations":{"a":"\\ud800"}'),
    "lone-low-surrogate": with_member('"annotations":{"a":"\\udc00"}'),
    "surrogates-swapped": with_member('"annotations":{"a":"\\udc00\\ud800"}'),
    "surrogate-in-key": with_member('"annotations":{"\\ud800":"a"}'),
    "surrogate-in-unknown-key": with_member('"x":"\\udfff"'),
    "raw-newline-in-string": with_member('"annotations":{"a":"b\nc"}'),
    "raw-nul-in-string": with_member('"annotations":{"a":"b\0c"}'),
    "raw-tab-in-string": with_member('"annotations":{"a":"b\tc"}'),
    "bad-escape": with_member('"annotations":{"a":"\\x41"}'),
    "short-escape": with_member('"annotations":{"a":"\\u12"}'),
    "underscored-escape": with_member('"annotations":{"a":"\\u1_23"}'),
}
NUMBERS = {
    "nan": "NaN",
    "infinity": "Infinity",
    "minus-infinity": "-Infinity",
    "1e400": "1e400",
    "minus-1e400": "-1e400",
    "leading-zero": "01",
    "plus": "+1",
    "hex": "0x10",
    "octal": "0o17",
    "underscore": "1_000",
    "trailing-dot": "1.",
    "leading-dot": ".5",
    "bare-exponent": "1e",
    "minus": "-",
    "5000-digits": "9" * 5000,
    "5000-digits-behind-the-dot": "0." + "9" * 5000,
    "100000-digits": "9" * 100_000,
    "arabic-digit": "\u0661",
}
DEEP = {
    "lists-65": nested("[", "]", 65),
    "lists-2000": nested("[", "]", 2000),
    "lists-40000": nested("[", "]", 40_000),
    "objects-65": nested('{"a":', "}", 65),
    "objects-2000": nested('{"a":', "}", 2000),
    "objects-40000": nested('{"a":', "}", 40_000),
    "lists-100000": b"[" * 100_000 + b"]" * 100_000,
    "lists-1000000": b"[" * 1_000_000,
    "objects-100000": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "many-objects": b'{"x":[' + b"{}," * 1_200_000 + b"{}]}",
}
DUPLICATES = {
    **{
        f"twice-{key}": with_member(f'"{key}":' + encode(value).decode())
        for key, value in (
            ("schemaVersion", 2),
            ("mediaType", OCI_IMAGE),
            ("config", descriptor(CONFIG, OCI_CONFIG)),
            ("layers", []),
        )
    },
    "twice-unknown": with_member('"x":1,"x":2'),
    "twice-in-descriptor": replaced(SIZE, f"{SIZE},{SIZE}"),
    "twice-digest": replaced(SIZE, f'{SIZE},"digest":"{sha256(LAYER)}"'),
    "twice-annotation": with_member('"annotations":{"a":"1","a":"2"}'),
    "twice-by-escape": with_member('"annotations":{"a":"1","\\u0061":"2"}'),
    "twice-deep": with_member('"x":[{"y":{"z":1,"z":1}}]'),
}
# Some JSON libraries read these as the key that they resemble: by case, or by Unicode's folding.
VARIANTS = {
    **{
        f"variant-{name}": with_member(f'"{name}":{value}')
        for name, value in {
            "SchemaVersion": "1",
            "MEDIATYPE": '"x"',
            "MediaType": f'"{OCI_INDEX}"',
            "Config": "{}",
            "Layers": "[]",
            "LAYERS": "[]",
            "Manifests": "[]",
            "Subject": "{}",
            "Annotations": "{}",
            "ArtifactType": '"a/b"',
            "fslayers": "[]",
        }.items()
    },
    "variant-long-s-layers": with_member('"layer\u017f":[]'),
    "variant-long-s-manifests": with_member('"manife\u017ft\u017f":[]'),
    "variant-long-s-schema": with_member('"\u017fchemaVersion":1'),
    "variant-instead": replaced('"layers"', '"Layers"'),
    "variant-digest": replaced(SIZE, f'{SIZE},"Digest":"{sha256(LAYER)}"'),
    "variant-size": replaced(SIZE, f'{SIZE},"Size":1'),
    "variant-long-s-size": replaced(SIZE, f'{SIZE},"\u017fize":1'),
    "variant-urls": replaced(SIZE, f'{SIZE},"URLs":[]'),
}
MANY_KEYS = ",".join(f'"{number}":1' for number in range(200_000))
REFUSALS = {**NOT_A_MANIFEST, **ENCODINGS, **DEEP, **DUPLICATES, **VARIANTS}
LAWFUL_BODIES = {
    "spaces-around": b" \r\n\t" + GOOD + b" \r\n\t",
    "unknown-keys": with_member('"x":1,"y":[],"org.example":{"z":null}'),
    "escaped-nul-in-annotation": with_member('"annotations":{"a":"b\\u0000c","\\u0000":""}'),
    "astral-annotation": with_member('"annotations":{"a":"\\ud83d\\udc33 \U0001f433"}'),
    "depth-60": nested("[", "]", 60),
    "markup-in-annotation": with_member('"annotations":{"a":"<script>alert(1)</script>"}'),
    "escaped-solidus": GOOD.replace(b"/", b"\\/"),
    "large-unknown-number": with_member('"x":12345678901234567890'),
    "long-annotation": with_member(f'"annotations":{{"a":"{"x" * 100_000}"}}'),
    "many-keys": with_member(f'"x":{{{MANY_KEYS}}}'),
    "exactly-4MiB": padded(LIMIT),
}
CASES = (
    *(put(key, body) for key, body in REFUSALS.items()),
    *(put(f"number/{key}", with_member(f'"x":{text}')) for key, text in NUMBERS.items()),
    *(
        put(f"number-as-size/{key}", replaced(SIZE, f'"size":{text}'))
        for key, text in NUMBERS.items()
    ),
    # A duplicate at the end of many keys is found as quickly as any other (super-linear parsing).
    put("many-keys-and-one-twice", with_member(f'"x":{{{MANY_KEYS},"0":1}}'), within=10.0),
    put("many-keys-and-the-last-twice", with_member(f'"x":{{{MANY_KEYS},"199999":1}}'), within=10),
    *(put(f"lawful/{key}", body, status=201) for key, body in LAWFUL_BODIES.items()),
    put("lawful/exactly-4MiB-chunked", padded(LIMIT), status=201, is_chunked=True),
    put("too-large/by-length", padded(LIMIT + 1), status=413),
    put("too-large/chunked", padded(LIMIT + 1), status=413, is_chunked=True),
    put("too-large/16MiB-by-length", padded(16 * MIB), status=413),
    put("too-large/16MiB-chunked", padded(16 * MIB), status=413, is_chunked=True),
    put("too-large/not-json", b"x" * (LIMIT + 1), status=413),
    put("too-large/an-index", index() + b" " * LIMIT, status=413, media_type=OCI_INDEX),
    put("too-large/layers", image(layers=[descriptor(LAYER, OCI_LAYER)] * 30_000), status=413),
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
