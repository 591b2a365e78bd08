"""The layers of an image on top of each other (image-spec, "Applying Changesets").

The tree is what a container would see. For each layer it is counted how many bytes it brings that
no container sees, because a later layer deletes or replaces the file.
"""

from collections.abc import Iterable, Mapping

from repositories.layers.limits import MAX_MERGED_ENTRIES, MAX_MERGED_NAMES
from repositories.layers.store import Row
from repositories.layers.tree import Content, Kind, Node, Tree, walk

_MAX_LINKS = 40  # as Linux follows them


class Overlay:
    """An image's tree so far; `wasted` are bytes by layer."""

    def __init__(self) -> None:
        self.tree = Tree(max_entries=MAX_MERGED_ENTRIES, max_names=MAX_MERGED_NAMES)
        self.wasted: dict[int, int] = {}

    def add_layer(self, number: int, rows: Iterable[Row]) -> None:
        """Put a layer on top; `rows` are its listing's, folders before what is in them.

        Raises ListingEnds when the tree grows too large: it then holds part of the layer.
        """
        places: dict[int, Node] = {0: self.tree.root}
        links: list[Node] = []
        for row in rows:
            if row.parent == 0:
                places[row.id] = self._root(row, number)
                continue
            parent = places.get(row.parent)
            if parent is None:
                continue  # within something that is no folder after all
            node = self._place(parent, row, number)
            if node is not None:
                places[row.id] = node
                if node.kind is Kind.HARD_LINK:
                    links.append(node)
        for node in links:
            self._link(node)

    def _root(self, row: Row, number: int) -> Node:
        root = self.tree.root
        if row.is_opaque:
            self._empty(root)
        if not row.is_implied:
            _describe(root, row, number)
        return root

    def _place(self, parent: Node, row: Row, number: int) -> Node | None:
        """The node that the row makes or changes; None for a deletion."""
        below = parent.children.get(row.name)
        if below is not None and row.is_implied and below.kind is Kind.SYMLINK and not row.hides:
            # Files in a folder that the layer says nothing of land where the link leads.
            target = self._follow(below)
            if target is not None:
                return target
        is_folder = row.kind is Kind.FOLDER
        if below is not None and (row.hides or not (is_folder and below.kind is Kind.FOLDER)):
            self._drop(parent, below)
            below = None
        if row.kind is Kind.DELETED:
            return None
        if below is None:
            below = self._new(parent, row, number)
        elif row.is_opaque:
            self._empty(below)
        if not row.is_implied:
            _describe(below, row, number)
        return below

    def _new(self, parent: Node, row: Row, number: int) -> Node:
        self.tree.charge(row.name)
        self.tree.charge_text(row.link)
        node = Node(row.name, row.kind, parent, is_implied=row.is_implied, layer=number)
        if row.kind is Kind.FILE:
            node.content = Content(row.size, number)
        parent.children[row.name] = node
        return node

    def _follow(self, link: Node) -> Node | None:
        """The folder that a symbolic link leads to, if it does."""
        found = link
        for _ in range(_MAX_LINKS):
            target = self._target(found)
            if target is None or target.kind is Kind.FOLDER:
                return target
            if target.kind is not Kind.SYMLINK:
                return None
            found = target
        return None

    def _target(self, link: Node) -> Node | None:
        found = self.tree.root if link.link.startswith("/") else link.parent
        for name in link.link.split("/"):
            if found is None or name in ("", "."):
                continue
            above = found.parent or self.tree.root
            found = above if name == ".." else found.children.get(name)
        return found

    def _link(self, node: Node) -> None:
        """Share what a hard link's target holds; its name may be gone later."""
        found: Node | None = self.tree.root
        for name in node.link.split("/"):
            if found is not None and name not in ("", "."):
                found = found.children.get(name)
        if found is not None and found.content is not None and found is not node:
            node.content = found.content
            node.content.names += 1

    def _empty(self, folder: Node) -> None:
        for child in list(folder.children.values()):
            self._drop(folder, child)

    def _drop(self, parent: Node, node: Node) -> None:
        del parent.children[node.name]
        for gone in walk(node):
            content = gone.content
            if content is None:
                continue
            content.names -= 1
            if content.names == 0:
                self.wasted[content.layer] = self.wasted.get(content.layer, 0) + content.size

    def settle(self) -> Mapping[int, int]:
        """Give each file's size to one of its names; returns the bytes wasted, by layer."""
        seen: set[int] = set()
        waiting = [self.tree.root]
        while waiting:
            node = waiting.pop()
            if node.content is not None and id(node.content) not in seen:
                seen.add(id(node.content))
                node.size = node.content.size
            waiting.extend(reversed(node.sorted_children()))
        return self.wasted


def _describe(node: Node, row: Row, number: int) -> None:
    node.mode, node.uid, node.gid, node.mtime = row.mode, row.uid, row.gid, row.mtime
    node.link = row.link
    node.layer = number
    node.is_implied = False
