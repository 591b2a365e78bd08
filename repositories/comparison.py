"""Two images beside each other: what the second has that the first has not, and the other way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from repositories.images import Found, Image, Layer, find, measured, platform_of
from repositories.manifest_trees import Target, Trees
from repositories.oci.errors import ManifestUnknown
from repositories.oci.image import ImageConfig, Pairs


@dataclass(frozen=True, slots=True)
class Change:
    """A value that differs: of the environment or the labels by its name. None: there is none."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class ListChange:
    """A list that differs: the entrypoint, the command, the exposed ports, the volumes."""

    before: tuple[str, ...]
    after: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How `after` differs from `before`. Sizes in bytes; None where two lists are equal.

    Layers are the same by their digests. Shared and added ones are in the order of `after`, removed
    ones in that of `before`.
    """

    before: Image
    after: Image
    size_difference: int
    shared: tuple[Layer, ...]
    added: tuple[Layer, ...]
    removed: tuple[Layer, ...]
    env: tuple[Change, ...]
    labels: tuple[Change, ...]
    settings: tuple[Change, ...]
    entrypoint: ListChange | None
    cmd: ListChange | None
    exposed_ports: ListChange | None
    volumes: ListChange | None


def compare(
    *,
    before: Target,
    after: Target,
    platform: str = "",
) -> Comparison:
    """Compare two images, each by its repository and a tag or digest.

    Both for the same platform: the one that is asked for, or else the one that the first is for, if
    the second has it. The caller was allowed to read both repositories. Raises ManifestUnknown.
    Seven queries at most.
    """
    trees = Trees(before, after)
    one = find(trees=trees, target=before, platform=platform)
    _require_image(one, before)
    other = _alike(trees, after, platform, str(platform_of(one)))
    _require_image(other, after)
    return _compared(*measured(one, other))


def _compared(first: Image, second: Image) -> Comparison:
    shared = {layer.digest for layer in first.layers} & {layer.digest for layer in second.layers}
    one, other = first.config, second.config
    return Comparison(
        before=first,
        after=second,
        size_difference=second.size - first.size,
        shared=tuple(layer for layer in second.layers if layer.digest in shared),
        added=tuple(layer for layer in second.layers if layer.digest not in shared),
        removed=tuple(layer for layer in first.layers if layer.digest not in shared),
        env=_changes(_pairs(one, "env"), _pairs(other, "env")),
        labels=_changes(_pairs(one, "labels"), _pairs(other, "labels")),
        settings=_changes(_settings(one), _settings(other)),
        entrypoint=_list_change(one, other, "entrypoint"),
        cmd=_list_change(one, other, "cmd"),
        exposed_ports=_list_change(one, other, "exposed_ports"),
        volumes=_list_change(one, other, "volumes"),
    )


def _alike(trees: Trees, target: Target, platform: str, alike: str) -> Found:
    if not platform and alike:
        try:
            return find(trees=trees, target=target, platform=alike)
        except ManifestUnknown:
            pass  # not for that platform, or not at all: which of the two shows below
    return find(trees=trees, target=target, platform=platform)


def _require_image(found: Found, target: Target) -> None:
    if not found.is_image:
        raise ManifestUnknown(
            "there is no image behind this reference", detail={"reference": target[1]}
        )


def _pairs(config: ImageConfig | None, name: str) -> Mapping[str, str]:
    pairs: Pairs = getattr(config, name, ())
    return dict(pairs)


def _settings(config: ImageConfig | None) -> Mapping[str, str]:
    if config is None:
        return {}
    found = {
        "user": config.user,
        "working_dir": config.working_dir,
        "stop_signal": config.stop_signal,
        "platform": str(config.platform),
    }
    return {name: value for name, value in found.items() if value}


def _changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Change, ...]:
    names = sorted(before.keys() | after.keys())
    changes = (Change(name, before.get(name), after.get(name)) for name in names)
    return tuple(change for change in changes if change.before != change.after)


def _list_change(
    one: ImageConfig | None, other: ImageConfig | None, name: str
) -> ListChange | None:
    before: Sequence[str] = getattr(one, name, ())
    after: Sequence[str] = getattr(other, name, ())
    return None if before == after else ListChange(tuple(before), tuple(after))
