"""Archives made to harm: each ends within the limits, says which, and shows what came before.

Each is read by the real child process under its real limits.
"""

import gzip
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

from repositories.layers import limits, listing, texts
from repositories.layers.limits import MIB, Problem
from repositories.layers.process import State
from tests.repositories.layers.archives import (
    BLOCK,
    END,
    archive,
    entry,
    gzipped,
    layer,
    pax,
    records,
    zstded,
)
from tests.repositories.layers.conftest import Store, listed

GOOD = entry("good", b"content")


class Case(NamedTuple):
    """An archive, why its listing ends, and what is in its root."""

    content: Callable[[], bytes]
    problem: Problem
    names: tuple[str, ...] | None = ("good",)


_HEAD = GOOD + entry("zeros", size=b"\x80" + bytes(6) + b"\x10" + bytes(4))  # 64 GiB


def _bomb() -> bytes:
    """Zeros behind a good file, gzip of 1000:1."""
    return gzip.compress(_HEAD, 1) + gzip.compress(bytes(64 * MIB), 9) * 1000


def _zstd_bomb() -> bytes:
    return zstded(_HEAD) + zstded(bytes(64 * MIB)) * 1000


def _huge_window() -> bytes:
    parameters = zstandard.ZstdCompressionParameters(window_log=30, compression_level=3)
    squeeze = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return squeeze.compress(archive(GOOD) + os.urandom(4096)) + squeeze.flush()


def _many(count: int, name: str = "f{0}") -> bytes:
    return gzip.compress(b"".join(entry(name.format(n)) for n in range(count)), 1)


def _deep_folders() -> bytes:
    """Each entry makes thousands of folders that no entry is about."""
    return b"".join(pax(path=f"{n}/" + "a/" * 2000 + "x") + entry("x") for n in range(100))


def _long_names() -> bytes:
    names = (f"{n:05}{'x' * 4000}" for n in range(12_000))
    return gzip.compress(b"".join(pax(path=name) + entry("x") for name in names), 1)


def _changed(content: bytes, at: int, new: bytes) -> bytes:
    return content[:at] + new + content[at + len(new) :]


def _of_many_records() -> bytes:
    return (entry("pax", b"5 a=\n" * 200_000, kind=b"x") + GOOD) * 20


N = Problem.NONE
CASES = {
    "gzip-1000-to-1": Case(_bomb, Problem.OUTPUT, ("good", "zeros")),
    "zstd-40000-to-1": Case(_zstd_bomb, Problem.OUTPUT, ("good", "zeros")),
    "zstd-huge-window": Case(_huge_window, Problem.WINDOW, ()),
    "zstd-truncated": Case(
        lambda: zstded(archive(GOOD, entry("b", os.urandom(90_000))))[:-40_000],
        Problem.TRUNCATED,
        None,
    ),
    "zstd-garbage": Case(lambda: b"\x28\xb5\x2f\xfd" + b"\xff" * 1000, Problem.COMPRESSION, ()),
    "zstd-skippable-only": Case(lambda: b"\x50\x2a\x4d\x18\x04\0\0\0abcd", N, ()),
    "gzip-in-gzip": Case(lambda: gzipped(gzipped(archive(GOOD))), Problem.NOT_TAR, ()),
    "gzip-truncated": Case(
        lambda: gzipped(archive(GOOD, entry("b", os.urandom(900_000))))[:500_000],
        Problem.TRUNCATED,
        ("b", "good"),
    ),
    "gzip-garbage-within": Case(
        lambda: _changed(gzipped(GOOD * 3 + os.urandom(9_000)), 400, b"\xff" * 900),
        Problem.COMPRESSION,
        None,
    ),
    "gzip-header-only": Case(lambda: b"\x1f\x8b\x08\0\0\0\0\0\0\3", Problem.TRUNCATED, ()),
    "gzip-two-bytes": Case(lambda: b"\x1f\x8b", Problem.TRUNCATED, ()),
    "gzip-trailing-garbage": Case(lambda: gzipped(archive(GOOD)) + b"garbage", N),
    "gzip-of-100000-members": Case(lambda: gzipped(b"") * 100_000 + gzipped(archive(GOOD)), N),
    "gzip-of-members-without-end": Case(
        # Much more than the fastest machine reads before it is stopped.
        lambda: gzipped(GOOD) + gzipped(b"") * 16_000_000,
        Problem.CPU,
    ),
    "bzip2": Case(lambda: b"BZh91AY&SY" + bytes(100), Problem.COMPRESSION, ()),
    "xz": Case(lambda: b"\xfd7zXZ\0" + bytes(100), Problem.COMPRESSION, ()),
    "empty": Case(lambda: b"", N, ()),
    "one-byte": Case(lambda: b"x", Problem.NOT_TAR, ()),
    "json": Case(lambda: b'{"architecture":"amd64"}' * 100, Problem.NOT_TAR, ()),
    "random": Case(lambda: b"\0" + os.urandom(100_000), Problem.NOT_TAR, ()),
    "zeros": Case(lambda: bytes(100_000), N, ()),
    "too-many-entries": Case(lambda: _many(150_000), Problem.ENTRIES, None),
    "folders-by-implication": Case(_deep_folders, Problem.ENTRIES, None),
    "names-of-4000": Case(_long_names, Problem.NAMES, None),
    "one-name-too-often": Case(lambda: _many(150_000, "same"), Problem.ENTRIES, ("same",)),
    "garbage-behind": Case(lambda: GOOD + b"\xff" * 4096, Problem.CHECKSUM),
    "checksum-of-second": Case(
        lambda: GOOD + entry("bad", checksum=b"000001\0 ") + GOOD, Problem.CHECKSUM
    ),
    "checksum-no-number": Case(
        lambda: GOOD + entry("bad", checksum=b"-00001\0 "), Problem.CHECKSUM
    ),
    "truncated-content": Case(
        lambda: GOOD + entry("big", size=10_000), Problem.TRUNCATED, ("big", "good")
    ),
    "truncated-header": Case(lambda: GOOD + entry("b")[:300], Problem.TRUNCATED),
    "no-end-marker": Case(lambda: GOOD, N),
    "size-negative": Case(lambda: GOOD + entry("b", size=b"\xff" * 12), Problem.NUMBER),
    "size-minus": Case(lambda: GOOD + entry("b", size=b"-0000000001\0"), Problem.NUMBER),
    "size-not-octal": Case(lambda: GOOD + entry("b", size=b"0000000008\0\0"), Problem.NUMBER),
    "size-underscore": Case(lambda: GOOD + entry("b", size=b"0000_000001\0"), Problem.NUMBER),
    "size-2^90": Case(lambda: GOOD + entry("b", size=b"\x80\x7f" + b"\xff" * 10), Problem.NUMBER),
    "size-2^62": Case(
        lambda: GOOD + entry("b", size=b"\x80" + bytes(3) + (2**62).to_bytes(8, "big")) + END,
        Problem.TRUNCATED,
        ("b", "good"),
    ),
    "two-sizes-that-overflow": Case(
        lambda: archive(
            *(pax(GNU__sparse__realsize=str(2**63 - 1)) + entry(n) for n in ("a", "b", "good"))
        ),
        N,
        ("a", "b", "good"),
    ),
    "pax-size-negative": Case(lambda: GOOD + pax(size="-1") + entry("b"), Problem.NUMBER),
    "pax-size-of-20-digits": Case(lambda: GOOD + pax(size="9" * 20) + entry("b"), Problem.NUMBER),
    "pax-size-arabic": Case(lambda: GOOD + pax(size="١٢") + entry("b"), Problem.NUMBER),
    "pax-of-5-MiB": Case(
        lambda: GOOD + entry("x", records(path="y" * 5 * MIB), kind=b"x"), Problem.EXTENDED_SIZE
    ),
    "pax-said-to-be-2^40": Case(
        lambda: GOOD + entry("x", size=b"\x80" + bytes(5) + b"\1" + bytes(5), kind=b"x"),
        Problem.EXTENDED_SIZE,
    ),
    "pax-without-length": Case(
        lambda: GOOD + entry("x", b"path=abc\n", kind=b"x") + entry("b"), Problem.EXTENDED_HEADER
    ),
    "pax-length-0": Case(
        lambda: GOOD + entry("x", b"0 path=abc\n", kind=b"x"), Problem.EXTENDED_HEADER
    ),
    "pax-length-beyond": Case(
        lambda: GOOD + entry("x", b"900 path=abc\n", kind=b"x"), Problem.EXTENDED_HEADER
    ),
    "pax-of-4-million-records": Case(lambda: GOOD + _of_many_records() + END, N),
    "pax-mtime-nan": Case(lambda: archive(pax(mtime="nan") + GOOD), N),
    "pax-mtime-1e999": Case(lambda: archive(pax(mtime="1e999") + GOOD), N),
    "pax-mtime-before-christ": Case(lambda: archive(pax(mtime="-99999999999999") + GOOD), N),
    "pax-uid-of-5000-digits": Case(lambda: archive(pax(uid="9" * 5000) + GOOD), N),
    "pax-path-with-nul": Case(lambda: archive(pax(path=b"a\0b") + entry("x")), N, ("a\\x00b",)),
    "global-header-of-2-MiB": Case(lambda: entry("g", bytes(2 * MIB), kind=b"g") + GOOD + END, N),
    "million-global-headers": Case(
        lambda: gzip.compress(GOOD + entry("g", kind=b"g") * 1_000_000, 1), Problem.EXTENDED_HEADER
    ),
    "gnu-long-name-of-2-MiB": Case(
        lambda: GOOD + entry("l", b"y" * 2 * MIB, kind=b"L"), Problem.EXTENDED_SIZE
    ),
    "gnu-long-names-without-end": Case(
        lambda: gzip.compress(GOOD + entry("l", b"y" * 400, kind=b"L") * 1_000_000, 1),
        Problem.EXTENDED_HEADER,
    ),
    "gnu-long-name-then-nothing": Case(lambda: GOOD + entry("l", b"y" * 400, kind=b"L") + END, N),
    "gnu-sparse-map-without-end": Case(
        lambda: (
            GOOD
            + _with_checksum(_changed(entry("s", kind=b"S"), 482, b"\1"))
            + (bytes(504) + b"\1" + bytes(7)) * 1000
        ),
        Problem.TRUNCATED,
    ),
    "name-of-5000": Case(lambda: archive(pax(path="y" * 5000) + entry("x"), GOOD), N),
    "parents": Case(
        lambda: archive(entry("../../etc/passwd"), entry("a/../../b"), GOOD), N, ("..", "a", "good")
    ),
    "absolute": Case(lambda: archive(entry("/etc/shadow"), entry("///good")), N, ("etc", "good")),
    "dots": Case(lambda: archive(entry("././good"), entry("."), entry("./")), N),
    "empty-name": Case(lambda: archive(entry(""), GOOD), N),
    "not-utf-8": Case(lambda: archive(entry(b"caf\xe9")), N, ("caf\\xe9",)),
    "surrogates": Case(lambda: archive(entry(b"\xed\xa0\x80")), N, ("\\xed\\xa0\\x80",)),
    "right-to-left": Case(lambda: archive(entry("\u202egpj.exe")), N, ("\\u202egpj.exe",)),
    "escapes-and-newlines": Case(lambda: archive(entry("\x1b[31m\n")), N, ("\\x1b[31m\\n",)),
    "link-to-itself": Case(
        lambda: archive(entry("a", kind=b"2", link="a"), entry("b", kind=b"1", link="b")),
        N,
        ("a", "b"),
    ),
    "link-that-leads-out": Case(
        lambda: archive(entry("a", kind=b"2", link="/etc"), entry("a/x"), entry("good")),
        N,
        ("a", "good"),
    ),
    "devices-and-pipes": Case(
        lambda: archive(*(entry(f"d{k}", kind=b"%d" % k, size=999) for k in (3, 4, 6))),
        N,
        ("d3", "d4", "d6"),
    ),
    "folder-with-content": Case(lambda: archive(entry("d", kind=b"5", size=7777), GOOD), N, None),
    "link-with-content": Case(
        lambda: archive(entry("a", kind=b"1", size=77, link="good"), GOOD), N, ("a", "good")
    ),
    "unknown-type": Case(
        lambda: archive(entry("a", b"x" * 600, kind=b"Z"), GOOD), N, ("a", "good")
    ),
    "whiteout-of-nothing": Case(lambda: archive(entry(".wh."), entry(".wh..wh.plnk"), GOOD), N),
    "folder-then-file-then-folder": Case(
        lambda: archive(entry("a/b"), entry("a"), entry("a/c"), GOOD), N, ("a", "good")
    ),
}


def _with_checksum(block: bytes) -> bytes:
    plain = block[:148] + b" " * 8 + block[156:BLOCK]
    return block[:148] + b"%06o\0 " % sum(plain) + block[156:]


@pytest.mark.parametrize("name", sorted(CASES))
def test_it_ends_with_the_reason_and_what_came_before(name: str, store: Store) -> None:
    case = CASES[name]
    digest = store(case.content())

    assert listed(digest).state is State.DONE
    with listing.opened(digest=digest) as found:
        assert found.summary["problem"] == case.problem.value
        assert found.summary["entries"] <= limits.MAX_ENTRIES
        told = texts.problem(found.summary)
        assert bool(told) == bool(case.problem)
        assert "%(" not in told
        root = found.folder("")
        assert root is not None
        if case.names is not None:
            assert tuple(sorted(row.name for row in root.rows)) == case.names
        assert all(row.name.isprintable() for row in found.rows())


def test_the_first_100000_entries_are_listed(store: Store) -> None:
    digest = store(_many(100_001))
    listed(digest)
    with listing.opened(digest=digest) as found:
        root = found.folder("")
        assert root is not None
        assert root.row.files == 100_000
        assert "first 100000 entries" in texts.problem(found.summary)


def test_a_file_of_the_computer_is_not_touched(store: Store, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("untouched")
    digest = store(
        archive(entry(str(canary), b"changed"), entry("../" * 20 + str(canary), b"changed"))
    )
    listed(digest)
    assert canary.read_text() == "untouched"


def test_the_child_knows_nothing_of_django_or_of_secrets() -> None:
    """What reads strangers' bytes has as little as possible to give away."""
    code = "import sys, repositories.layers.worker as w; print(*sys.modules)"
    modules = subprocess.check_output([sys.executable, "-c", code], text=True).split()
    assert not {"django", "ssl", "psycopg", "accounts"} & set(modules)


def test_well_formed_layers_have_nothing_to_complain_about(store: Store) -> None:
    digest = store(layer({"a": b"x"}))
    listed(digest)
    with listing.opened(digest=digest) as found:
        assert texts.problem(found.summary) == ""
