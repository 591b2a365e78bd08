"""S1: a token is believed for our signature and nothing else, and nothing in one breaks the server.

The Distribution project once trusted a key that came inside the token (CVE-2025-24976).
"""

import base64
import hashlib
import hmac
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from django.conf import settings
from joserfc import jws
from joserfc.jwk import ECKey

from accounts import signing
from accounts.models import SigningKey
from tests.security.client import Answer, bearer, send, token_for
from tests.security.conftest import APP, World

Json = dict[str, Any]

MANIFEST = f"/v2/{APP}/manifests/1"
EVERYTHING = [{"type": "repository", "name": APP, "actions": ["pull", "push", "delete"]}]


def part(value: object) -> str:
    """A part of a token: JSON, unless it is bytes already."""
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def claims(**changes: object) -> Json:
    """What a token of ours says, with changes; `...` takes a claim away."""
    now = int(time.time())
    good: Json = {
        "iss": settings.TOKEN_ISSUER,
        "aud": settings.TOKEN_SERVICE,
        "sub": "owner",
        "exp": now + 300,
        "nbf": now - 30,
        "iat": now,
        "jti": "0",
        "access": EVERYTHING,
    }
    return {name: value for name, value in (good | changes).items() if value is not ...}


def own_key() -> ECKey:
    """Our private key, which no attacker has: for tokens that are genuine and odd."""
    signing.jwks()
    return signing._keys.newest().key


def signed(payload: object, key: ECKey | None = None, **header: object) -> str:
    """A token over any payload, by our own key unless another is given."""
    fields = {"typ": "JWT", "alg": "ES256", "kid": kid()} | header
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    found = {name: value for name, value in fields.items() if value is not ...}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    return jws.serialize_compact(found, content, key or own_key(), registry=registry)


def kid() -> str:
    signing.jwks()
    return signing._keys.newest().kid


def attackers_key() -> ECKey:
    private = ec.generate_private_key(ec.SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return ECKey.import_key(pem.decode())


def ask(token: str, target: str = MANIFEST) -> Answer:
    return send("GET", target, by=bearer(token))


def assert_refused(token: str) -> None:
    """401, in the specification's words, and not a word of why."""
    for target in (MANIFEST, "/v2/", "/v2/_catalog"):
        answer = ask(token, target)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), answer.text
        assert answer.headers["WWW-Authenticate"].startswith("Bearer realm=")
        assert "Traceback" not in answer.text


def test_the_forger_s_tools_make_tokens_that_are_taken_when_the_key_is_ours(world: World) -> None:
    assert ask(signed(claims())).status == 200


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "NONE", "", None, 0, ["ES256"]])
def test_a_token_without_a_signature_is_refused(world: World, algorithm: object) -> None:
    for header in ({"alg": algorithm}, {"alg": algorithm, "typ": "JWT", "kid": kid()}):
        assert_refused(f"{part(header)}.{part(claims())}.")
        assert_refused(f"{part(header)}.{part(claims())}.{part(b'anything')}")
        assert_refused(f"{part(header)}.{part(claims())}")


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_is_no_shared_secret(world: World, algorithm: str) -> None:
    row = SigningKey.objects.get(kid=kid())
    published = json.dumps(signing.jwks()["keys"][0])
    for secret in (row.public, row.public.strip(), row.certificate, published):
        head = f"{part({'alg': algorithm, 'typ': 'JWT', 'kid': kid()})}.{part(claims())}"
        digest = hmac.digest(secret.encode(), head.encode(), f"sha{algorithm[2:]}")
        assert_refused(f"{head}.{part(digest)}")


def test_another_algorithm_over_the_right_key_is_refused(world: World) -> None:
    genuine = signed(claims())
    _, payload, signature = genuine.split(".")
    for algorithm in ("ES384", "ES256K", "RS256", "PS256", "EdDSA", "es256"):
        assert_refused(f"{part({'alg': algorithm, 'kid': kid()})}.{payload}.{signature}")


@pytest.mark.parametrize("kept", [True, False], ids=["our kid", "their kid"])
@pytest.mark.parametrize("carried", ["jwk", "jku", "x5u", "x5c", "all of them", "nothing"])
def test_a_key_that_the_token_brings_is_not_looked_at(
    world: World, carried: str, kept: bool
) -> None:
    key = attackers_key()
    brought: Json = {
        "jwk": key.as_dict(private=False),
        "jku": "http://127.0.0.1:9/jwks.json",
        "x5u": "http://127.0.0.1:9/chain.pem",
        "x5c": [base64.b64encode(b"a certificate of theirs").decode()],
    }
    names = list(brought) if carried == "all of them" else [carried]
    header = {name: brought[name] for name in names if name in brought}
    header |= {} if kept else {"kid": key.thumbprint()}
    assert_refused(signed(claims(), key, **header))


KIDS = [
    "../../x",
    "../../../../../../dev/null",
    "/etc/passwd",
    "' OR '1'='1",
    "x' UNION SELECT encrypted FROM accounts_signingkey --",
    "\0",
    "",
    " ",
    "%00",
    "x" * 5000,
    ...,
    None,
    0,
    True,
    [],
    ["x"],
    {},
    {"$ne": ""},
    "\ud800",
]


@pytest.mark.parametrize("odd", KIDS, ids=lambda value: repr(value)[:24])
def test_a_strange_key_id_finds_no_key(world: World, odd: object) -> None:
    header = {"alg": "ES256", "typ": "JWT", "kid": odd}
    fields = {name: value for name, value in header.items() if value is not ...}
    _, payload, signature = signed(claims()).split(".")
    assert_refused(f"{part(fields)}.{payload}.{signature}")


def test_a_changed_token_is_refused(world: World) -> None:
    genuine = signed(claims(access=[]))
    header, payload, signature = genuine.split(".")
    assert_refused(f"{header}.{part(claims())}.{signature}")
    for other in ("", "A" * 86, signature[:-4], signature + "AAAA", signature[::-1]):
        assert_refused(f"{header}.{payload}.{other}")
    # The trailing bits of base64 that mean nothing must not make a second spelling of a token.
    raw = base64.urlsafe_b64decode(signature + "==")
    zeros = part(b"\0" * len(raw))
    assert_refused(f"{header}.{payload}.{zeros}")


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": 0},
        {"exp": int(time.time()) - 1},
        {"exp": ...},
        {"exp": None},
        {"exp": "never"},
        {"exp": "99999999999"},
        {"exp": [99999999999]},
        {"exp": True},
        {"nbf": int(time.time()) + 3600},
        {"nbf": ...},
        {"iat": int(time.time()) + 3600},
        {"iat": ...},
        {"iss": "another"},
        {"iss": ...},
        {"iss": None},
        {"iss": ["berth"]},
        {"aud": "another"},
        {"aud": ...},
        {"aud": ["berth", "another"]},
        {"aud": {"berth": 1}},
        {"aud": ""},
        {"sub": ...},
        {"sub": None},
        {"sub": 7},
        {"sub": {}},
        {"crit": ["exp"], "sub": []},
    ],
    ids=lambda changes: repr(changes)[:40],
)
def test_a_genuine_token_that_is_not_for_here_and_now_is_refused(
    world: World, changes: Json
) -> None:
    assert_refused(signed(claims(**changes)))


ODD_ACCESS: list[object] = [
    None,
    0,
    "pull",
    {},
    {"type": "repository", "name": APP, "actions": ["pull"]},
    [None],
    [0],
    ["repository:payments/app:pull"],
    [[]],
    [{}],
    [{"type": "repository"}],
    [{"type": "repository", "name": APP}],
    [{"type": "repository", "name": APP, "actions": None}],
    [{"type": "repository", "name": APP, "actions": "pull"}],
    [{"type": "repository", "name": APP, "actions": ["*"]}],
    [{"type": "repository", "name": APP, "actions": ["PULL"]}],
    [{"type": "repository", "name": APP, "actions": ["pull", "admin"]}],
    [{"type": "repository", "name": APP, "actions": [None]}],
    [{"type": "repository", "name": APP, "actions": [["pull"]]}],
    [{"type": "repository", "name": APP, "actions": {"pull": True}}],
    [{"type": "repository", "name": [APP], "actions": ["pull"]}],
    [{"type": "repository", "name": {"$ne": ""}, "actions": ["pull"]}],
    [{"type": "repository", "name": "*", "actions": ["pull"]}],
    [{"type": ["repository"], "name": APP, "actions": ["pull"]}],
    [{"type": "registry", "name": "catalog"}],
]


@pytest.mark.parametrize("access", ODD_ACCESS, ids=lambda value: repr(value)[:60])
def test_access_of_an_odd_shape_allows_nothing(world: World, access: object) -> None:
    """Such a token is signed by our own key: by another version of this program, say."""
    token = signed(claims(access=access))
    for target in (MANIFEST, "/v2/", "/v2/_catalog"):
        answer = ask(token, target)
        assert answer.status in (200, 401, 404), answer.text
    assert ask(token).status != 200
    pushed = send("POST", f"/v2/{APP}/blobs/uploads/", by=bearer(token))
    assert pushed.status in (401, 403), pushed.text


@pytest.mark.parametrize("odd", [None, "1", -1, 2**70, [1], {}, True, 1.5], ids=repr)
@pytest.mark.parametrize("name", ["uid", "tid", "cred"])
def test_other_claims_of_an_odd_shape_break_nothing(world: World, name: str, odd: object) -> None:
    token = signed(claims(**{name: odd}))
    for target in (MANIFEST, "/v2/", "/v2/_catalog"):
        assert ask(token, target).status in (200, 401, 404)
    pushed = send("POST", f"/v2/{APP}/blobs/uploads/", by=bearer(token))
    assert pushed.status in (202, 401), pushed.text


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json", b"null", b"[]", b"1", b'"text"', b"{}", b"\xff\xfe", b"[" * 3000, b"{" * 9],
    ids=lambda value: repr(value)[:20],
)
def test_claims_that_are_no_object_are_refused(world: World, payload: bytes) -> None:
    assert_refused(signed(payload))


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "...",
        "....",
        "a.b.c",
        "=.=.=",
        "\N{SNOWMAN}.b.c",
        part(b"[" * 3000) + "..",
        part(b"null") + "..",
        part([]) + ".e30.e30",
        "e30.e30.e30",
        "e30.e30.e30.e30.e30",  # the five parts of an encrypted token
        part({"alg": "dir", "enc": "A128GCM"}) + ".e30.e30.e30.e30",
        part({"alg": "ES256", "b64": False, "crit": ["b64"]}) + ".e30.e30",
        "berth_pat_" + "0" * 32,
        "berth_pat_" + "0" * 31,
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_is_no_token_at_all_is_refused(world: World, text: str) -> None:
    latin = text.encode().decode("latin-1")
    assert_refused(latin)


def test_a_token_of_nine_thousand_characters_is_not_even_verified(world: World) -> None:
    long = signed(claims(padding="x" * 6700))
    assert len(long) > 9000
    assert_refused(long)


def test_a_genuine_token_says_nothing_in_basic_credentials(world: World) -> None:
    token = token_for(f"repository:{APP}:pull", by=world.by("owner"))
    for name in ("owner", "", "Bearer", "oauth2accesstoken"):
        pair = base64.b64encode(f"{name}:{token}".encode()).decode()
        assert send("GET", MANIFEST, by=f"Basic {pair}").status == 401


def test_a_key_that_is_retired_at_once_takes_its_tokens_along(world: World) -> None:
    """Also those that were seen already, and those that whoever stole the key dated far ahead."""
    stolen = signed(claims(exp=int(time.time()) + 10**9))
    assert ask(stolen).status == 200
    signing.rotate(now=True)
    assert_refused(stolen)


def test_a_key_of_another_installation_signs_nothing_here(world: World) -> None:
    key = attackers_key()
    thumb = base64.b32encode(hashlib.sha256(b"elsewhere").digest()[:30]).decode()
    other = ":".join(thumb[i : i + 4] for i in range(0, len(thumb), 4))
    assert_refused(signed(claims(), key, kid=other))
    assert_refused(signed(claims(), key))
