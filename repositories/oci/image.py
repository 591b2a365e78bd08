"""Image configs: image-spec, "OCI Image Configuration", and Docker's v1 config before it.

A config is content like any other until somebody looks at it: nothing was checked at the push. What
has another type than it should is skipped, and what is too long is cut.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from repositories.oci import json_strict
from repositories.oci.dockerfile import instruction
from repositories.oci.platforms import Platform
from repositories.oci.texts import cut

MAX_BYTES = 1024 * 1024
MAX_HISTORY = 200
# Of environment, labels, arguments, ports and volumes, each.
MAX_ENTRIES = 500

_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)

Pairs = tuple[tuple[str, str], ...]
Texts = tuple[str, ...]


class InvalidImageConfig(ValueError):
    """The bytes are no image config; the text says why."""


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How a container is found healthy. Durations are in seconds; 0 means the default."""

    test: Texts
    interval: float = 0
    timeout: float = 0
    start_period: float = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class HistoryRow:
    """One step of the build. `layer` is the position of the layer that it made, if it made one.

    `instruction` is `created_by` as one would write it in a Dockerfile.
    """

    created_by: str
    instruction: str
    comment: str
    empty_layer: bool
    created: datetime | None
    layer: int | None


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an image says of itself. `was_cut`: some text or list was longer than what is kept.

    `history_layers` is how many layers the history tells of, those of rows beyond MAX_HISTORY too.
    """

    platform: Platform
    created: datetime | None
    author: str
    entrypoint: Texts
    cmd: Texts
    env: Pairs
    working_dir: str
    user: str
    exposed_ports: Texts
    volumes: Texts
    labels: Pairs
    stop_signal: str
    healthcheck: Healthcheck | None
    history: tuple[HistoryRow, ...]
    history_layers: int
    was_cut: bool

    def history_of(self, layers: int) -> tuple[HistoryRow, ...]:
        """The history, for an image of so many layers.

        Nothing else ties a row to its layer than counting both: when the numbers differ (a squashed
        image, a builder that writes down a part), no row names a layer.
        """
        if layers == self.history_layers:
            return self.history
        return tuple(replace(row, layer=None) for row in self.history)


def parse(payload: bytes) -> ImageConfig:
    """What an image config says. Raises InvalidImageConfig."""
    if len(payload) > MAX_BYTES:
        raise InvalidImageConfig(f"it is larger than {MAX_BYTES} bytes")
    try:
        document = json_strict.loads(payload)
    except json_strict.StrictJSONError as error:
        raise InvalidImageConfig(str(error)) from error
    if not isinstance(document, dict):
        raise InvalidImageConfig("it is not a JSON object")
    return _Reader().config(document)


class _Reader:
    """Takes texts and lists out of a document, and remembers whether it had to cut."""

    def __init__(self) -> None:
        self.was_cut = False

    def config(self, document: Mapping[str, object]) -> ImageConfig:
        run = _object(document.get("config"))
        rows = _list(document.get("history"))
        return ImageConfig(
            platform=Platform.of(document),
            created=_moment(document.get("created")),
            author=self.text(document.get("author")),
            entrypoint=self.texts(run.get("Entrypoint")),
            cmd=self.texts(run.get("Cmd")),
            env=self.env(run.get("Env")),
            working_dir=self.text(run.get("WorkingDir")),
            user=self.text(run.get("User")),
            exposed_ports=self.keys(run.get("ExposedPorts")),
            volumes=self.keys(run.get("Volumes")),
            labels=self.labels(run.get("Labels")),
            stop_signal=self.text(run.get("StopSignal")),
            healthcheck=self.healthcheck(_object(run.get("Healthcheck"))),
            history=tuple(self.history(rows)),
            history_layers=sum(not _is_empty(row) for row in rows),
            was_cut=self.was_cut,  # the last: arguments are evaluated in their order
        )

    def text(self, value: object) -> str:
        if not isinstance(value, str):
            return ""
        text = cut(value)
        self.was_cut = self.was_cut or text is not value
        return text

    def some(self, values: Iterable[object], most: int = MAX_ENTRIES) -> Iterator[object]:
        for number, value in enumerate(values):
            if number == most:
                self.was_cut = True
                return
            yield value

    def texts(self, value: object) -> Texts:
        if isinstance(value, str):  # Docker's shell form, as old builders wrote it
            return (self.text(value),)
        return tuple(self.text(item) for item in self.some(_list(value)) if isinstance(item, str))

    def keys(self, value: object) -> Texts:
        return tuple(self.text(key) for key in self.some(_object(value)))

    def env(self, value: object) -> Pairs:
        pairs = (text.partition("=") for text in self.texts(_list(value)))
        return tuple((name, content) for name, _, content in pairs)

    def labels(self, value: object) -> Pairs:
        labels = _object(value)
        keys = (key for key, content in labels.items() if isinstance(content, str))
        return tuple((self.text(key), self.text(labels[str(key)])) for key in self.some(keys))

    def healthcheck(self, value: Mapping[str, object]) -> Healthcheck | None:
        test = self.texts(_list(value.get("Test")))
        if not test:
            return None
        return Healthcheck(
            test=test,
            interval=_seconds(value.get("Interval")),
            timeout=_seconds(value.get("Timeout")),
            start_period=_seconds(value.get("StartPeriod")),
            retries=_count(value.get("Retries")),
        )

    def history(self, rows: list[object]) -> Iterator[HistoryRow]:
        layer = 0
        for item in self.some(rows, MAX_HISTORY):
            row, is_empty = _object(item), _is_empty(item)
            created_by = self.text(row.get("created_by"))
            comment = self.text(row.get("comment"))
            yield HistoryRow(
                created_by=created_by,
                instruction=instruction(created_by, comment),
                comment=comment,
                empty_layer=is_empty,
                created=_moment(row.get("created")),
                layer=None if is_empty else layer,
            )
            layer += not is_empty


def _object(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _is_empty(row: object) -> bool:
    return _object(row).get("empty_layer") is True


def _moment(value: object) -> datetime | None:
    """A time of RFC 3339 in UTC; None for what is none, and for Go's way to say "not set"."""
    match = _MOMENT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    date, fraction, offset = match.groups(default="")
    try:
        moment = datetime.fromisoformat(f"{date}{fraction[:7]}{offset}".upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year > 1 else None


def _seconds(nanoseconds: object) -> float:
    return _count(nanoseconds) / 1e9


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value < 2**63 else 0
