"""hello-world without Docker Hub: an image of one static C program."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.interop.tools import find_program

GREETING = "Hello from a container that Berth served.\n"
SOURCE = """
#include <unistd.h>
static const char text[] = "Hello from a container that Berth served.\\n";
int main(void) { return write(1, text, sizeof text - 1) != sizeof text - 1; }
"""


def hello_context(folder: Path, **extra: bytes) -> Path:
    """Fill a folder with what `docker build` wants; each extra file becomes a layer."""
    (folder / "hello.c").write_text(SOURCE)
    command = [str(find_program("cc")), "-static", "-Os", "-s", "-o", "hello", "hello.c"]
    subprocess.run(command, cwd=folder, check=True)
    lines = ["FROM scratch", "COPY hello /", 'CMD ["/hello"]']
    for name, content in extra.items():
        (folder / name).write_bytes(content)
        lines.append(f"COPY {name} /{name}")
    (folder / "Dockerfile").write_text("\n".join(lines))
    return folder
