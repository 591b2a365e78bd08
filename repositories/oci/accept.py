"""Content negotiation of manifests: RFC 9110, section 12.5.1."""

import re

# Enough for every client there is; what comes behind is not looked at.
MAX_RANGES = 100
_Q = re.compile(r"[qQ]\s*=\s*([01](?:\.[0-9]{0,3})?)\s*", re.ASCII)


def accepts(header: str | None, media_type: str) -> bool:
    """Whether an `Accept` header lets `media_type` be served.

    No header, or an empty one, means anything goes; the most specific range that matches decides.
    """
    if header is None or not header.strip():
        return True
    main_type = media_type.partition("/")[0] + "/*"
    best_rank, best_q = 0, 0.0
    for item in header.split(",", MAX_RANGES)[:MAX_RANGES]:
        name, *parameters = item.split(";")
        rank = {"*/*": 1, main_type: 2, media_type: 3}.get(name.strip().lower(), 0)
        if rank > best_rank:
            best_rank, best_q = rank, _quality(parameters)
        elif rank and rank == best_rank:
            best_q = max(best_q, _quality(parameters))
    return best_q > 0


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        match = _Q.fullmatch(parameter.strip())
        if match:
            return float(match[1])
    return 1.0
