"""Repository names: what is no name is refused as such on every route, and odd names are names."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import ABSENT, GOOD, LAYER, OCI_IMAGE, REFUSED, Case, sha256

BAD = {
    "upper-case": "A",
    "upper-case-inside": "aB",
    "upper-case-component": "a/B",
    "double-slash": "a//b",
    "leading-slash": "/a",
    "trailing-slash": "a/",
    "leading-hyphen": "-a",
    "trailing-hyphen": "a-",
    "leading-underscore": "_a",
    "trailing-underscore": "a_",
    "leading-dot": ".a",
    "trailing-dot": "a.",
    "two-dots": "a..b",
    "three-underscores": "a___b",
    "dot-underscore": "a._b",
    "underscore-hyphen": "a_-b",
    "hyphen-dot": "a-.b",
    "component-hyphen": "a/-b",
    "component-underscore": "a/_b",
    "dot": ".",
    "dots": "..",
    "dots-first": "../a",
    "dots-inside": "a/../b",
    "dots-last": "a/..",
    "dot-inside": "a/./b",
    "encoded-dots": "%2e%2e",
    "encoded-traversal": "%2e%2e%2f",
    "encoded-traversal-inside": "a%2f%2e%2e%2fb",
    "encoded-mixed": "..%2f..%2fetc%2fpasswd",
    "double-encoded": "%252e",
    "double-encoded-traversal": "%252e%252e%252fa",
    "nul": "%00",
    "nul-inside": "a%00b",
    "newline": "%0a",
    "newline-last": "a%0a",
    "newline-first": "%0aa",
    "newline-component": "a%0a/b",
    "carriage-return": "a%0d%0aX-Evil:%201",
    "tab": "a%09b",
    "space": "a%20b",
    "space-last": "a%20",
    "escape": "a%1b[31mb",
    "delete": "a%7fb",
    "backslash": "\\",
    "backslash-traversal": "..\\..\\etc",
    "encoded-backslash": "a%5c..%5cb",
    "not-utf-8": "%ff",
    "overlong-dot": "%c0%ae%c0%ae",
    "overlong-slash": "a%c0%afb",
    "surrogate": "%ed%a0%80",
    "right-to-left": "a%e2%80%aeb",
    "zero-width": "a%e2%80%8bb",
    "no-break-space": "a%c2%a0b",
    "dotted-i": "%c4%b0",
    "long-s": "%c5%bf",
    "kelvin": "%e2%84%aa",
    "sharp-s": "a%c3%9f",
    "full-width": "%ef%bd%81%ef%bd%82",
    "full-width-slash": "a%ef%bc%8fb",
    "cyrillic": "%d0%b0",
    "arabic-digit": "a%d9%a1",
    "superscript": "a%c2%b2",
    "combining": "a%cc%81",
    "emoji": "%f0%9f%90%b3",
    "byte-order-mark": "%ef%bb%bfa",
    "colon": "a:b",
    "host-and-port": "localhost:5000/a",
    "at": "a@b",
    "digest": "a@sha256:00",
    "plus": "a+b",
    "exclamation": "a!b",
    "asterisk": "a*",
    "tilde": "~a",
    "dollar": "$a",
    "lookup": "${jndi:ldap:a}",
    "quote": "a'b",
    "double-quote": "a%22b",
    "sql": "a'%3bdrop%20table%20x--",
    "tag": "%3cscript%3ealert(1)%3c%2fscript%3e",
    "semicolon": "a;b",
    "equals": "a=b",
    "comma": "a,b",
    "ampersand": "a&b",
    "pipe": "a|b",
    "brackets": "[a]",
    "braces": "%7ba%7d",
    "question-mark": "a%3fb",
    "fragment": "a%23b",
    "percent": "a%25b",
    "broken-percent": "a%zz",
    "half-percent": "a%2",
    "catalog": "_catalog",
    "catalog-inside": "a/_catalog",
    "uploads-folder": "a/_uploads",
    "layers-folder": "a/_layers/sha256",
    "manifests-folder": "a/_manifests/tags",
    "256-characters": "a" * 256,
    "256-in-components": "a/" * 127 + "ab",
    "3000-characters": "a" * 3000,
    "1000-slashes": "a" + "/" * 1000,
    "backtracking": "a" * 120 + "/" + "a-" * 60 + "!",
}
ODD = {
    "route-words": "blobs/uploads",
    "whole-route": "manifests/x/tags/list",
    "tags-list": "tags/list",
    "referrers": "referrers/a",
    "blobs-digest-like": "blobs/sha256",
    "manifests": "manifests",
    "v2": "v2",
    "one-digit": "0",
    "hyphens": "a---b",
    "two-underscores": "a__b",
    "dots": "a.b.c",
    "encoded-slash": "corpus%2fnowhere",
    "encoded-letter": "%61",
    "255-characters": "a" * 255,
    "255-in-components": "a/" * 127 + "a",
}
TYPE = (("Content-Type", OCI_IMAGE),)


def family(route: str, method: str, path: str, body: bytes = b"", names: str = "") -> list[Case]:
    """One route with every bad name, or with those that `names` lists."""
    return [
        Case(
            id=f"names/{route}/{key}",
            method=method,
            target=f"/v2/{name}/{path}",
            headers=TYPE if method == "PUT" else (),
            body=body,
            status=400,
            code="NAME_INVALID",
        )
        for key, name in BAD.items()
        if not names or key in names.split()
    ]


SOME = (
    "upper-case double-slash dots-inside nul newline-last not-utf-8 dotted-i full-width "
    "256-characters catalog backslash encoded-traversal"
)
CASES = (
    *family("get-manifest", "GET", "manifests/latest"),
    *family("put-manifest", "PUT", "manifests/latest", GOOD),
    *family("open-upload", "POST", "blobs/uploads/"),
    *family("list-tags", "GET", "tags/list"),
    *family("head-manifest", "HEAD", "manifests/latest", names=SOME),
    *family("get-blob", "GET", f"blobs/{ABSENT}", names=SOME),
    *family("head-blob", "HEAD", f"blobs/{ABSENT}", names=SOME),
    *family("referrers", "GET", f"referrers/{ABSENT}", names=SOME),
    *family("delete-manifest", "DELETE", "manifests/latest", names=SOME),
    *family("delete-blob", "DELETE", f"blobs/{ABSENT}", names=SOME),
    *family("push-blob", "POST", f"blobs/uploads/?digest={sha256(LAYER)}", LAYER, names=SOME),
    *(
        Case(
            id=f"names/odd/{method.lower()}-{kind}/{key}",
            method=method,
            target=f"/v2/{name}/{path}",
            status=404,
            code="NAME_UNKNOWN",
        )
        for method, kind, path in (
            ("GET", "manifest", "manifests/latest"),
            ("GET", "tags", "tags/list"),
            ("HEAD", "manifest", "manifests/latest"),
        )
        for key, name in ODD.items()
    ),
    # A name from the caller that says where to mount from is a wish: what cannot be is uploaded.
    *(
        Case(
            id=f"names/mount-from/{key}",
            method="POST",
            target=f"/v2/{REFUSED}/blobs/uploads/?mount={ABSENT}&from={name}",
            status=202,
        )
        for key, name in BAD.items()
        if key in SOME.split() and key not in {"not-utf-8", "nul"}
    ),
    Case(
        id="names/10000-slashes",
        target="/v2/a" + "/" * 10_000 + "b/manifests/latest",
        status=(400, 414),
        by_server=True,
    ),
    Case(
        id="names/raw-non-ascii",
        target="/v2/\xe4/manifests/latest",
        status=400,
        by_server=True,
    ),
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
