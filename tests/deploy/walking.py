"""The commands that stand in our docs, as somebody would type them."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A comment is what a command shows, or what it is for, in the language of the page.
_COMMENT = re.compile(r"(?:^|[ \t]+)#(?: .*)?$", re.MULTILINE)


def commands(page: Path) -> list[str]:
    """Each block of commands on the page, without comments and empty lines."""
    found = []
    for block in _BLOCK.findall(page.read_text()):
        lines = _COMMENT.sub("", block).splitlines()
        found.append("\n".join(line for line in lines if line.strip()))
    return found
