"""A tree as the Distribution project has it on disk, and Docker's registry serves.

```
<root>/
  .berth-export                                            whose folder it is; locked while we write
  .berth-partial/                                          what is not whole yet
  docker/registry/v2/
    blobs/<alg>/<first two hex>/<hex>/data                 layers, configs and manifests
    repositories/<name>/
      _layers/<alg>/<hex>/link                             blobs that the repository may serve
      _manifests/revisions/<alg>/<hex>/link                its manifests
      _manifests/tags/<tag>/current/link                   what the tag names
      _manifests/tags/<tag>/index/<alg>/<hex>/link         what it has named; when, the file's time
```

A link holds the digest, without a newline. Data and links come to their places by a rename, so that
a registry that looks never finds half of one.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from repositories.oci.digests import Digest

_DATA, _LINK = "data", "link"


class Repository:
    """The folder of a repository."""

    def __init__(self, folder: Path, draft: Path) -> None:
        self._folder = folder
        self._draft = draft
        self.layers = folder / "_layers"
        self.revisions = folder / "_manifests" / "revisions"
        self._tags = folder / "_manifests" / "tags"

    def prepare(self) -> None:
        """Have the folders by which that registry finds it, or says that there is no such one."""
        for folder in (self.layers, self.revisions, self._tags):
            folder.mkdir(parents=True, exist_ok=True)

    def add(self, folder: Path, digest: str, at: int) -> None:
        """Link the digest in `layers`, in `revisions`, or in an `index` of a tag."""
        self._link(folder / digest.replace(":", "/"), digest, at)

    def index(self, tag: str) -> Path:
        """Where is what the tag has named."""
        return self._tags / tag / "index"

    def point(self, tag: str, digest: str, at: int) -> None:
        """Let the tag name the digest. Its `index` has that already."""
        self._link(self._tags / tag / "current", digest, at)

    def keep_only(self, folder: Path, digests: Collection[str]) -> int:
        """Remove the other links from `layers`, `revisions` or an `index`; how many."""
        return _remove(
            each for each in folder.glob("*/*") if f"{each.parent.name}:{each.name}" not in digests
        )

    def keep_only_tags(self, tags: Collection[str]) -> int:
        """Remove the other tags; how many."""
        return _remove(each for each in self._tags.glob("*") if each.name not in tags)

    def remove(self) -> None:
        """Remove all of it, and nothing of repositories below its name."""
        _remove([self.layers, self._folder / "_manifests"])
        with suppress(OSError):  # there are some
            self._folder.rmdir()

    @property
    def is_taken_over(self) -> bool:
        """Whether another registry has taken uploads here: we make no such folder."""
        return (self._folder / "_uploads").exists()

    def _link(self, folder: Path, digest: str, at: int) -> None:
        path = folder / _LINK
        _write(path, digest.encode("ascii"), self._draft)
        os.utime(path, ns=(at, at))


class Tree:
    """See above. Times are nanoseconds since 1970."""

    def __init__(self, root: Path) -> None:
        self.partial = root / ".berth-partial"
        self._base = root / "docker" / "registry" / "v2"
        self._repositories = self._base / "repositories"

    def begin(self) -> None:
        """Remove what is not whole, and make room for what is next."""
        self.end()
        self.partial.mkdir()
        self._repositories.mkdir(parents=True, exist_ok=True)

    def end(self) -> None:
        """Leave nothing behind but the tree."""
        shutil.rmtree(self.partial, ignore_errors=True)

    @property
    def draft(self) -> Path:
        """Where a file is written before it comes to its place."""
        return self.partial / "draft"

    def blob_path(self, digest: Digest) -> Path:
        """Where the blob's data belongs."""
        shards = self._base / "blobs" / digest.algorithm / digest.hex[:2]
        return shards / digest.hex / _DATA

    def write_blob(self, digest: Digest, content: bytes) -> None:
        """Have a blob whose bytes are at hand, such as a manifest."""
        _write(self.blob_path(digest), content, self.draft)

    def remove_blob(self, digest: Digest) -> None:
        """Remove what is there, as the blob is lost."""
        path = self.blob_path(digest)
        path.unlink(missing_ok=True)
        with suppress(OSError):  # there is none, or something of others
            path.parent.rmdir()

    def repository(self, name: str) -> Repository:
        return Repository(self._repositories / name, self.draft)

    def names(self) -> Iterator[str]:
        """The repositories that are there."""
        for folder, names, _ in os.walk(self._repositories):
            if "_layers" in names or "_manifests" in names:
                yield str(Path(folder).relative_to(self._repositories))
            names[:] = [name for name in names if not name.startswith("_")]


def _write(path: Path, content: bytes, draft: Path) -> None:
    """Have a file of that content, whole or not at all."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == content:
            return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.unlink(missing_ok=True)  # it may be another name of a blob, not to be written into
    draft.write_bytes(content)
    os.replace(draft, path)


def _remove(folders: Iterable[Path]) -> int:
    count = 0
    for folder in list(folders):
        if folder.exists():
            shutil.rmtree(folder)
            count += 1
    return count
