"""`manage.py export_tree`: what Docker's registry needs to go on where Berth is.

The rows of one moment first, then the blobs that they name, as backups do it; then links, those of
tags last. So whoever looks at a tree that is not whole yet never finds a tag without its image.
"""

import os
import sqlite3
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from repositories import hits, leases
from repositories.backups.archive import BackupError, OwnFolder
from repositories.backups.files import Advance, Progress
from repositories.backups.taking import Lost, Taken, check_place, take
from repositories.leases import Lease
from repositories.leaving.rows import Found, Rows, is_chosen
from repositories.leaving.tree import Tree

_MARK = ".berth-export"
_EXPLANATION = "A tree for Docker's registry, exported by Berth: docs/leave.md\n"


@dataclass(slots=True)
class Report(Taken):
    """What an export did. `reused` blobs were in the tree before; `removed` are links, tags and
    repositories there that the registry does not have any more."""

    found: Found = field(default_factory=Found)
    removed: int = 0


def export(*, destination: Path, globs: Sequence[str], progress: Progress) -> Report:
    """Write the tree, or bring the one that is there up to date: of all repositories, or of those
    that one of the globs matches.

    Blobs that are lost are told, and all else is written. Raises BackupError, LeaseLost, OSError,
    Error.
    """
    check_place(destination)
    destination.mkdir(parents=True, exist_ok=True)  # readable, as that registry makes folders
    own = OwnFolder(destination, _MARK, "export")
    own.prepare(_EXPLANATION)
    with own.locked(to_write=True), leases.hold() as lease:
        tree = Tree(destination)
        _refuse_foreign(tree)
        tree.begin()
        try:
            with closing(Rows(tree.partial / "rows.sqlite3")) as rows:
                progress.begin("Reading rows", None)
                found = rows.read(globs)
                report = Report(found=found, lost=found.lost)
                _Export(tree, rows, report).run(lease, progress)
                _remove_gone(tree, set(rows.repositories()), globs, report)
        except sqlite3.Error as error:  # of the file of rows; the database's own are Django's
            raise BackupError(f"{destination} cannot be written: {error}.") from error
        finally:
            tree.end()
        os.sync()
    return report


def _refuse_foreign(tree: Tree) -> None:
    """Raises BackupError."""
    for name in tree.names():
        if tree.repository(name).is_taken_over:
            raise BackupError(
                f"Another registry has taken pushes to {name} there, which an export would undo: "
                "name another folder."
            )


class _Export:
    def __init__(self, tree: Tree, rows: Rows, report: Report) -> None:
        self._tree = tree
        self._rows = rows
        self._report = report

    def run(self, lease: Lease, progress: Progress) -> None:
        progress.begin("Taking blobs", self._report.found.bytes)
        self._take_blobs(progress.advance)
        if self._report.lost:
            lease.renew()  # or they may be lost to this export only
        progress.begin("Writing manifests and links", None)
        for digest, payload in self._rows.manifests():
            self._tree.write_blob(digest, payload)
        lost = {str(each.digest) for each in self._report.lost}
        for name in self._rows.repositories():
            self._link_contents(name, lost)
        for name in self._rows.repositories():
            self._point_tags(name)
            self._remove_rest(name, lost)

    def _take_blobs(self, advance: Advance) -> None:
        for blob, is_damaged in self._rows.blobs():
            target = self._tree.blob_path(blob.digest)
            target.parent.mkdir(parents=True, exist_ok=True)
            if is_damaged:
                users = hits.described(str(blob.digest))
                self._report.lost.append(Lost(blob.digest, "it is known to be damaged", users))
                self._tree.remove_blob(blob.digest)
            elif not take(blob, target, self._tree.draft, self._report, advance):
                self._tree.remove_blob(blob.digest)

    def _link_contents(self, name: str, lost: AbstractSet[str]) -> None:
        repository = self._tree.repository(name)
        repository.prepare()
        for layer in self._rows.layers(name):
            if layer.digest not in lost:
                repository.add(repository.layers, layer.digest, layer.at)
        for revision in self._rows.revisions(name):
            repository.add(repository.revisions, revision.digest, revision.at)

    def _point_tags(self, name: str) -> None:
        repository = self._tree.repository(name)
        for tag in self._rows.tags(name):
            index, moves = repository.index(tag.name), self._rows.moves(name, tag)
            for digest, at in moves.items():
                repository.add(index, digest, at)
            repository.point(tag.name, tag.current.digest, tag.current.at)
            self._report.removed += repository.keep_only(index, moves)

    def _remove_rest(self, name: str, lost: AbstractSet[str]) -> None:
        """What an earlier export has left that is no more."""
        repository = self._tree.repository(name)
        layers = {link.digest for link in self._rows.layers(name)} - lost
        revisions = {link.digest for link in self._rows.revisions(name)}
        self._report.removed += (
            repository.keep_only_tags({tag.name for tag in self._rows.tags(name)})
            + repository.keep_only(repository.layers, layers)
            + repository.keep_only(repository.revisions, revisions)
        )


def _remove_gone(
    tree: Tree, present: AbstractSet[str], globs: Sequence[str], report: Report
) -> None:
    for name in list(tree.names()):
        if name not in present and is_chosen(name, globs):
            tree.repository(name).remove()
            report.removed += 1
