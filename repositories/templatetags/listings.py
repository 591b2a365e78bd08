"""How the pages write modes and times of files."""

import stat
from datetime import UTC, datetime

from django import template

from repositories.layers.store import Row
from repositories.layers.tree import Kind

register = template.Library()

_TYPES = {
    Kind.FOLDER: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.CHARACTER_DEVICE: stat.S_IFCHR,
    Kind.BLOCK_DEVICE: stat.S_IFBLK,
    Kind.FIFO: stat.S_IFIFO,
}


@register.filter
def mode(row: Row) -> str:
    """`drwxr-xr-x`, as `ls -l` has it."""
    return stat.filemode(_TYPES.get(row.kind, stat.S_IFREG) | row.mode)


@register.filter
def moment(seconds: int) -> datetime:
    """The time of seconds since 1970, in UTC."""
    return datetime.fromtimestamp(seconds, UTC)
