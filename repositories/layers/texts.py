"""What people are told about layers that cannot be listed, or not as a whole."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from repositories.layers import limits
from repositories.layers.kinds import LayerKind
from repositories.layers.limits import MIB, Problem


def refusal(kind: LayerKind) -> str:
    """Why a layer is not looked into at all; empty if it is."""
    if kind is LayerKind.ENCRYPTED:
        return _("This layer is encrypted. Only who has the key can read it: pull and decrypt it.")
    if kind is LayerKind.FOREIGN:
        return _(
            "This layer is not distributable: its bytes are not stored here, clients get them from "
            "the addresses that the manifest gives."
        )
    return ""


def problem(summary: Mapping[str, Any]) -> str:
    """Why a listing is not the whole layer or image; empty if it is. Of every listing's summary."""
    code = Problem(summary["problem"])
    if code is Problem.NONE:
        return ""
    values = {
        "entries": summary["entries"],
        "at": summary.get("at", 0),
        "output": limits.MAX_OUTPUT // MIB,
        "seconds": limits.CPU_SECONDS,
        "memory": limits.MAX_MEMORY // MIB,
        "window": limits.MAX_WINDOW // MIB,
        "layers": summary.get("layers", 0),
    }
    return _texts()[code] % values


def _texts() -> Mapping[Problem, str]:
    return {
        Problem.ENTRIES: _(
            "There is more than is listed: these are the first %(entries)d entries, which is the "
            "limit. Pull the image to see the rest."
        ),
        Problem.OUTPUT: _(
            "There is more than is listed: these are the entries of the first %(output)d MiB of "
            "uncompressed content, which is the limit. Pull the image to see the rest."
        ),
        Problem.CPU: _(
            "There is more than is listed: these are the entries that %(seconds)d seconds of "
            "computing could read, which is the limit. Pull the image to see the rest."
        ),
        Problem.MEMORY: _(
            "There is more than is listed: reading on would take over %(memory)d MiB of memory, "
            "which is the limit. Pull the image to see the rest."
        ),
        Problem.NAMES: _(
            "There is more than is listed: the names alone are larger than the limit. Pull the "
            "image to see the rest."
        ),
        Problem.LAYERS: _(
            "There is more than is listed: this is the tree of the lowest %(layers)d layers, which "
            "is the limit. Look at the others one by one."
        ),
        Problem.WINDOW: _(
            "This layer cannot be read: decompressing it takes a zstd window over the limit of "
            "%(window)d MiB. Push it without --long or --ultra."
        ),
        Problem.NOT_TAR: _(
            "This is no layer: what is in it is not a tar archive, compressed with gzip or zstd or "
            "not at all."
        ),
        Problem.COMPRESSION: _(
            "The rest cannot be read: the compressed data is damaged, or of a kind other than gzip "
            "and zstd. Build and push the layer again."
        ),
        Problem.TRUNCATED: _(
            "The rest cannot be read: the archive ends too soon, at byte %(at)d. Build and push "
            "the layer again."
        ),
        Problem.CHECKSUM: _(
            "The rest cannot be read: the archive is damaged before byte %(at)d, a header has the "
            "wrong checksum. Build and push the layer again."
        ),
        Problem.NUMBER: _(
            "The rest cannot be read: the archive is damaged before byte %(at)d, a size is no "
            "number, negative or too large. Build and push the layer again."
        ),
        Problem.EXTENDED_HEADER: _(
            "The rest cannot be read: the archive is damaged before byte %(at)d, an extended "
            "header is malformed, or there are too many. Build and push the layer again."
        ),
        Problem.EXTENDED_SIZE: _(
            "The rest cannot be read: the extended header at byte %(at)d is larger than 1 MiB, "
            "which is the limit. Build and push the layer again."
        ),
    }
