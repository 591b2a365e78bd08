"""The commands that stand in our docs, as somebody would type them."""

from __future__ import annotations

import re
from pathlib import Path

_BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# A comment is what a command shows, or what it is for, in the language of the page.
_COMMENT = re.compile(r"(?:^|[ \t]+)#(?: .*)?$", re.MULTILINE)
# Where several machines are, a comment on the first line says which one it is for.
_PLACE = re.compile(r"# .*\b(manager\d)\b")


def commands(page: Path) -> list[str]:
    """Each block of commands on the page, without comments and empty lines."""
    return [_without_comments(block) for block in _BLOCK.findall(page.read_text())]


def placed(page: Path) -> list[tuple[str, str]]:
    """Each block of commands, with the name of the machine that it is for."""
    found = []
    for block in _BLOCK.findall(page.read_text()):
        place = _PLACE.match(block)
        assert place, f"which machine is this for?\n{block}"
        found.append((place[1], _without_comments(block)))
    return found


def _without_comments(block: str) -> str:
    lines = _COMMENT.sub("", block).splitlines()
    return "\n".join(line for line in lines if line.strip())
