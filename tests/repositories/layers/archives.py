"""Archives to look into, and to break: made by hand where no tool would make them."""

import gzip
import io
import tarfile
from collections.abc import Mapping

import zstandard

BLOCK = 512
END = bytes(2 * BLOCK)


def entry(
    name: str | bytes = "file",
    content: bytes = b"",
    *,
    kind: bytes = b"0",
    size: int | bytes | None = None,
    link: str | bytes = b"",
    magic: bytes = b"ustar\x0000",
    mode: bytes = b"0000644\0",
    prefix: bytes = b"",
    checksum: bytes | None = None,
) -> bytes:
    """One entry of a tar archive, with whatever one likes in its fields."""
    size = len(content) if size is None else size
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    name = name if isinstance(name, bytes) else name.encode()
    link = link if isinstance(link, bytes) else link.encode()
    start = name.ljust(100, b"\0")[:100] + mode + b"0000000\0" * 2 + field + b"00000000000\0"
    rest = kind + link.ljust(100, b"\0") + magic + bytes(80) + prefix
    block = (start + b" " * 8 + rest).ljust(BLOCK, b"\0")
    stated = checksum if checksum is not None else b"%06o\0 " % sum(block)
    return block[:148] + stated + block[156:] + content + bytes(-len(content) % BLOCK)


def records(**pairs: str | bytes) -> bytes:
    """The content of a PAX header; `__` in a name stands for a dot."""
    return b"".join(
        record(name.replace("__", "."), value if isinstance(value, bytes) else value.encode())
        for name, value in pairs.items()
    )


def record(name: str, value: bytes) -> bytes:
    rest = b" " + name.encode() + b"=" + value + b"\n"
    length = len(rest)
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def pax(**pairs: str | bytes) -> bytes:
    """An extended header for the entry behind it."""
    return entry("pax", records(**pairs), kind=b"x")


def archive(*entries: bytes) -> bytes:
    return b"".join(entries) + END


def layer(
    files: Mapping[str, bytes | str | None], *, tar_format: int = tarfile.PAX_FORMAT
) -> bytes:
    """A tar archive by Python's own: contents by name; None for a folder, a text for a symlink."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.mtime = 1_600_000_000
            if content is None:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            elif isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
            else:
                info.size = len(content)
            tar.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return buffer.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def zstded(content: bytes) -> bytes:
    return zstandard.compress(content)
