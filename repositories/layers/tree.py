"""Files in folders: what a layer's entries amount to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from repositories.layers.limits import ListingEnds, Problem


class Kind(StrEnum):
    """What an entry is. A deletion is listed where it stands for nothing else."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symlink"
    HARD_LINK = "hard-link"
    CHARACTER_DEVICE = "character-device"
    BLOCK_DEVICE = "block-device"
    FIFO = "fifo"
    DELETED = "deleted"


class Content:
    """The bytes of a file, which hard links share: `size`, the layer they came with, how many
    names they have."""

    __slots__ = ("layer", "names", "size")

    def __init__(self, size: int, layer: int) -> None:
        self.size = size
        self.layer = layer
        self.names = 1


class Node:
    """A name in a folder.

    `hides`: the layer deletes what the layers below have by this name; `is_opaque`: and all that
    they have in this folder; `is_implied`: no entry is about the folder, there are only entries
    within it.
    """

    __slots__ = (
        "children",
        "content",
        "gid",
        "hides",
        "is_implied",
        "is_opaque",
        "kind",
        "layer",
        "link",
        "mode",
        "mtime",
        "name",
        "parent",
        "size",
        "uid",
    )

    def __init__(
        self,
        name: str,
        kind: Kind,
        parent: Node | None = None,
        *,
        is_implied: bool = False,
        layer: int = 0,
    ) -> None:
        self.name = name
        self.kind = kind
        self.parent = parent
        self.size = self.uid = self.gid = self.mtime = 0
        self.mode = 0o755 if kind is Kind.FOLDER else 0
        self.link = ""
        self.layer = layer
        self.hides = self.is_opaque = False
        self.is_implied = is_implied
        self.children: dict[str, Node] = {}  # empty where it is no folder
        self.content: Content | None = None

    def become(self, kind: Kind) -> None:
        """Be of that kind; a folder that becomes something else loses what is in it."""
        self.kind = kind
        if kind is not Kind.FOLDER:
            self.children.clear()

    def sorted_children(self) -> list[Node]:
        """Folders first, then by name."""
        return sorted(
            self.children.values(), key=lambda node: (node.kind is not Kind.FOLDER, node.name)
        )


class Tree:
    """Nodes below a root. Whoever adds is held to the limits. Raises ListingEnds."""

    def __init__(self, *, max_entries: int, max_names: int) -> None:
        self.root = Node("", Kind.FOLDER, is_implied=True)
        self.count = 0  # nodes that were made, removed ones included
        self._names = 0
        self._max_entries = max_entries
        self._max_names = max_names

    def child(self, parent: Node, name: str) -> Node:
        """The node of that name in a folder, made as an implied folder if there is none.

        What holds a file now and is to hold others becomes a folder: names win over order.
        """
        if parent.kind is not Kind.FOLDER:
            parent.become(Kind.FOLDER)
            parent.size, parent.link = 0, ""
        node = parent.children.get(name)
        if node is None:
            self.charge(name)
            node = Node(name, Kind.FOLDER, parent, is_implied=True)
            parent.children[name] = node
        return node

    def charge(self, name: str) -> None:
        """Count one more node. Raises ListingEnds when there are too many."""
        if self.count >= self._max_entries:
            raise ListingEnds(Problem.ENTRIES)
        self.count += 1
        self.charge_text(name)

    def charge_text(self, text: str) -> None:
        """Count a name or a link's target. Raises ListingEnds when there is too much of them."""
        # As many bytes as UTF-8 could take.
        self._names += len(text) if text.isascii() else 4 * len(text)
        if self._names > self._max_names:
            raise ListingEnds(Problem.NAMES)

    def at(self, path: Iterable[str]) -> Node:
        """The node of that path, with the folders on the way to it."""
        node = self.root
        for name in path:
            node = self.child(node, name)
        return node


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    waiting = [node]
    while waiting:
        found = waiting.pop()
        yield found
        waiting.extend(found.children.values())
