"""Image configs: what they say, and that none can do harm."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from repositories.oci import image
from repositories.oci.image import InvalidImageConfig, parse
from repositories.oci.texts import CUT, MAX_TEXT_BYTES

WHOLE: dict[str, Any] = {
    "created": "2026-11-24T08:04:17.168320289+01:00",
    "author": "A. U. Thor",
    "architecture": "arm",
    "variant": "v7",
    "os": "linux",
    "os.version": "1.2",
    "config": {
        "User": "1000:1000",
        "ExposedPorts": {"443/tcp": {}, "80/tcp": {}},
        "Env": ["PATH=/bin", "A=b=c", "NOTHING", "EMPTY="],
        "Entrypoint": ["/bin/sh"],
        "Cmd": ["-c", "echo hi"],
        "Volumes": {"/data": {}},
        "WorkingDir": "/srv",
        "Labels": {"org.example": "x y"},
        "StopSignal": "SIGTERM",
        "Healthcheck": {"Test": ["CMD-SHELL", "ok"], "Interval": 5_000_000_000, "Retries": 3},
    },
    "rootfs": {"type": "layers", "diff_ids": []},
    "history": [
        {"created": "2026-11-24T08:03:53Z", "created_by": "/bin/sh -c #(nop) ADD file:a in / "},
        {"created_by": "/bin/sh -c #(nop)  ENV A=b", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c make # buildkit", "comment": "buildkit.dockerfile.v0"},
    ],
}


def config(**fields: object) -> image.ImageConfig:
    return parse(json.dumps(WHOLE | fields).encode())


def running(**fields: object) -> image.ImageConfig:
    return config(config=WHOLE["config"] | fields)


def test_everything_that_a_config_says_is_read() -> None:
    found = config()
    assert str(found.platform) == "linux/arm/v7"
    assert found.platform.os_version == "1.2"
    assert found.created == datetime(2026, 11, 24, 7, 4, 17, 168320, UTC)
    assert found.author == "A. U. Thor"
    assert (found.entrypoint, found.cmd) == (("/bin/sh",), ("-c", "echo hi"))
    assert found.env == (("PATH", "/bin"), ("A", "b=c"), ("NOTHING", ""), ("EMPTY", ""))
    assert (found.working_dir, found.user, found.stop_signal) == ("/srv", "1000:1000", "SIGTERM")
    assert (found.exposed_ports, found.volumes) == (("443/tcp", "80/tcp"), ("/data",))
    assert found.labels == (("org.example", "x y"),)
    assert found.healthcheck == image.Healthcheck(("CMD-SHELL", "ok"), interval=5, retries=3)
    assert found.was_cut is False


def test_each_step_that_made_a_layer_names_it() -> None:
    rows = config().history_of(2)
    assert [row.layer for row in rows] == [0, None, 1]
    assert [row.instruction for row in rows] == ["ADD file:a in /", "ENV A=b", "RUN make"]
    assert rows[0].created == datetime(2026, 11, 24, 8, 3, 53, tzinfo=UTC)


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_no_step_names_a_layer_when_their_numbers_differ(layers: int) -> None:
    assert [row.layer for row in config().history_of(layers)] == [None, None, None]


def test_an_empty_object_is_a_config_that_says_nothing() -> None:
    found = parse(b"{}")
    assert str(found.platform) == ""
    assert (found.created, found.healthcheck, found.history) == (None, None, ())


def test_long_texts_are_cut_with_a_mark_and_between_characters() -> None:
    found = running(User="é" * MAX_TEXT_BYTES, WorkingDir="a" * MAX_TEXT_BYTES)
    assert found.user == "é" * (MAX_TEXT_BYTES // 2) + CUT
    assert found.working_dir == "a" * MAX_TEXT_BYTES
    assert found.was_cut is True


def test_layers_are_counted_beyond_the_rows_that_are_shown() -> None:
    found = config(history=[{"created_by": "RUN x"}] * 300)
    assert len(found.history) == image.MAX_HISTORY
    assert found.history_of(300)[-1].layer == 199
    assert found.was_cut is True


@pytest.mark.parametrize("key", ["Env", "Entrypoint", "Cmd"])
def test_long_lists_are_cut(key: str) -> None:
    found = running(**{key: ["A=b"] * 10_000})
    assert len(getattr(found, key.lower())) == image.MAX_ENTRIES
    assert found.was_cut is True


def test_many_labels_are_cut() -> None:
    found = running(Labels={str(number): "x" for number in range(10_000)})
    assert len(found.labels) == image.MAX_ENTRIES


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"config"',
        b"{",
        b"{}{}",
        b"\xff\xfe{\x00}\x00",
        b"\xef\xbb\xbf{}",
        b'{"os": "\\ud800"}',
        b'{"os": "a", "os": "b"}',
        b'{"x": NaN}',
        b'{"x": 1e999}',
        b'{"x": ' + b"9" * 5000 + b"}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"{" + b'"x":[' + b"{}," * 200_000 + b"{}]}",
        b" " * (image.MAX_BYTES + 1),
        b"\0" * 100,
        b"\x1f\x8b\x08\x00",
        b"<html></html>",
    ],
)
def test_what_is_no_config_is_refused_by_one_error(payload: bytes) -> None:
    with pytest.raises(InvalidImageConfig):
        parse(payload)


WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**70,
    "",
    "text",
    "\0",
    [],
    {},
    [[]],
    [{}],
    [None],
    {"a": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("key", [*WHOLE, "container_config"])
def test_wrong_types_are_skipped(key: str, wrong: object) -> None:
    _check(config(**{key: wrong}))


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("key", WHOLE["config"])
def test_wrong_types_within_are_skipped(key: str, wrong: object) -> None:
    _check(running(**{key: wrong}))


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("key", ["created", "created_by", "comment", "empty_layer"])
def test_wrong_types_in_the_history_are_skipped(key: str, wrong: object) -> None:
    found = config(history=[{key: wrong}, wrong])
    _check(found)
    assert len(found.history) == 2


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
@pytest.mark.parametrize("key", ["Test", "Interval", "Timeout", "StartPeriod", "Retries"])
def test_wrong_types_in_the_healthcheck_are_skipped(key: str, wrong: object) -> None:
    _check(running(Healthcheck={"Test": ["NONE"], key: wrong}))


def _check(found: image.ImageConfig) -> None:
    """Every field has the type that it says."""
    texts = [found.author, found.working_dir, found.user, found.stop_signal, *found.platform]
    texts += [*found.entrypoint, *found.cmd, *found.exposed_ports, *found.volumes]
    texts += [text for pair in (*found.env, *found.labels) for text in pair]
    for row in found.history:
        texts += [row.created_by, row.comment, row.instruction]
        assert isinstance(row.empty_layer, bool)
    assert all(isinstance(text, str) for text in texts)
    assert found.created is None or found.created.tzinfo is UTC
    if found.healthcheck:
        assert found.healthcheck.interval >= 0
        assert found.healthcheck.retries >= 0


@pytest.mark.parametrize(
    "moment",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T24:61:00Z",
        "2026-01-01",
        "2026-01-01T00:00:00",
        "2026-W01-1T00:00:00Z",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "2026-01-01T00:00:00+99:99",
        "1767225600",
    ],
)
def test_what_is_no_time_is_none(moment: str) -> None:
    assert config(created=moment).created is None
