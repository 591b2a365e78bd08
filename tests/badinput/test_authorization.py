"""Credentials that are none: 401 with a challenge on a locked server, whatever is asked for."""

from __future__ import annotations

import base64

from tests.badinput.bench import PASSWORD, USER, Bench
from tests.badinput.corpus import (
    ABSENT,
    CANARY,
    CANARY_IMAGE,
    GOOD,
    LAYER,
    NOWHERE,
    OCI_IMAGE,
    REFUSED,
    Case,
    sha256,
)
from tests.badinput.wire import Headers


def b64(text: str | bytes) -> str:
    return base64.b64encode(text.encode() if isinstance(text, str) else text).decode()


GOOD_PAIR = b64(f"{USER}:{PASSWORD}")
CHALLENGE = (("WWW-Authenticate", 'realm="'),)
NOT_CREDENTIALS = {
    "empty": "",
    "space": " ",
    "word": "nosuch",
    "basic-alone": "Basic",
    "basic-space": "Basic ",
    "basic-no-space": f"Basic{GOOD_PAIR}",
    "basic-colon": f"Basic: {GOOD_PAIR}",
    "basic-equals": f"Basic={GOOD_PAIR}",
    "basic-plain": f"Basic {USER}:{PASSWORD}",
    "basic-not-base64": "Basic !!!!",
    "basic-one-letter": "Basic a",
    "basic-padding-only": "Basic ====",
    # Python's decoder skips what is not of the alphabet, so that these would be the password.
    "basic-junk-before": f"Basic !{GOOD_PAIR}",
    "basic-junk-inside": f"Basic {GOOD_PAIR[:8]}!{GOOD_PAIR[8:]}",
    "basic-junk-behind": f"Basic {GOOD_PAIR}!",
    "basic-space-inside": f"Basic {GOOD_PAIR[:8]} {GOOD_PAIR[8:]}",
    "basic-tab-inside": f"Basic {GOOD_PAIR[:8]}\t{GOOD_PAIR[8:]}",
    "basic-high-byte-inside": f"Basic {GOOD_PAIR[:8]}\xff{GOOD_PAIR[8:]}",
    "basic-padding-inside": f"Basic {GOOD_PAIR[:8]}={GOOD_PAIR[8:]}",
    "basic-too-much-padding": f"Basic {GOOD_PAIR.rstrip('=')}======",
    "basic-behind-padding": f"Basic {b64(f'{USER}:{PASSWORD}x'.encode())}=AAAA",
    "basic-twice": f"Basic {GOOD_PAIR} {GOOD_PAIR}",
    "basic-list": f"Basic {GOOD_PAIR}, Basic {GOOD_PAIR}",
    "basic-parameters": f"Basic {GOOD_PAIR};charset=utf-8",
    "basic-quoted": f'Basic "{GOOD_PAIR}"',
    "basic-double-encoded": f"Basic {b64(GOOD_PAIR)}",
    "no-colon": f"Basic {b64(USER)}",
    "colon-alone": f"Basic {b64(':')}",
    "no-user": f"Basic {b64(f':{PASSWORD}')}",
    "no-password": f"Basic {b64(f'{USER}:')}",
    "not-utf-8": f"Basic {b64(bytes([0xFF, 0xFE, 0x3A, 0xFF]))}",
    "not-utf-8-password": f"Basic {b64(USER.encode() + b':' + bytes([0xFF]))}",
    "utf-16": f"Basic {b64(f'{USER}:{PASSWORD}'.encode('utf-16-le'))}",
    "nul-in-user": f"Basic {b64(f'{USER}' + chr(0) + f':{PASSWORD}')}",
    "nul-in-password": f"Basic {b64(f'{USER}:{PASSWORD}' + chr(0))}",
    "newline-in-user": f"Basic {b64(f'{USER}' + chr(10) + f':{PASSWORD}')}",
    "surrogate-bytes": f"Basic {b64(bytes([0xED, 0xA0, 0x80, 0x3A, 0x61]))}",
    "control-characters": f"Basic {b64('a' + chr(27) + ':b')}",
    "wrong-password": f"Basic {b64(f'{USER}:wrong')}",
    "wrong-user": f"Basic {b64(f'nobody:{PASSWORD}')}",
    "other-case-user": f"Basic {b64(f'{USER.upper()}:{PASSWORD}')}",
    "other-case-password": f"Basic {b64(f'{USER}:{PASSWORD.upper()}')}",
    "space-behind-password": f"Basic {b64(f'{USER}:{PASSWORD} ')}",
    "space-before-user": f"Basic {b64(f' {USER}:{PASSWORD}')}",
    "part-of-password": f"Basic {b64(f'{USER}:' + PASSWORD.partition(':')[0])}",
    "long-user": f"Basic {b64('a' * 3000 + ':b')}",
    "long-password": f"Basic {b64(USER + ':' + 'a' * 3000)}",
    "sql": f"Basic {b64(chr(39) + ' OR 1=1 --:x')}",
    "bearer-alone": "Bearer",
    "bearer-space": "Bearer ",
    "bearer-word": "Bearer nosuch",
    "bearer-lower-case": "bearer nosuch",
    "bearer-basic": f"Bearer {GOOD_PAIR}",
    "bearer-dots": "Bearer ..",
    "bearer-none": "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZG1pbiJ9.",
    "bearer-two": "Bearer a b",
    "bearer-quoted": 'Bearer "x"',
    "bearer-non-ascii": "Bearer \xff\xfe",
    "bearer-4000": f"Bearer {'a' * 4000}",
    "digest": f'Digest username="{USER}", realm="x", nonce="x", uri="/v2/", response="x"',
    "negotiate": "Negotiate YIIJvwYGKwYBBQUC",
    "ntlm": "NTLM TlRMTVNTUAAB",
    "aws4": "AWS4-HMAC-SHA256 Credential=x",
    "token": "Token nosuch",
    "non-ascii-scheme": f"B\xe4sic {GOOD_PAIR}",
    "scheme-with-tab": f"Basic\t{GOOD_PAIR}x",
}
BASIC = ("Authorization", f"Basic {GOOD_PAIR}")
WRONG = ("Authorization", f"Basic {b64('a:b')}")


def refused(key: str, headers: Headers, target: str = "/v2/", method: str = "GET") -> Case:
    return Case(
        id=f"authorization/{key}",
        method=method,
        target=target,
        headers=headers,
        body=GOOD if method == "PUT" else b"",
        status=401,
        code="UNAUTHORIZED",
        answer_headers=CHALLENGE,
    )


WRITES = {
    "push-manifest": ("PUT", f"/v2/{REFUSED}/manifests/new"),
    "push-new-repository": ("PUT", f"/v2/{NOWHERE}/manifests/new"),
    "open-upload": ("POST", f"/v2/{REFUSED}/blobs/uploads/"),
    "mount": ("POST", f"/v2/{REFUSED}/blobs/uploads/?mount={sha256(LAYER)}&from={CANARY}"),
    "delete-tag": ("DELETE", f"/v2/{CANARY}/manifests/v1"),
    "delete-manifest": ("DELETE", f"/v2/{CANARY}/manifests/{sha256(CANARY_IMAGE)}"),
    "delete-blob": ("DELETE", f"/v2/{CANARY}/blobs/{sha256(LAYER)}"),
    "cancel-upload": ("DELETE", f"/v2/{CANARY}/blobs/uploads/01234567-89ab-4cde-8f01-23456789abcd"),
}
READS = {
    "manifest": f"/v2/{CANARY}/manifests/v1",
    "blob": f"/v2/{CANARY}/blobs/{sha256(LAYER)}",
    "tags": f"/v2/{CANARY}/tags/list",
    "catalog": "/v2/_catalog",
    "referrers": f"/v2/{CANARY}/referrers/{sha256(CANARY_IMAGE)}",
    # What is not there looks the same from outside as what is.
    "unknown-repository": f"/v2/{NOWHERE}/manifests/v1",
    "unknown-manifest": f"/v2/{CANARY}/manifests/{ABSENT}",
    "unknown-blob": f"/v2/{CANARY}/blobs/{ABSENT}",
}
CASES = (
    refused("none", ()),
    *(refused(f"not/{key}", (("Authorization", value),)) for key, value in NOT_CREDENTIALS.items()),
    refused("two-fields/good-good", (BASIC, BASIC)),
    refused("two-fields/good-wrong", (BASIC, WRONG)),
    refused("two-fields/wrong-good", (WRONG, BASIC)),
    refused("two-fields/good-bearer", (BASIC, ("Authorization", "Bearer x"))),
    refused("other-field/proxy", (("Proxy-Authorization", BASIC[1]),)),
    refused("other-field/underscore", (("X_Authorization", BASIC[1]),)),
    refused("other-field/remote-user", (("Remote-User", USER), ("X-Remote-User", USER))),
    refused(
        "other-field/forwarded", (("X-Forwarded-User", USER), ("X-Forwarded-For", "127.0.0.1"))
    ),
    refused("other-field/cookie", (("Cookie", "sessionid=0123456789abcdef0123456789abcdef"),)),
    refused("other-field/broken-cookie", (("Cookie", '=;;"\xff; sessionid="'),)),
    refused("query/token", (), f"/v2/?access_token={GOOD_PAIR}&token={GOOD_PAIR}"),
    *(refused(f"read/{key}", (), path) for key, path in READS.items()),
    *(refused(f"read-wrong/{key}", (WRONG,), path) for key, path in READS.items()),
    *(refused(f"write/{key}", (), path, method) for key, (method, path) in WRITES.items()),
    *(
        refused(f"write-broken/{key}", (("Authorization", "Basic !"),), path, method)
        for key, (method, path) in WRITES.items()
    ),
    *(
        Case(id=f"authorization/options/{key}", method="OPTIONS", target=path, status=(200, 204))
        for key, path in READS.items()
    ),
    *(
        Case(id=f"authorization/good/{key}", headers=(("Authorization", value),), status=200)
        for key, value in {
            "basic": f"Basic {GOOD_PAIR}",
            "lower-case": f"basic {GOOD_PAIR}",
            "upper-case": f"BASIC {GOOD_PAIR}",
            "two-spaces": f"Basic  {GOOD_PAIR}",
            "space-behind": f"Basic {GOOD_PAIR}  ",
        }.items()
    ),
    Case(
        id="authorization/good-reads",
        target=f"/v2/{CANARY}/manifests/v1",
        headers=(BASIC,),
        status=200,
        answer_body=CANARY_IMAGE,
    ),
    Case(
        id="authorization/good-and-bad-name",
        target="/v2/A/manifests/v1",
        headers=(BASIC,),
        status=400,
        code="NAME_INVALID",
    ),
    Case(
        id="authorization/good-and-bad-manifest",
        method="PUT",
        target=f"/v2/{REFUSED}/manifests/new",
        headers=(BASIC, ("Content-Type", OCI_IMAGE)),
        body=b"[]",
        status=400,
        code="MANIFEST_INVALID",
    ),
    Case(
        id="authorization/9000-characters",
        headers=(("Authorization", f"Basic {'a' * 9000}"),),
        status=431,
        by_server=True,
    ),
)


def test_case(case: Case, locked_bench: Bench) -> None:
    locked_bench.check(case)


def test_nothing_was_harmed(locked_bench: Bench) -> None:
    locked_bench.assert_unharmed()
