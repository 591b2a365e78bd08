"""What Schemathesis is told about Berth, beyond the schema."""

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

# As `api.v1.errors` has it; Django is not set up in Schemathesis' process.
REFUSED = "urn:problem-type:berth:refused"
# What `test_schemathesis.WORLD` made, so that not every request ends with "no such team".
KNOWN: Mapping[str, tuple[str | int, ...]] = {
    "team": ("payments",),
    "robot": ("robot-payments-ci",),
    "user": ("guest", "operator"),
    "repository": ("payments/app",),
    "rule": (1,),
    "tag": ("v1",),
    "reference": ("v1",),
    "digest": (f"sha256:{hashlib.sha256(b'layer').hexdigest()}",),
}
# How long `proxy` may be asked to wait.
SECONDS = frozenset(str(number) for number in range(1, 121))
_random = random.Random(0)


@schemathesis.hook
def filter_query(context: Any, query: Any) -> bool:
    """Whether the server takes an address so long at all; what it says of longer ones (414) is
    tested elsewhere."""
    return not isinstance(query, Mapping) or len(urlencode(query, doseq=True)) < 4_000


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """Name what there is, mostly; and come from another address each time.

    The checks try wrong credentials at every operation: from one address they would soon be told
    to wait, which is tested elsewhere. Loopback is a trusted proxy.
    """
    if isinstance(case.body, dict):
        # Whatever came after it would be refused.
        for name in {"enabled", "is_archived"} & case.body.keys():
            case.body[name] = False if case.body[name] is True else case.body[name]
    if isinstance(case.query, dict) and str(case.query.get("wait")) in SECONDS:
        case.query["wait"] = "1"  # it would take so long
    address = f"198.51.{_random.randrange(256)}.{_random.randrange(256)}"
    case.headers["X-Forwarded-For"] = address
    is_valid = case.meta is not None and case.meta.generation.mode.is_positive
    if not is_valid or case.method == "DELETE" or _random.random() < 0.25:
        return
    for name in case.path_parameters:
        if name in KNOWN:
            case.path_parameters[name] = _random.choice(KNOWN[name])


@schemathesis.check
def accepts_what_the_schema_allows(ctx: Any, response: Any, case: Any) -> bool | None:
    """As `positive_data_acceptance`, which knows nothing of rules that no schema can state.

    A name that is taken, a password that is too weak: 400 as well, but of the type for that.
    """
    if response.status_code == 400 and json.loads(response.content)["type"] == REFUSED:
        return None
    result: bool | None = positive_data_acceptance(ctx, response, case)
    return result
