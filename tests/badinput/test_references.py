"""Tags and digests: what is none is refused as such, and what is unknown is unknown."""

from __future__ import annotations

import hashlib

from tests.badinput.bench import Bench
from tests.badinput.corpus import (
    ABSENT,
    CANARY,
    CANARY_IMAGE,
    GOOD,
    LAYER,
    NOWHERE,
    OCI_IMAGE,
    PRIVATE,
    REFUSED,
    Case,
    Given,
    sha256,
    sha512,
)

TYPE = (("Content-Type", OCI_IMAGE),)
HEX = "0123456789abcdef" * 4
BAD_TAGS = {
    "129-characters": "a" * 129,
    "3000-characters": "a" * 3000,
    "leading-dot": ".x",
    "leading-hyphen": "-x",
    "dot": ".",
    "dots": "..",
    "plus": "1.0+build",
    "at": "a@b",
    "tilde": "a~1",
    "cyrillic": "%d0%bb%d0%b0%d1%82%d0%b5%d1%81%d1%82",
    "dotted-i": "%c4%b0",
    "full-width": "%ef%bd%8c",
    "arabic-digit": "%d9%a1",
    "newline-last": "latest%0a",
    "newline-first": "%0alatest",
    "carriage-return": "latest%0d%0aX-Evil",
    "nul-last": "latest%00",
    "nul": "%00",
    "space": "a%20b",
    "space-last": "latest%20",
    "tab": "a%09b",
    "not-utf-8": "%ff",
    "backslash": "a%5cb",
    "double-encoded": "%252e%252e",
    "percent": "100%25",
    "broken-percent": "a%zz",
    "quote": "a'b",
    "tag": "%3cb%3e",
    "question-mark": "a%3fb",
    "fragment": "a%23b",
    "brackets": "[a]",
    "braces": "%7ba%7d",
    "semicolon": "a;b",
    "comma": "a,b",
    "equals": "a=b",
    "asterisk": "*",
}
BAD_DIGESTS = {
    "upper-case-hex": f"sha256:{HEX.upper()}",
    "one-upper-case": f"sha256:{HEX[:-1]}F",
    "upper-case-algorithm": f"SHA256:{HEX}",
    "63-digits": f"sha256:{HEX[:-1]}",
    "65-digits": f"sha256:{HEX}0",
    "no-digits": "sha256:",
    "no-algorithm": f":{HEX}",
    "colon": ":",
    "two-colons": f"sha256::{HEX}",
    "two-values": f"sha256:{HEX}:{HEX}",
    "not-hex": f"sha256:{'g' * 64}",
    "sha512-too-short": f"sha512:{HEX}",
    "sha256-too-long": f"sha256:{HEX * 2}",
    "md5": f"md5:{hashlib.md5(b'', usedforsecurity=False).hexdigest()}",
    "sha1": f"sha1:{hashlib.sha1(b'', usedforsecurity=False).hexdigest()}",
    "sha384": f"sha384:{hashlib.sha384(b'').hexdigest()}",
    "blake3": f"blake3:{HEX}",
    "unknown-algorithm": f"nosuch:{HEX}",
    "joined-algorithm": f"sha256+b64:{HEX}",
    "newline-last": f"sha256:{HEX}%0a",
    "newline-inside": f"sha256:{HEX[:63]}%0a",
    "nul-last": f"sha256:{HEX}%00",
    "nul-inside": f"sha256:{HEX[:63]}%00",
    "leading-space": f"%20sha256:{HEX}",
    "trailing-space": f"sha256:{HEX}%20",
    "arabic-digits": f"sha256:{'%d9%a1' * 64}",
    "full-width-hex": f"sha256:{'%ef%bd%81' * 64}",
    "not-utf-8": f"sha256:{HEX[:62]}%ff",
    "underscore": f"sha256:{HEX[:31]}_{HEX[:32]}",
    "hex-prefix": f"sha256:0x{HEX[:62]}",
    "full-width-colon": f"sha256:%ef%bc%9a{HEX[:61]}",
    "dots": "sha256:..",
    "3000-digits": f"sha256:{'0' * 3000}",
    "quote": f"sha256:{HEX[:62]}'--",
}
SOME_DIGESTS = [
    "upper-case-hex",
    "63-digits",
    "65-digits",
    "md5",
    "newline-last",
    "nul-inside",
    "no-digits",
    "not-utf-8",
    "arabic-digits",
    "unknown-algorithm",
]

# In the query of a PUT, `+` is a space and `&`, `;` and `#` end a value: written apart from these.
TAG_IN_QUERY = [
    key
    for key in BAD_TAGS
    if key not in {"not-utf-8", "broken-percent", "semicolon", "3000-characters"}
]


def codes_of(key: str, *, is_query: bool) -> tuple[str, ...]:
    """A query that has NUL or is not UTF-8 may be refused as a whole."""
    is_whole = is_query and key.startswith(("nul-", "not-utf-8"))
    return ("DIGEST_INVALID", "UNSUPPORTED") if is_whole else ("DIGEST_INVALID",)


def digests(route: str, method: str, path: str, *, some: bool = False) -> list[Case]:
    """One route with every bad digest, or with the most telling ones."""
    return [
        Case(
            id=f"digests/{route}/{key}",
            method=method,
            target=path.format(digest),
            headers=TYPE if method == "PUT" else (),
            body=GOOD if method == "PUT" else b"",
            status=400,
            code=codes_of(key, is_query="?" in path),
        )
        for key, digest in BAD_DIGESTS.items()
        if not some or key in SOME_DIGESTS
    ]


def unknown(key: str, code: str, method: str, path: str) -> Case:
    return Case(id=f"unknown/{key}", method=method, target=path, status=404, code=code)


SHA = sha256(LAYER)
CASES = (
    *(
        Case(
            id=f"tags/{method.lower()}/{key}",
            method=method,
            target=f"/v2/{REFUSED}/manifests/{tag}",
            headers=TYPE if method == "PUT" else (),
            body=GOOD if method == "PUT" else b"",
            # Nothing has such a tag, says the answer to who asks; clients probe for any.
            status=400 if method == "PUT" else 404,
            code="TAG_INVALID" if method == "PUT" else "MANIFEST_UNKNOWN",
            message_has="tag",
        )
        for method in ("GET", "PUT", "DELETE", "HEAD")
        for key, tag in BAD_TAGS.items()
    ),
    *(
        Case(
            id=f"tags/in-query/{key}",
            method="PUT",
            target=f"/v2/{REFUSED}/manifests/{sha256(GOOD)}?tag=good&tag={BAD_TAGS[key]}",
            headers=TYPE,
            body=GOOD,
            status=400,
            code=("TAG_INVALID", "UNSUPPORTED") if "nul" in key else "TAG_INVALID",
        )
        for key in TAG_IN_QUERY
    ),
    Case(
        id="tags/in-query/empty",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/{sha256(GOOD)}?tag=",
        headers=TYPE,
        body=GOOD,
        status=400,
        code="TAG_INVALID",
    ),
    Case(
        id="tags/in-query/33",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/{sha256(GOOD)}?"
        + "&".join(f"tag=t{n}" for n in range(33)),
        headers=TYPE,
        body=GOOD,
        status=414,
        code="TAG_INVALID",
    ),
    *(
        # A colon makes it a digest, and not a good one.
        Case(
            id=f"tags/with-colon/{method.lower()}",
            method=method,
            target=f"/v2/{REFUSED}/manifests/a:b",
            headers=TYPE if method == "PUT" else (),
            body=GOOD if method == "PUT" else b"",
            status=400,
            code=("TAG_INVALID", "DIGEST_INVALID"),
        )
        for method in ("GET", "PUT", "DELETE")
    ),
    *(
        # Both are lawful tags: the first is how referrers were found before there was an endpoint.
        unknown(f"tag/{key}", "MANIFEST_UNKNOWN", "GET", f"/v2/{REFUSED}/manifests/{tag}")
        for key, tag in {
            "fallback": f"sha256-{HEX}",
            "algorithm": "sha256",
            "128-characters": "a" * 128,
            "underscore": "_",
            "encoded": "%61bc",
        }.items()
    ),
    *digests("get-blob", "GET", f"/v2/{REFUSED}/blobs/{{}}"),
    *digests("get-manifest", "GET", f"/v2/{REFUSED}/manifests/{{}}"),
    *digests("put-manifest", "PUT", f"/v2/{REFUSED}/manifests/{{}}"),
    *digests("push-blob", "POST", f"/v2/{REFUSED}/blobs/uploads/?digest={{}}"),
    *digests("head-blob", "HEAD", f"/v2/{REFUSED}/blobs/{{}}", some=True),
    *digests("delete-blob", "DELETE", f"/v2/{REFUSED}/blobs/{{}}", some=True),
    *digests("delete-manifest", "DELETE", f"/v2/{REFUSED}/manifests/{{}}", some=True),
    *digests("referrers", "GET", f"/v2/{REFUSED}/referrers/{{}}", some=True),
    Case(
        id="digests/other-than-the-manifest",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/{ABSENT}",
        headers=TYPE,
        body=GOOD,
        status=400,
        code="DIGEST_INVALID",
    ),
    Case(
        id="digests/other-sha512-than-the-manifest",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/{sha512(CANARY_IMAGE)}",
        headers=TYPE,
        body=GOOD,
        status=400,
        code="DIGEST_INVALID",
    ),
    Case(
        id="digests/encoded-colon",
        target=f"/v2/{CANARY}/blobs/{SHA.replace(':', '%3a')}",
        status=200,
        answer_body=LAYER,
    ),
    *(
        unknown(f"{key}/{method.lower()}", code, method, path)
        for method in ("GET", "HEAD", "DELETE")
        for key, code, path in (
            ("blob", "BLOB_UNKNOWN", f"/v2/{REFUSED}/blobs/{ABSENT}"),
            ("manifest", "MANIFEST_UNKNOWN", f"/v2/{REFUSED}/manifests/{ABSENT}"),
            ("tag", "MANIFEST_UNKNOWN", f"/v2/{REFUSED}/manifests/nosuch"),
            ("repository", "NAME_UNKNOWN", f"/v2/{NOWHERE}/manifests/latest"),
            ("repository-by-digest", "NAME_UNKNOWN", f"/v2/{NOWHERE}/manifests/{ABSENT}"),
            ("repository-of-blob", "NAME_UNKNOWN", f"/v2/{NOWHERE}/blobs/{SHA}"),
            # What another repository holds is unknown here (zot CVE-2024-39897).
            ("foreign-blob", "BLOB_UNKNOWN", f"/v2/{REFUSED}/blobs/{sha256(PRIVATE)}"),
            (
                "foreign-manifest",
                "MANIFEST_UNKNOWN",
                f"/v2/{REFUSED}/manifests/{sha256(CANARY_IMAGE)}",
            ),
            ("layer-as-manifest", "MANIFEST_UNKNOWN", f"/v2/{REFUSED}/manifests/{SHA}"),
        )
    ),
    unknown("repository-tags", "NAME_UNKNOWN", "GET", f"/v2/{NOWHERE}/tags/list"),
    *(
        Case(
            id=f"digests/put-upload/{key}",
            method="PUT",
            target=f"{{upload}}?digest={digest}",
            given=Given.UPLOAD,
            status=400,
            code=codes_of(key, is_query=True),
        )
        for key, digest in BAD_DIGESTS.items()
        if key in SOME_DIGESTS
    ),
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
