"""Gives a registry very many names at once: 100,000 pushes to each would take an hour.

Distribution reads its names from a tree of folders, so it is given such a tree. Berth has rows.
Each repository has what a push of the small manifest would leave, and can be pulled from.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict

from benchmarks.bearer import pull
from benchmarks.client import WrongAnswer
from benchmarks.content import TAG, TAGS, Content, Growth, digest_of
from benchmarks.servers import INHERITED, ROOT, Server
from benchmarks.steps import ACCEPT, manifest_path

# Models can be imported only after django.setup().
COPY = "import django; django.setup(); from benchmarks.many.copies import main; main()"


def grow(server: Server, content: Content, size: int) -> None:
    """Let a server have `size` repositories and one of `size` tags. Raises WrongAnswer.

    Does nothing the second time. A size is never below the one before.
    """
    if server.grown >= size or server.grow is None:
        return
    growth = content.growth(server.grown, size)
    server.grow(server, content, growth)
    server.grown = size
    os.sync()  # or the disk is still busy in the first sample
    _check(server, content, growth)


def rows(server: Server, content: Content, growth: Growth) -> None:
    """Add Berth's rows, in a process that has its database."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["DJANGO_SETTINGS_MODULE"] = "registry_site.settings"
    environment["REGISTRY_DATA"] = str(server.place)
    if server.database_url:
        environment["DATABASE_URL"] = server.database_url
    pattern = {"source": TAGS, "digest": digest_of(content.small_manifest)}
    done = subprocess.run(
        [sys.executable, "-c", COPY],
        input=json.dumps(asdict(growth) | pattern),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise WrongAnswer(f"growing failed: {done.stderr.strip()[-300:]}")


def tree(server: Server, content: Content, growth: Growth) -> None:
    """Add folders of Distribution: each is a link to that of a repository or tag that was pushed.

    So there is less on the disk than pushes would leave, and less for its caches to hold.
    """
    root = server.place / "docker/registry/v2/repositories"
    pushed = root / content.repositories[0]
    tags = root / growth.tagged / "_manifests/tags"
    tags.mkdir(parents=True)
    for part in ("_layers", "_manifests/revisions"):
        (root / growth.tagged / part).symlink_to(pushed / part)
    for tag in growth.tags:
        (tags / tag).symlink_to(pushed / "_manifests/tags" / TAG)
    for name in growth.repositories:
        (root / name).symlink_to(pushed)


def _check(server: Server, content: Content, growth: Growth) -> None:
    """Whether what was added can be pulled: a name alone would be no repository."""
    added = [(name, TAG) for name in growth.repositories[-1:]]
    for name, tag in [*added, (growth.tagged, growth.tags[-1])]:
        with server.connect(pull(name)) as connection:
            path = manifest_path(name, tag)
            answer = connection.request("GET", path, ACCEPT).expect(200, f"GET {path}")
        if answer.body != content.small_manifest:
            raise WrongAnswer(f"GET {path}: another manifest")
