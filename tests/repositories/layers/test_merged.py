"""The merged tree: what overlayfs would show, and what an image carries in vain."""

import os
import subprocess
import sys
from pathlib import Path

from repositories.layers import listing, merged, texts
from repositories.layers.merged import Image
from repositories.layers.store import Row
from repositories.layers.tree import Kind
from repositories.oci.digests import Digest
from repositories.oci.manifests import Descriptor
from tests.interop.tools import find_program, missing
from tests.oci.documents import LAYER_TYPE
from tests.repositories.layers.archives import archive, entry, gzipped, layer
from tests.repositories.layers.conftest import Store, merged_tree


def image(store: Store, *layers: bytes, media_type: str = LAYER_TYPE) -> Image:
    found = tuple(Descriptor(media_type, store(content), len(content)) for content in layers)
    return Image(Digest.of(repr(found).encode()), found)


def tree(found: Image) -> dict[str, Row]:
    """Every path below the root."""
    assert merged_tree(found).is_done
    paths: dict[int, str] = {1: ""}
    rows: dict[str, Row] = {}
    with merged.opened(image=found) as opened:
        for row in opened.rows():
            if row.parent:
                paths[row.id] = f"{paths[row.parent]}/{row.name}".strip("/")
                rows[paths[row.id]] = row
    return rows


def wasted(found: Image) -> dict[str, int]:
    with merged.opened(image=found) as opened:
        summary: dict[str, int] = opened.summary["wasted"]
        return summary


def test_whiteouts_opaque_folders_and_changes_of_type(store: Store) -> None:
    found = image(
        store,
        layer({"a/1": b"1", "a/2": b"22", "b/1": b"333", "b/c/d": b"4444"}),
        layer({"f": b"55555", "k": b""}),
        archive(
            entry("a/.wh.2"),
            entry("b/.wh..wh..opq"),
            entry("b/new", b"x"),
            entry("f/now-a-folder", b"y"),
            entry("a/1", b"changed"),
            entry("k", kind=b"2", link="f"),
        ),
    )
    rows = tree(found)
    assert {path: (row.kind, row.layer, row.size) for path, row in rows.items()} == {
        "a": (Kind.FOLDER, 0, 0),
        "a/1": (Kind.FILE, 2, 7),
        "b": (Kind.FOLDER, 0, 0),
        "b/new": (Kind.FILE, 2, 1),
        "f": (Kind.FOLDER, 2, 0),
        "f/now-a-folder": (Kind.FILE, 2, 1),
        "k": (Kind.SYMLINK, 2, 0),
    }
    assert wasted(found) == {"0": 1 + 2 + 3 + 4, "1": 5}


def test_a_file_beside_its_own_whiteout_stays(store: Store) -> None:
    """Whiteouts are about lower layers only, wherever in the archive they stand."""
    found = image(
        store,
        layer({"d/old": b"1", "x": b"22"}),
        archive(entry("d/new"), entry("x", b"333"), entry(".wh.x"), entry(".wh.d")),
    )
    assert set(tree(found)) == {"d", "d/new", "x"}


def test_a_hard_link_keeps_its_bytes_when_the_first_name_goes(store: Store) -> None:
    lower = archive(
        entry("first", b"12345"), entry("second", kind=b"1", link="first"), entry("z", b"1")
    )
    found = image(store, lower, archive(entry(".wh.first"), entry(".wh.z")))
    rows = tree(found)
    assert {path: row.size for path, row in rows.items()} == {"second": 5}
    assert wasted(found) == {"0": 1}


def test_hard_links_count_once(store: Store) -> None:
    names = [entry(name, kind=b"1", link="b") for name in ("a", "c")]
    found = image(store, archive(entry("b", b"12345"), *names))
    assert sum(row.size for row in tree(found).values()) == 5


def test_files_land_where_a_linked_folder_leads(store: Store) -> None:
    """As with /lib -> usr/lib, and a layer that has only lib/x in it."""
    found = image(
        store,
        layer({"usr/lib/a": b"", "lib": "usr/lib", "deep/er/l": "../../usr/./lib", "self": "self"}),
        archive(entry("lib/b"), entry("deep/er/l/c"), entry("self/d")),
    )
    assert set(tree(found)) >= {"usr/lib/a", "usr/lib/b", "usr/lib/c", "self/d"}
    assert tree(found)["lib"].kind is Kind.SYMLINK


def test_a_layer_that_occurs_twice_counts_twice(store: Store) -> None:
    once = layer({"x": b"123"})
    found = image(store, once, once)
    assert [row.layer for row in tree(found).values()] == [1]
    assert wasted(found) == {"0": 3}


def test_layers_that_cannot_be_read_are_left_out(store: Store) -> None:
    readable = image(store, layer({"x": b""}))
    secret = Descriptor(f"{LAYER_TYPE}+encrypted", Digest.of(b"secret"), 6)
    found = Image(Digest.of(b"image"), (*readable.layers, secret))
    assert set(tree(found)) == {"x"}


def test_a_damaged_layer_is_named_and_the_rest_is_there(store: Store) -> None:
    found = image(store, layer({"x": b""}), archive(entry("y"))[:512] + b"\xff" * 512)
    assert set(tree(found)) == {"x", "y"}
    with merged.opened(image=found) as opened:
        assert opened.summary["problems"] == {"1": "checksum"}


def test_more_layers_than_can_be_mounted_are_cut(store: Store) -> None:
    content = layer({"x": b""})
    found = Image(Digest.of(b"many"), (Descriptor(LAYER_TYPE, store(content), 1),) * 200)
    tree(found)
    with merged.opened(image=found) as opened:
        assert "lowest 127 layers" in texts.problem(opened.summary)


def test_an_image_without_layers_is_empty(store: Store) -> None:
    assert tree(Image(Digest.of(b"nothing"), ())) == {}


def test_large_trees_are_cut(store: Store) -> None:
    layers = [
        gzipped(b"".join(entry(f"{number}/{n}") for n in range(75_000))) for number in range(5)
    ]
    found = image(store, *layers)
    tree(found)
    with merged.opened(image=found) as opened:
        assert opened.summary["problem"] == "entries"
        assert opened.summary["layers"] == 3
        assert "first 300000 entries" in texts.problem(opened.summary)


# Deletions and opaque folders of an upper folder (kernel, "Overlay Filesystem") as image-spec has
# them, the way engines turn one into the other.
CONVERT = """
import os, sys
from pathlib import Path
for path in sorted(Path(sys.argv[1]).rglob("*")):
    if path.is_char_device():
        path.unlink()
        (path.parent / f".wh.{path.name}").touch()
    elif path.is_dir() and not path.is_symlink():
        if "trusted.overlay.opaque" in os.listxattr(path):
            (path / ".wh..wh..opq").touch()
"""
CHANGES = """
mount -t tmpfs none . && cd "$PWD"
mkdir l1 l2 l3 w2 w3 m
mkdir -p l1/etc/deep l1/var/log
echo 1 > l1/etc/a; echo 2 > l1/etc/b; echo 3 > l1/etc/deep/c; echo 4 > l1/var/log/x
echo 5 > l1/file; ln -s etc l1/link
mount -t overlay overlay -o lowerdir=l1,upperdir=l2,workdir=w2 m
rm m/etc/a; rm -r m/etc/deep; mkdir m/etc/deep; echo 6 > m/etc/deep/new; echo 77 > m/file
umount m
mount -t overlay overlay -o lowerdir=l2:l1,upperdir=l3,workdir=w3 m
rm -r m/var; echo 8 > m/var; rm m/link; mkdir m/link; echo 9 > m/link/y; rm m/file
(cd m && find . -mindepth 1 -printf '%P %y\\n') > "$OUT/expected"
umount m
for layer in l1 l2 l3; do
  "$PYTHON" -c "$CONVERT" $layer
  tar -C $layer -cf "$OUT/$layer.tar" .
done
"""


def _in_a_namespace(script: str, folder: Path) -> None:
    """As root of a mount namespace, where overlayfs can be mounted; the test is skipped without."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    (folder / "disk").mkdir()
    done = subprocess.run(
        ["unshare", *user, "--mount", "sh", "-euc", script],
        cwd=folder / "disk",
        env={**os.environ, "PYTHON": sys.executable, "CONVERT": CONVERT, "OUT": str(folder)},
        capture_output=True,
        text=True,
    )
    if done.returncode and any(word in done.stderr for word in ("mount", "unshare")):
        missing(f"overlayfs cannot be mounted: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr


def test_it_is_what_overlayfs_shows(store: Store, tmp_path: Path) -> None:
    find_program("unshare")
    _in_a_namespace(CHANGES, tmp_path)
    found = image(store, *((tmp_path / f"l{n}.tar").read_bytes() for n in (1, 2, 3)))
    letters = {Kind.FILE: "f", Kind.FOLDER: "d", Kind.SYMLINK: "l"}
    shown = {f"{path} {letters[row.kind]}" for path, row in tree(found).items()}
    assert shown == set((tmp_path / "expected").read_text().splitlines())
    assert "etc/deep/new f" in shown


def test_progress_counts_layers(store: Store) -> None:
    found = image(store, layer({"x": b""}), layer({"y": b""}))
    before = merged.progress(image=found)
    assert (before.read, before.total, before.is_done) == (0, 2, False)
    assert merged_tree(found).read == 2
    assert listing.progress(digest=found.layers[0].digest).is_done
