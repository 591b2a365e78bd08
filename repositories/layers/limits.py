"""How much of a layer is looked at, and why a listing may end early.

The figures are those of `docs/decisions/0014-looking-inside-a-layer.md`, which has the reasons.
"""

import dataclasses
from enum import StrEnum

MIB = 1024 * 1024

# Bytes that may come out of the decompressor: so many, and a little more for each entry listed, for
# its headers and the padding of its content. Without that 500 MB in small files would be too much.
MAX_OUTPUT = 512 * MIB
ENTRY_ALLOWANCE = 2048
# In the archive; and files and folders, those included that no entry names but that others lie in.
MAX_ENTRIES = 100_000
CPU_SECONDS = 10
# Between being told to end and being killed: enough to write 100,000 rows.
GRACE_CPU_SECONDS = 10
# Names and link targets in all, in bytes.
MAX_NAMES = 32 * MIB
# Linux' PATH_MAX: nothing can be extracted under a longer name.
MAX_PATH = 4096
# PAX records, GNU long names (as Go's archive/tar has it), and how many may come before an entry.
MAX_EXTENDED_HEADER = MIB
MAX_HEADERS_IN_A_ROW = 16
# What the `zstd` command takes without being asked (RFC 8878, section 3.1.1.1.2, wants >= 8 MiB).
MAX_WINDOW = 128 * MIB
MAX_MEMORY = 768 * MIB
# The file that a listing is.
MAX_LISTING = 192 * MIB

MAX_LAYERS = 127  # as many as overlayfs and Docker can mount
MAX_MERGED_ENTRIES = 300_000
MAX_MERGED_NAMES = 48 * MIB
# The listings that one merged tree is made of, in bytes: well below what the cache keeps.
MAX_MERGED_LISTINGS = 128 * MIB


class Problem(StrEnum):
    """Why a listing is not the whole layer; what came before is listed."""

    NONE = ""
    ENTRIES = "entries"
    OUTPUT = "output"
    CPU = "cpu"
    MEMORY = "memory"
    NAMES = "names"
    LAYERS = "layers"
    WINDOW = "window"
    NOT_TAR = "not-tar"
    COMPRESSION = "compression"
    TRUNCATED = "truncated"
    CHECKSUM = "checksum"
    NUMBER = "number"
    EXTENDED_HEADER = "extended-header"
    EXTENDED_SIZE = "extended-size"


@dataclasses.dataclass
class ListingEnds(Exception):
    """The rest of the layer cannot be listed, or will not be; `at` is a byte of the archive."""

    problem: Problem
    at: int = 0
