"""What stands in ordinary archives, as every tool writes them."""

import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from repositories.layers import listing
from repositories.layers.compression import Source
from repositories.layers.reader import Entry, entries
from repositories.layers.store import Row
from repositories.layers.tree import Kind
from tests.repositories.layers.archives import archive, entry, gzipped, layer, pax, zstded
from tests.repositories.layers.conftest import Store, listed

LONG = "/".join(["a-folder-with-a-rather-long-name"] * 8) + "/" + "n" * 150
FORMATS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "plain": lambda content: content,
    "gzip": gzipped,
    "zstd": zstded,
    "gzip-in-members": lambda c: b"".join(gzipped(c[n : n + 700]) for n in range(0, len(c), 700)),
    "zstd-in-frames": lambda c: b"".join(zstded(c[n : n + 700]) for n in range(0, len(c), 700)),
}


def read(content: bytes, path: Path) -> list[Entry]:
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return [found for found in entries(Source(descriptor)) if found is not None]
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("compression", sorted(COMPRESSIONS))
@pytest.mark.parametrize("tar_format", sorted(FORMATS))
def test_every_format_and_compression_lists_alike(
    tar_format: str, compression: str, store: Store
) -> None:
    files: dict[str, bytes | str | None] = {
        "etc": None,
        "etc/passwd": b"root:x:0:0",
        "bin/sh": "dash",
        "bin/dash": os.urandom(5_000_000),
    }
    if tar_format != "ustar":
        files[LONG] = b"long"
        files["Ünïcode/☃"] = b"snow"
    content = layer(files, tar_format=FORMATS[tar_format])
    digest = store(COMPRESSIONS[compression](content))

    assert listed(digest).is_done
    with listing.opened(digest=digest) as found:
        assert found.summary["problem"] == ""
        for name, what in files.items():
            row = found.entry(name)
            assert row is not None, name
            assert row.mtime == 1_600_000_000
            if what is None:
                assert (row.kind, row.mode) == (Kind.FOLDER, 0o755)
            elif isinstance(what, str):
                assert (row.kind, row.link) == (Kind.SYMLINK, what)
            else:
                assert (row.kind, row.size, row.mode) == (Kind.FILE, len(what), 0o644)


def test_it_reads_what_tarfile_reads(tmp_path: Path) -> None:
    """Against Python's own reader, on an archive of everything that it can write."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for number, kind in enumerate((b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7")):
            info = tarfile.TarInfo(f"{kind.decode()}-{'x' * number * 30}")
            info.type, info.linkname = kind, "t" * 40 * number if kind in b"12" else ""
            info.uid, info.gid, info.mode = 2**31 + number, 2**40, 0o7751
            info.mtime = 1_700_000_000 + number
            info.size = 9 if kind in (b"0", b"7") else 0
            tar.addfile(info, io.BytesIO(b"123456789"))
    found = read(buffer.getvalue(), tmp_path / "archive")
    buffer.seek(0)
    with tarfile.open(fileobj=buffer) as tar:
        expected = tar.getmembers()
    assert [("/".join(e.path), e.size, e.mode, e.uid, e.gid, e.mtime, e.link) for e in found] == [
        (m.name, m.size, m.mode, m.uid, m.gid, int(m.mtime), m.linkname) for m in expected
    ]


def test_extended_headers_count_for_one_entry_only(tmp_path: Path) -> None:
    content = archive(
        pax(path="long/name", uid="7", mtime="12.75", linkpath="x") + entry("short", kind=b"2"),
        entry("next"),
        entry("l", b"by-gnu\0", kind=b"L") + entry("k", b"target\0", kind=b"K"),
        entry("short", kind=b"2", link="short"),
    )
    first, second, third = read(content, tmp_path / "archive")
    assert (first.path, first.uid, first.mtime, first.link) == (("long", "name"), 7, 12, "x")
    assert (second.path, second.uid) == (("next",), 0)
    assert (third.path, third.link) == (("by-gnu",), "target")


def test_a_sparse_file_has_the_size_that_it_will_have(tmp_path: Path) -> None:
    content = archive(
        pax(GNU__sparse__name="real", GNU__sparse__realsize="1000000", GNU__sparse__major="1")
        + entry("GNUSparseFile.0/real", b"1\n0\n512\n".ljust(512, b"\0") + bytes(512)),
        entry("next", b"x"),
    )
    found = [(e.path, e.size) for e in read(content, tmp_path / "archive")]
    assert found == [(("real",), 1_000_000), (("next",), 1)]


def test_v7_and_prefixed_names(tmp_path: Path) -> None:
    content = archive(
        entry("folder/", kind=b"\0", magic=bytes(8)),
        entry("name", prefix=b"some/prefix"),
    )
    found = read(content, tmp_path / "archive")
    assert [(e.path, e.kind) for e in found] == [
        (("folder",), Kind.FOLDER),
        (("some", "prefix", "name"), Kind.FILE),
    ]


def test_whiteouts_are_deletions_and_hide_what_they_name(store: Store) -> None:
    digest = store(
        archive(
            entry("gone/.wh.old"),
            entry("made/.wh..wh..opq"),
            entry("made/new", b"x"),
            entry(".wh.both"),
            entry("both", b"xy"),
        )
    )
    listed(digest)
    with listing.opened(digest=digest) as found:
        rows = {name: found.entry(name) for name in ("gone/old", "made", "made/new", "both")}
        assert not any(row is None for row in rows.values())
        shown = {name: (row.kind, row.hides, row.is_opaque) for name, row in rows.items() if row}
        root = found.entry("")
    assert shown == {
        "gone/old": (Kind.DELETED, True, False),
        "made": (Kind.FOLDER, False, True),
        "made/new": (Kind.FILE, False, False),
        "both": (Kind.FILE, True, False),
    }
    assert root is not None
    assert (root.files, root.total) == (2, 3)


def test_folders_come_first_and_sizes_add_up(store: Store) -> None:
    digest = store(layer({"b/x": b"12", "b/c/y": b"345", "a": b"6", "z/q": b""}))
    listed(digest)
    root = listing.children(digest=digest)
    assert root is not None
    assert [(row.name, row.total, row.files) for row in root.rows] == [
        ("b", 5, 2),
        ("z", 0, 1),
        ("a", 1, 1),
    ]
    assert listing.children(digest=digest, folder="a") is None
    assert listing.children(digest=digest, folder="nowhere/x") is None


def test_a_folder_is_read_a_page_at_a_time(store: Store) -> None:
    names = [f"{number:04}" for number in range(1_000)]
    digest = store(layer({f"d/{name}": b"" for name in names} | {"d/sub/x": b"", "e": b""}))
    listed(digest)
    seen: list[Row] = []
    after: int | None = 0
    while after is not None:
        page = listing.children(digest=digest, folder="d", after=after, limit=300)
        assert page is not None
        seen += page.rows
        after = page.next
    assert [row.name for row in seen] == ["sub", *names]


def test_search_takes_texts_as_they_are_and_stops_at_200(store: Store) -> None:
    files: dict[str, bytes | str | None] = {f"many/File%{n}": b"" for n in range(300)}
    digest = store(layer(files | {"a/b/c_d": b"", "a/b/cxd": b"", "É": b""}))
    listed(digest)
    hits = listing.find(digest=digest, text="FILE%")
    assert (len(hits.rows), hits.is_cut) == (200, True)
    assert [path for path, _ in listing.find(digest=digest, text="c_d").rows] == ["a/b/c_d"]
    assert [path for path, _ in listing.find(digest=digest, text="É").rows] == ["É"]
    assert listing.find(digest=digest, text="nothing").rows == []
    assert len(listing.find(digest=digest, text="FILE%299").rows) == 1


def test_60000_files_in_500_mb_are_listed_in_one_pass(store: Store) -> None:
    """Within the limits of output and of time, as what people really push."""
    content = bytes(8_333)
    pieces = (
        pax(mtime="1.5") + entry(f"usr/lib/{n % 300}/module-{n}.py", content) for n in range(60_000)
    )
    digest = store(gzipped_at_speed(pieces))
    assert listed(digest).is_done
    with listing.opened(digest=digest) as found:
        root = found.entry("")
        assert root is not None
        assert (found.summary["problem"], root.files) == ("", 60_000)
        assert root.total == 60_000 * 8_333


def gzipped_at_speed(pieces: Iterable[bytes]) -> bytes:
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([*map(squeeze.compress, pieces), squeeze.flush()])
