"""Images without Docker Hub: what stands in for `nginx` and `postgres`, made of Debian's programs.

Each holds the programs, the libraries that `ldd` lists, and what they read; nothing else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

from tests import postgres
from tests.interop.tools import Client, find_program, missing

PAGE = "Welcome to nginx, by way of Berth.\n"
NGINX = """\
daemon off;
user root root;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  server {
    listen 80;
    root /srv;
  }
}
"""
PROXY = """\
user nginx;
worker_processes 1;
pid /run/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  include /etc/nginx/conf.d/*.conf;
}
"""
ACCOUNTS = "root:x:0:0::/:/bin/sh\npostgres:x:999:999::/:/bin/sh\n"
GROUPS = "root:x:0:\npostgres:x:999:\n"
DATA = "/var/lib/postgresql/data"
# As the image `postgres` has it: variables, files of secrets, a first start that makes a database.
POSTGRES = """\
#!/bin/sh
set -e
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    initdb --no-sync -U "$POSTGRES_USER" --pwfile="$POSTGRES_PASSWORD_FILE" -A scram-sha-256 -E UTF8
    echo "CREATE DATABASE $POSTGRES_DB;" | postgres --single -j postgres
    echo 'host all all all scram-sha-256' >> "$PGDATA/pg_hba.conf"
fi
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp
"""


class Root:
    """The files of an image, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("etc", "run", "tmp"):
            (folder / name).mkdir(parents=True)
        (folder / "tmp").chmod(0o1777)
        self.write("/etc/passwd", ACCOUNTS)
        self.write("/etc/group", GROUPS)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """A file of this content."""
        target = self._place(path)
        target.write_text(text)
        target.chmod(mode)

    def program(self, source: Path, path: str) -> None:
        """A program at this path, with its libraries where it looks for them."""
        shutil.copy2(source, self._place(path))
        listed = subprocess.run(["ldd", source], capture_output=True, text=True, check=True)
        for library in re.findall(r"(/\S+) \(0x", listed.stdout):
            if not (self.folder / library.lstrip("/")).exists():
                shutil.copy2(library, self._place(library))

    def file(self, source: Path) -> None:
        """A file, at the path that it has here."""
        shutil.copy2(source, self._place(str(source)))

    def tree(self, source: Path, *left_out: str) -> None:
        """A folder, at the path that it has here."""
        ignored = shutil.ignore_patterns(*left_out)
        shutil.copytree(source, self.folder / source.relative_to("/"), ignore=ignored)

    def into(self, docker: Client, tag: str, *changes: str) -> None:
        """Make an image of it; `changes` are lines of a Dockerfile."""
        archive = self.folder.with_suffix(".tar")
        with tarfile.open(archive, "w") as tar:
            tar.add(self.folder, arcname=".")
        options = [word for change in changes for word in ("--change", change)]
        docker("import", *options, archive, tag)
        archive.unlink()

    def _place(self, path: str) -> Path:
        target = self.folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def make_nginx(docker: Client, folder: Path, tag: str = "nginx") -> None:
    """An nginx that serves one page at port 80."""
    root = Root(folder / "nginx")
    root.program(find_program("nginx"), "/usr/sbin/nginx")
    root.write("/etc/nginx/nginx.conf", NGINX)
    root.write("/srv/index.html", PAGE)
    for name in ("body", "fastcgi", "proxy", "scgi", "uwsgi"):
        (root.folder / "var/lib/nginx" / name).mkdir(parents=True)
    root.into(docker, tag, 'CMD ["/usr/sbin/nginx"]', "EXPOSE 80")


def make_postgres(docker: Client, folder: Path, tag: str) -> None:
    """A PostgreSQL that takes the variables and the volume of the image `postgres`."""
    try:
        programs = postgres.find_programs()
    except postgres.PostgresUnavailable as error:
        missing(str(error))
    shared = Path("/usr/share/postgresql") / programs.parent.name
    if not shared.is_dir():
        missing(f"there is no {shared}: PostgreSQL is not where Debian has it")
    root = Root(folder / "postgres")
    for name in ("initdb", "pg_isready", "postgres"):
        root.program(programs / name, f"{programs}/{name}")
    root.program(find_program("dash"), "/bin/sh")
    # Just-in-time compilation would bring a compiler of 100 MB with it.
    root.tree(programs.parent / "lib", "bitcode", "llvmjit*")
    root.tree(shared)
    root.tree(Path("/usr/lib/locale/C.utf8"))
    root.file(Path("/usr/share/zoneinfo/UTC"))
    root.write("/start", POSTGRES, 0o755)
    data = root.folder / DATA.lstrip("/")
    data.mkdir(parents=True, mode=0o700)
    shutil.chown(data, 999, 999)
    environment = f"ENV PATH={programs}:/bin PGDATA={DATA} LC_ALL=C.UTF-8"
    root.into(docker, tag, environment, f"VOLUME {DATA}", "USER postgres", 'CMD ["/start"]')


def make_proxy(docker: Client, folder: Path, tag: str) -> None:
    """An nginx that reads /etc/nginx/conf.d, and has a shell, as the image `nginx` has."""
    root = Root(folder / "proxy")
    for name, path in (("nginx", "/usr/sbin/nginx"), ("dash", "/bin/sh"), ("sed", "/bin/sed")):
        root.program(find_program(name), path)
    root.write("/etc/passwd", ACCOUNTS + "nginx:x:101:101::/:/bin/sh\n")
    root.write("/etc/group", GROUPS + "nginx:x:101:\n")
    root.write("/etc/nginx/nginx.conf", PROXY)
    (root.folder / "etc/nginx/conf.d").mkdir()
    for name in ("body", "fastcgi", "proxy", "scgi", "uwsgi"):
        (root.folder / "var/lib/nginx" / name).mkdir(parents=True)
    root.into(docker, tag, "ENV PATH=/usr/sbin:/bin")
