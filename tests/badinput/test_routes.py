"""Methods that an endpoint has not, paths that none has, Host fields that name no host."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import ABSENT, CANARY, LAYER, REFUSED, Case, Given, sha256

UUID = "01234567-89ab-4cde-8f01-23456789abcd"
ROUTES = {
    "base": ("/v2/", "GET"),
    "catalog": ("/v2/_catalog", "GET"),
    "tags": (f"/v2/{CANARY}/tags/list", "GET"),
    "referrers": (f"/v2/{CANARY}/referrers/{ABSENT}", "GET"),
    "manifest": (f"/v2/{CANARY}/manifests/v1", "GET PUT DELETE"),
    "blob": (f"/v2/{CANARY}/blobs/{sha256(LAYER)}", "GET DELETE"),
    "uploads": (f"/v2/{CANARY}/blobs/uploads/", "POST"),
    "upload": (f"/v2/{CANARY}/blobs/uploads/{UUID}", "GET PATCH PUT DELETE"),
}
METHODS = [
    "GET",
    "POST",
    "PUT",
    "PATCH",
    "DELETE",
    "TRACE",
    "PROPFIND",
    "MKCOL",
    "LOCK",
    "QUERY",
    "FOO-BAR",
]
UNKNOWN = {
    "one-word": "/v2/nosuch",
    "two-words": "/v2/a/b",
    "five-words": "/v2/a/b/c/d/e",
    "repository": f"/v2/{CANARY}",
    "repository-slash": f"/v2/{CANARY}/",
    "manifests": f"/v2/{CANARY}/manifests",
    "manifest-of-two": f"/v2/{CANARY}/manifests/a/b",
    "manifest-slash": f"/v2/{CANARY}/manifests/v1/",
    "manifest-encoded-slash": f"/v2/{CANARY}/manifests/a%2fb",
    "manifests-capital": f"/v2/{CANARY}/Manifests/v1",
    "blobs": f"/v2/{CANARY}/blobs",
    "blob-slash": f"/v2/{CANARY}/blobs/{sha256(LAYER)}/",
    "blob-and-more": f"/v2/{CANARY}/blobs/{sha256(LAYER)}/data",
    "blob-on-disk": f"/v2/{CANARY}/blobs/sha256/ab/{'ab' * 32}/data",
    "tags": f"/v2/{CANARY}/tags",
    "tags-slash": f"/v2/{CANARY}/tags/",
    "tag": f"/v2/{CANARY}/tags/v1",
    "tags-list-slash": f"/v2/{CANARY}/tags/list/",
    "tags-list-more": f"/v2/{CANARY}/tags/list/x",
    "referrers": f"/v2/{CANARY}/referrers",
    "upload-and-more": f"/v2/{CANARY}/blobs/uploads/{UUID}/data",
    "upload-traversal": f"/v2/{CANARY}/blobs/uploads/..%2f{UUID}",
    "catalog-slash": "/v2/_catalog/",
    "catalog-more": "/v2/_catalog/x",
    "catalog-capital": "/v2/_Catalog",
    "underscored": "/v2/_nosuch",
    "encoded-query": "/v2/_catalog%3fn=1",
    "dot": "/v2/.",
    "encoded-dots": "/v2/%2e%2e",
    "to-admin": "/v2/../admin/",
    "to-admin-encoded": "/v2/%2e%2e/admin/",
    "to-passwd": "/v2/../../../../etc/passwd",
    "to-passwd-encoded": "/v2/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "to-passwd-double-encoded": "/v2/%252e%252e%252fetc%252fpasswd",
    "to-passwd-backslash": "/v2/..%5c..%5cetc%5cpasswd",
    "to-canary": "/v2/../outside/outside.txt",
    "to-key": "/v2/..%2fsecret_key",
    "nul": "/v2/%00",
    "newline": "/v2/%0a",
    "not-utf-8": "/v2/%ff",
    "markup": "/v2/%3cscript%3ealert(1)%3c/script%3e",
    "template": "/v2/{{7*7}}",
    "format": "/v2/%25s%25n",
    "3000-characters": "/v2/" + "a" * 3000,
    "1000-words": "/v2" + "/a" * 1000,
    "v1": "/v2/v1/_ping",
    "django-admin": "/v2/admin/login/",
    "static": "/v2/static/admin/css/base.css",
    "healthz": "/v2/healthz",
}
# A route of which one part is empty: no such route, or a name or a reference that is none.
EMPTY_PARTS = {
    "no-name-tags": "/v2/tags/list",
    "no-name-manifest": "/v2/manifests/latest",
    "no-name-blob": f"/v2/blobs/{ABSENT}",
    "empty-name-tags": "/v2//tags/list",
    "empty-name-manifest": "/v2//manifests/latest",
    "empty-manifest": f"/v2/{CANARY}/manifests/",
    "empty-blob": f"/v2/{CANARY}/blobs/",
    "empty-referrers": f"/v2/{CANARY}/referrers/",
    "slashes": "/v2//",
    "many-slashes": "/v2" + "/" * 500,
}
OUTSIDE = {
    "version-1": "/v1/_ping",
    "version-3": "/v3/",
    "capital": "/V2/",
    "no-slash-between": "/v2x/",
    "two-slashes": "//v2/",
    "traversal": "/../../etc/passwd",
    "encoded-traversal": "/%2e%2e/%2e%2e/etc/passwd",
    "static-traversal": "/static/../../manage.py",
    "static-encoded-traversal": "/static/..%2f..%2fmanage.py",
    "environment": "/.env",
    "git": "/.git/config",
    "nul": "/%00",
    "not-utf-8": "/%ff%fe",
    "3000-characters": "/" + "a" * 3000,
}
# A client that names no host, or none that is one, is refused (RFC 9112, section 3.2) or gets a
# Location without a host; never one that holds what it sent.
BAD_HOSTS = {
    "space": "a b",
    "slash": "a/b",
    "at": "user@example.com",
    "open-bracket": "[::1",
    "no-address": "[]",
    "port-word": "example.com:http",
    "port-65536": "example.com:99999999",
    "two-colons": "example.com:80:80",
    "markup": "<script>",
    "double-quote": 'a"b',
    "comma": "example.com, example.org",
    "non-ascii": "b\xfccher.example",
    "percent": "example.com%0d%0a",
    "question-mark": "example.com?x",
    "hash": "example.com#x",
    "3000-characters": "a" * 3000,
}


def methods(name: str, path: str, allowed: str) -> list[Case]:
    return [
        Case(
            id=f"routes/method/{name}/{method.lower()}",
            method=method,
            target=path,
            status=405,
            code="UNSUPPORTED",
            answer_headers=tuple(("Allow", known) for known in allowed.split()),
        )
        for method in METHODS
        if method not in allowed.split()
    ]


CASES = (
    *(case for name, (path, allowed) in ROUTES.items() for case in methods(name, path, allowed)),
    *(
        Case(id=f"routes/options/{name}", method="OPTIONS", target=path, status=(200, 204))
        for name, (path, _) in ROUTES.items()
    ),
    *(Case(id=f"routes/unknown/{key}", target=path, status=404) for key, path in UNKNOWN.items()),
    *(
        Case(
            id=f"routes/unknown-put/{key}",
            method="PUT",
            target=UNKNOWN[key],
            body=LAYER,
            status=404,
        )
        for key in ("one-word", "repository", "manifest-of-two", "to-admin", "nul", "not-utf-8")
    ),
    *(
        Case(id=f"routes/empty-part/{key}", target=path, status=(400, 404))
        for key, path in EMPTY_PARTS.items()
    ),
    *(
        Case(id=f"routes/outside/{key}", target=path, status=(400, 404), outside=True)
        for key, path in OUTSIDE.items()
    ),
    *(
        Case(
            id=f"routes/host/{key}",
            method="POST",
            target=f"/v2/{REFUSED}/blobs/uploads/",
            headers=(("Host", value),),
            status=(202, 400),
            location_is_relative=True,
        )
        for key, value in BAD_HOSTS.items()
    ),
    *(
        Case(
            id=f"routes/host-of-get/{key}",
            target="/v2/",
            headers=(("Host", value),),
            status=(200, 400),
        )
        for key, value in BAD_HOSTS.items()
    ),
    Case(
        id="routes/host/none",
        raw=f"POST /v2/{REFUSED}/blobs/uploads/ HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode(),
        status=(202, 400),
        location_is_relative=True,
        half_close=True,
    ),
    Case(
        id="routes/host/empty",
        method="POST",
        target=f"/v2/{REFUSED}/blobs/uploads/",
        headers=(("Host", ""),),
        status=(202, 400),
        location_is_relative=True,
    ),
    Case(
        id="routes/method/open-upload/post",
        method="POST",
        target="{upload}",
        given=Given.UPLOAD,
        status=405,
        code="UNSUPPORTED",
    ),
    Case(
        id="routes/connect",
        raw=b"CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        status=(400, 404, 405, 501),
        by_server=True,
        half_close=True,
    ),
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
