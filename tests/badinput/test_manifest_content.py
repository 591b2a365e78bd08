"""Manifests that are JSON and still no manifests: wrong types, sizes, digests, references."""

from __future__ import annotations

from typing import Any

from tests.badinput.bench import Bench
from tests.badinput.corpus import (
    ABSENT,
    CANARY_IMAGE,
    CONFIG,
    GOOD,
    LAWFUL,
    LAYER,
    OCI_CONFIG,
    OCI_IMAGE,
    OCI_INDEX,
    OCI_LAYER,
    PRIVATE,
    REFUSED,
    Case,
    descriptor,
    encode,
    image,
    index,
    sha256,
)

DOCKER_IMAGE = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
FOREIGN = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
LAYER_REF = descriptor(LAYER, OCI_LAYER)
CONFIG_REF = descriptor(CONFIG, OCI_CONFIG)
HEX = "0123456789abcdef" * 4

BAD_SIZES: dict[str, Any] = {
    "minus-1": -1,
    "2^63": 2**63,
    "2^64": 2**64,
    "10^30": 10**30,
    "string": "78",
    "float": 78.0,
    "fraction": 78.5,
    "true": True,
    "false": False,
    "null": None,
    "missing": ...,
    "list": [78],
    "object": {},
    "-2^63": -(2**63),
}
BAD_DIGESTS: dict[str, Any] = {
    "missing": ...,
    "null": None,
    "integer": 1,
    "list": [sha256(LAYER)],
    "object": {},
    "empty": "",
    "word": "latest",
    "no-algorithm": HEX,
    "upper-case": f"sha256:{HEX.upper()}",
    "63-digits": f"sha256:{HEX[:-1]}",
    "65-digits": f"sha256:{HEX}0",
    "md5": f"md5:{HEX[:32]}",
    "newline": f"sha256:{HEX}\n",
    "nul": f"sha256:{HEX[:63]}\0",
    "traversal": "sha256:../../../../etc/passwd",
    "arabic-digits": "sha256:" + "\u0661" * 64,
    "3000-characters": "sha256:" + "0" * 3000,
}
BAD_TYPES: dict[str, Any] = {"null": None, "integer": 1, "list": [OCI_LAYER], "object": {}}
NOT_OBJECTS: dict[str, Any] = {
    "null": None,
    "string": "x",
    "integer": 1,
    "list": [],
    "true": True,
    "empty": {},
}
NOT_LISTS: dict[str, Any] = {
    "string": "x",
    "integer": 0,
    "object": {},
    "descriptor": LAYER_REF,
    "true": True,
    "missing": ...,
}


def changed(reference: dict[str, Any], **changes: Any) -> dict[str, Any]:
    merged = {**reference, **changes}
    return {key: value for key, value in merged.items() if value is not ...}


def put(
    key: str,
    body: bytes,
    media_type: str | None = OCI_IMAGE,
    *,
    status: int | tuple[int, ...] = 400,
    code: str = "MANIFEST_INVALID",
    reference: str = "content",
    message_has: str = "",
) -> Case:
    statuses = status if isinstance(status, tuple) else (status,)
    repository = LAWFUL if 201 in statuses else REFUSED
    return Case(
        id=f"manifest/{key}",
        method="PUT",
        target=f"/v2/{repository}/manifests/{reference}",
        headers=() if media_type is None else (("Content-Type", media_type),),
        body=body,
        status=status,
        code=code,
        message_has=message_has,
        publishes=(sha256(body),) if 201 in statuses else (),
    )


def holding(place: str, **changes: Any) -> bytes:
    """The good image with something wrong in one of its descriptors."""
    if place == "layer":
        return image(layers=[LAYER_REF, changed(LAYER_REF, **changes)])
    reference = CONFIG_REF if place == "config" else descriptor(GOOD, OCI_IMAGE)
    return image(**{place: changed(reference, **changes)})


DESCRIPTORS = (
    *(
        put(f"{place}-{field}/{key}", holding(place, **{field: value}))
        for place in ("config", "layer", "subject")
        for field, bad in (
            ("size", BAD_SIZES),
            ("digest", BAD_DIGESTS),
            ("mediaType", BAD_TYPES),
        )
        for key, value in bad.items()
    ),
    *(
        put(
            f"child-{field}/{key}",
            index(manifests=[changed(descriptor(GOOD, OCI_IMAGE), **{field: value})]),
            OCI_INDEX,
        )
        for field, bad in (
            ("size", BAD_SIZES),
            ("digest", BAD_DIGESTS),
            ("mediaType", BAD_TYPES),
            ("platform", {"string": "linux", "list": [], "integer": 1}),
        )
        for key, value in bad.items()
    ),
    *(
        put(f"{field}-is/{key}", image(**{field: value}))
        for field in ("config", "subject")
        for key, value in NOT_OBJECTS.items()
    ),
    *(put(f"a-layer-is/{key}", image(layers=[value])) for key, value in NOT_OBJECTS.items()),
    *(
        put(f"a-child-is/{key}", index(manifests=[value]), OCI_INDEX)
        for key, value in NOT_OBJECTS.items()
    ),
    *(put(f"layers-is/{key}", image(layers=value)) for key, value in NOT_LISTS.items()),
    *(
        put(f"manifests-is/{key}", index(manifests=value), OCI_INDEX)
        for key, value in NOT_LISTS.items()
    ),
    put("config-is/missing", image(config=...)),
)
SHAPES = (
    *(
        put(f"schemaVersion-is/{key}", image(schemaVersion=value))
        for key, value in {
            "missing": ...,
            "0": 0,
            "1": 1,
            "3": 3,
            "string": "2",
            "true": True,
            "float": 2.0,
            "null": None,
            "list": [2],
            "2^64": 2**64,
        }.items()
    ),
    *(
        put(f"mediaType-is/{key}", image(mediaType=value))
        for key, value in {
            "integer": 1,
            "list": [OCI_IMAGE],
            "object": {},
            "true": True,
            "empty": "",
            "index": OCI_INDEX,
            "docker": DOCKER_IMAGE,
            "upper-case": OCI_IMAGE.upper(),
            "with-parameter": f"{OCI_IMAGE}; charset=utf-8",
            "with-space": f" {OCI_IMAGE}",
            "with-nul": f"{OCI_IMAGE}\0",
            "unknown": "application/vnd.example+json",
        }.items()
    ),
    *(
        put(f"annotations-is/{key}", image(annotations=value))
        for key, value in {
            "string": "x",
            "list": ["a"],
            "integer": 1,
            "true": True,
            "empty-list": [],
            "empty-string": "",
            "zero": 0,
            "false": False,
            "value-integer": {"a": 1},
            "value-null": {"a": None},
            "value-list": {"a": []},
            "value-object": {"a": {}},
            "value-true": {"a": True},
        }.items()
    ),
    *(
        put(f"artifactType-is/{key}", image(artifactType=value))
        for key, value in {
            "integer": 1,
            "list": ["a/b"],
            "object": {},
            "no-slash": "example",
            "newline": "a/b\n",
            "non-ascii": "a/\u0431",
            "3000-characters": "a/" + "b" * 3000,
        }.items()
    ),
    put("both/image-with-manifests", image(manifests=[])),
    put("both/image-with-children", image(manifests=[descriptor(GOOD, OCI_IMAGE)])),
    put("both/index-with-layers", index(GOOD, layers=[]), OCI_INDEX),
    put("both/index-with-config", index(GOOD, config=CONFIG_REF), OCI_INDEX),
    put("both/index-with-everything", index(GOOD, config=CONFIG_REF, layers=[]), OCI_INDEX),
    put("both/no-type-inside", image(mediaType=..., manifests=[])),
    put("schema-1", encode({"schemaVersion": 1, "fsLayers": [], "history": []}), SCHEMA_1),
    put("schema-1-layers", image(fsLayers=[])),
    put("1001-layers", image(layers=[LAYER_REF] * 1001)),
    put("10000-layers", image(layers=[LAYER_REF] * 10_000)),
    put("100000-layers", image(layers=[{}] * 100_000)),
    put("1001-children", index(manifests=[descriptor(GOOD, OCI_IMAGE)] * 1001), OCI_INDEX),
)
CONTENT_TYPES = (
    *(
        put(f"sent-as/{key}", GOOD, media_type)
        for key, media_type in {
            "html": "text/html",
            "plain": "text/plain",
            "form": "application/x-www-form-urlencoded",
            "multipart": "multipart/form-data; boundary=x",
            "index": OCI_INDEX,
            "docker": DOCKER_IMAGE,
            "docker-list": DOCKER_LIST,
            "schema-1": SCHEMA_1,
            "config": OCI_CONFIG,
            "star": "*/*",
            "two": f"{OCI_IMAGE}, {OCI_INDEX}",
            "non-ascii": "application/\xe9",
            "3000-characters": "a/" + "b" * 3000,
        }.items()
    ),
    put("no-type-anywhere", image(mediaType=...), None),
    put("no-type-inside/sent-as-json", image(mediaType=...), "application/json"),
    put("no-type-inside/index-as-image", index(GOOD, mediaType=...), OCI_IMAGE),
    put("no-type-inside/image-as-index", image(mediaType=...), OCI_INDEX),
    # The specification has registries ignore parameters.
    put("sent-with-charset", GOOD, f"{OCI_IMAGE}; charset=utf-8", status=201),
    put("sent-in-upper-case", GOOD, OCI_IMAGE.upper(), status=201),
    put("sent-without-type", GOOD, None, status=(201, 400)),
    put("sent-as-semicolons", GOOD, ";;;", status=(201, 400)),
    put("no-type-inside", image(mediaType=...), status=201),
)
MISSING = (
    *(
        put(f"missing/{key}", body, status=404, code="MANIFEST_BLOB_UNKNOWN", message_has="sha256:")
        for key, body in {
            "config": image(config=descriptor(b"no such config", OCI_CONFIG)),
            "layer": image(layers=[descriptor(b"no such layer", OCI_LAYER)]),
            "second-layer": image(layers=[LAYER_REF, descriptor(b"no such layer", OCI_LAYER)]),
            "layer-of-another-repository": image(layers=[descriptor(PRIVATE, OCI_LAYER)]),
            "config-of-another-repository": image(config=descriptor(PRIVATE, OCI_CONFIG)),
        }.items()
    ),
    put(
        "missing/sha512-layer",
        image(layers=[{**LAYER_REF, "digest": f"sha512:{HEX}{HEX}"}]),
        status=404,
        code="MANIFEST_BLOB_UNKNOWN",
        message_has="sha512:",
    ),
)


def chain(length: int) -> list[bytes]:
    """Indexes that each hold the one before."""
    links = [index(GOOD)]
    while len(links) < length:
        links.append(index(manifests=[descriptor(links[-1], OCI_INDEX)]))
    return links


SUBJECT = descriptor(CANARY_IMAGE, OCI_IMAGE)
UNPUSHED = {**SUBJECT, "digest": ABSENT}
ODD = (
    put("lawful/1000-layers", image(layers=[LAYER_REF] * 1000), status=201),
    put("lawful/no-layers", image(layers=[]), status=201),
    # What Go writes for a list that was never made.
    put("lawful/layers-null", image(layers=None), status=(201, 400)),
    put("lawful/manifests-null", index(manifests=None), OCI_INDEX, status=(201, 400)),
    put("lawful/no-children", index(), OCI_INDEX, status=201),
    put("lawful/sparse-index", index(manifests=[UNPUSHED]), OCI_INDEX, status=201),
    put("lawful/subject-unknown", image(subject=UNPUSHED), status=201),
    put("lawful/subject-of-another-repository", image(subject=SUBJECT), status=201),
    put(
        "lawful/foreign-layer",
        image(layers=[{**descriptor(b"elsewhere", FOREIGN), "urls": ["http://192.0.2.1/"]}]),
        status=201,
    ),
    put("lawful/annotations-null", image(annotations=None), status=(201, 400)),
    put("lawful/size-of-another", image(layers=[{**LAYER_REF, "size": 1}]), status=(201, 400)),
    put("lawful/type-of-another", image(layers=[{**LAYER_REF, "mediaType": "a/b"}]), status=201),
    put("lawful/layer-is-config", image(layers=[CONFIG_REF]), status=201),
    put("lawful/by-digest", GOOD, status=201, reference=sha256(GOOD)),
    *(
        put(f"lawful/nested-{depth}", body, OCI_INDEX, status=201)
        for depth, body in enumerate(chain(20), start=1)
    ),
)
CASES = (*DESCRIPTORS, *SHAPES, *CONTENT_TYPES, *MISSING, *ODD)


def test_case(case: Case, bench: Bench) -> None:
    bench.check(case)


def test_nothing_was_harmed(bench: Bench) -> None:
    bench.assert_unharmed()
