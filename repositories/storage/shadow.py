"""The blobs of a tree that another registry goes on writing to, for a registry that only shows it.

What is read is read from the tree. Whatever could write, rename or remove has the folder of its own
at `root`, as if the blobs were there: so nothing is ever done to the tree, whoever calls it.

```
<tree>/docker/registry/v2/blobs/…     read, and nothing else; it may be mounted read-only
<root>/docker/registry/v2/blobs/…     other names, by other algorithms: symbolic links into the tree
<root>/berth/…                        as in any storage, and empty
```
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from repositories.oci.digests import CANONICAL, Digest
from repositories.storage.base import BlobMissing, StoredBlob
from repositories.storage.filesystem import FilesystemStorage


class ShadowStorage(FilesystemStorage):
    """Options: `root`, a folder of its own; `tree`, the folder that holds the other's `docker/`."""

    def __init__(self, root: Path | str, tree: Path | str) -> None:
        super().__init__(root)
        self._tree = FilesystemStorage(tree)

    def _place(self, digest: Digest) -> str:
        if digest.algorithm != CANONICAL:
            own = super()._place(digest)
            if os.path.lexists(own):
                return own
        return str(self._tree.blob_path(digest))

    def _places(self, digest: Digest) -> tuple[Path, ...]:
        return (Path(self._place(digest)),)

    def stored(self, shard: int) -> Iterator[StoredBlob]:
        return self._tree.stored(shard)

    def is_shared(self) -> bool:
        return True

    def link_in(self, digest: Digest, source: Path) -> bool:
        """Give a blob of the tree another name, as a symbolic link: it may be on another disk."""
        target = self.blob_path(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            target.symlink_to(source)
        return True

    def link_out(self, digest: Digest, target: Path) -> bool:
        """Not even another name is given to what is not ours."""
        if not os.path.exists(self._place(digest)):
            raise BlobMissing(str(digest))
        return False

    def internal_path(self, digest: Digest) -> str:
        """Below the root of the tree."""
        return os.path.relpath(os.path.realpath(self._place(digest)), self._tree.root)

    def check(self) -> None:
        super().check()
        os.scandir(self._tree.blobs.parent).close()
