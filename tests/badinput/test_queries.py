"""Queries: numbers that are none, positions that name nothing, percent signs that break."""

from __future__ import annotations

from tests.badinput.bench import Bench
from tests.badinput.corpus import CANARY, CANARY_IMAGE, LAYER, Case, sha256

LISTS = {"catalog": "/v2/_catalog", "tags": f"/v2/{CANARY}/tags/list"}
REFERRERS = f"/v2/{CANARY}/referrers/{sha256(CANARY_IMAGE)}"
NO_NUMBER = {
    "minus": "-1",
    "minus-0": "-0",
    "plus": "%2b5",
    "underscore": "1_000",
    "arabic-digits": "%d9%a1%d9%a2",
    "full-width": "%ef%bc%95",
    "superscript": "%c2%b2",
    "roman": "%e2%85%a4",
    "float": "1.5",
    "float-0": "1.0",
    "exponent": "1e3",
    "hex": "0x10",
    "word": "abc",
    "nan": "NaN",
    "infinity": "Infinity",
    "true": "true",
    "null": "null",
    "nul": "%00",
    "nul-behind": "5%00",
    "newline-behind": "5%0a",
    "newline": "%0a",
    "space-before": "%205",
    "space-behind": "5%20",
    "space-by-plus": "+5",
    "tab": "%095",
    "letters-behind": "5x",
    "comma": "5,6",
    "quote": "5'",
    "list": "[5]",
    "negative-huge": "-" + "9" * 100,
}
# `n` is an upper bound: what is huge is cut to what the server gives at most.
HUGE = {
    "1001": "1001",
    "2^31": str(2**31),
    "2^63": str(2**63),
    "10^18": str(10**18),
}
# No number of entries any more, so that this may be said as well.
ABSURD = {
    "2^64": str(2**64),
    "10^100": str(10**100),
    "3000-digits": "9" * 3000,
    "leading-zeros": "0" * 100 + "5",
}
# `last` is a position in byte order, whatever it is.
POSITIONS = {
    "unknown": "nosuch",
    "empty": "",
    "upper-case": "ZZZ",
    "space": "%20",
    "tilde": "~",
    "traversal": "../../etc/passwd",
    "slash": "/",
    "percent": "%25",
    "underscore": "_",
    "like": "%25_%25",
    "quote": "'",
    "sql": "'%3b%20DROP%20TABLE%20x%3b--",
    "backslash": "%5c",
    "markup": "%3cscript%3e",
    "newline": "v1%0a",
    "link-injection": "v1%0d%0aX-Evil:%201",
    "comma": "a%3e;%20rel=%22next%22",
    "cyrillic": "%d0%b0",
    "astral": "%f0%9f%90%b3",
    "right-to-left": "%e2%80%ae",
    "digest": sha256(LAYER),
    "3000-characters": "a" * 3000,
    "900-astral": "%f0%9f%90%b3" * 300,
}
# Neither PostgreSQL nor a name can hold these: a position all the same, or a clear refusal.
BYTES = {
    "nul": "%00",
    "nul-behind": "v1%00",
    "not-utf-8": "%ff",
    "overlong": "%c0%af",
    "surrogate": "%ed%a0%80",
    "cut-sequence": "%e2%82",
}
LONG = "x" * 3000
# A query that has NUL or is not UTF-8 may be refused as a whole.
N_CODES = ("PAGINATION_NUMBER_INVALID", ("PAGINATION_NUMBER_INVALID", "UNSUPPORTED"))


def get(
    key: str,
    target: str,
    status: int | tuple[int, ...] = 200,
    *,
    code: str | tuple[str, ...] = "",
    body: bytes | None = None,
) -> Case:
    return Case(id=f"queries/{key}", target=target, status=status, code=code, answer_body=body)


CASES = (
    *(
        get(f"n/{name}/{key}", f"{path}?n={value}", 400, code=N_CODES["nul" in key.split("-")])
        for name, path in LISTS.items()
        for key, value in NO_NUMBER.items()
    ),
    *(
        get(f"n-huge/{name}/{key}", f"{path}?n={value}")
        for name, path in LISTS.items()
        for key, value in HUGE.items()
    ),
    *(
        get(
            f"n-absurd/{name}/{key}",
            f"{path}?n={value}",
            (200, 400),
            code="PAGINATION_NUMBER_INVALID",
        )
        for name, path in LISTS.items()
        for key, value in ABSURD.items()
    ),
    *(
        get(f"n-odd/{name}/{key}", f"{path}?{query}", (200, 400))
        for name, path in LISTS.items()
        for key, query in {
            "empty": "n=",
            "no-value": "n",
            "twice": "n=1&n=2",
            "twice-one-bad": "n=1&n=x",
        }.items()
    ),
    *(
        get(f"last/{name}/{key}", f"{path}?last={value}")
        for name, path in LISTS.items()
        for key, value in POSITIONS.items()
    ),
    *(
        get(f"last-with-n/{name}/{key}", f"{path}?n=1&last={value}")
        for name, path in LISTS.items()
        for key, value in POSITIONS.items()
        if key in {"link-injection", "comma", "markup", "quote", "newline", "astral"}
    ),
    *(
        get(f"last-bytes/{name}/{key}", f"{path}?last={value}", (200, 400))
        for name, path in LISTS.items()
        for key, value in BYTES.items()
    ),
    get("n-0/catalog", "/v2/_catalog?n=0", body=b'{"repositories":[]}'),
    get("n-0/tags", f"{LISTS['tags']}?n=0", body=f'{{"name":"{CANARY}","tags":[]}}'.encode()),
    get("n-00/tags", f"{LISTS['tags']}?n=00"),
    *(
        get(f"artifact-type/{key}", f"{REFERRERS}?artifactType={value}", status)
        for key, value, status in (
            ("unknown", "a/b", 200),
            ("empty", "", 200),
            ("word", "nosuch", 200),
            ("3000-characters", LONG, 200),
            ("traversal", "../../etc", 200),
            ("quote", "'", 200),
            ("markup", "%3cscript%3e", 200),
            ("newline", "a/b%0d%0aX-Evil:%201", 200),
            ("cyrillic", "%d0%b0/%d0%b0", 200),
            ("nul", "%00", (200, 400)),
            ("not-utf-8", "%ff", (200, 400)),
            ("surrogate", "%ed%a0%80", (200, 400)),
        )
    ),
    get("artifact-type/twice", f"{REFERRERS}?artifactType=a/b&artifactType=c/d", (200, 400)),
    *(
        get(f"syntax/{key}", f"{LISTS['tags']}?{query}", status)
        for key, query, status in (
            ("empty", "", 200),
            ("ampersands", "&&&&", 200),
            ("equals", "====", 200),
            ("unknown", "nosuch=1", 200),
            ("unknown-3000-characters", f"x={LONG}", 200),
            ("key-of-3000-characters", f"{LONG}=x", 200),
            ("question-marks", "???", 200),
            ("semicolons", ";;n=x;", 200),
            ("brackets", "n[]=x&n[a]=x", 200),
            ("upper-case-key", "N=x", 200),
            ("encoded-key", "%6e=x", 400),
            ("broken-percent", "x=%zz", (200, 400)),
            ("half-percent", "x=%", (200, 400)),
            ("key-not-utf-8", "%ff=1", (200, 400)),
            ("key-nul", "%00=1", (200, 400)),
            ("1000-parameters", "&".join(f"p{n}" for n in range(700)), (200, 400)),
            ("2000-ampersands", "&" * 2000, (200, 400)),
            ("method-override", "_method=DELETE", 200),
            ("format", "format=html", 200),
        )
    ),
    get("base/query", "/v2/?n=x"),
    get("blob/query", f"/v2/{CANARY}/blobs/{sha256(LAYER)}?digest=x&n=x", body=LAYER),
    get("manifest/ns", f"/v2/{CANARY}/manifests/v1?ns=docker.io", body=CANARY_IMAGE),
    get("manifest/fragment", f"/v2/{CANARY}/manifests/v1#x", body=CANARY_IMAGE),
    Case(
        id="queries/10000-characters",
        target=f"/v2/_catalog?last={'a' * 10_000}",
        status=414,
        by_server=True,
    ),
    Case(
        id="queries/100000-characters",
        target=f"/v2/_catalog?last={'a' * 100_000}",
        status=414,
        by_server=True,
    ),
)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
