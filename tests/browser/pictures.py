"""The pictures of the README: `python -m tests.browser.pictures docs/pictures`.

A registry of a small team is filled by HTTP, as a client would, and three of its pages are taken.
"""

import gzip
import json
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests
from playwright.sync_api import ViewportSize, sync_playwright

from tests.interop.images import CONFIG, IMAGE, INDEX, LAYER, tar_of
from tests.live import LiveServer

PASSWORD = "correct horse battery staple"
SEED = f"""
from accounts import teams
from accounts.models import User
from repositories.access import principal_of
alice = principal_of(User.objects.create_superuser("alice", password={PASSWORD!r}))
for name in ("payments", "web", "data", "platform"):
    teams.create_team(principal=alice, name=name)
"""
MEASURE = "from repositories import usage; usage.measure()"
VIEWPORT: ViewportSize = {"width": 1280, "height": 860}
APPLICATIONS = {
    "payments/api": ("1.4.0", "1.4.1", "1.5.0", "latest"),
    "payments/worker": ("1.4.0", "1.5.0"),
    "web/storefront": ("2026.10", "2026.11", "latest"),
    "web/admin": ("main", "v3.2"),
    "data/etl": ("nightly", "weekly"),
    "platform/ingress": ("1.9", "1.10"),
    "hello-world": ("latest",),
}
# The layers of each image, those that all share first: KiB, and the instruction that made it.
BASE = (
    (29_000, "/bin/sh -c #(nop) ADD file:debian-bookworm-slim in / "),
    (3_400, "RUN /bin/sh -c apt-get update && apt-get install -y ca-certificates # buildkit"),
    (11_700, "RUN /bin/sh -c set -eux; wget -O python.tar.xz; make -j; make install # buildkit"),
)
OWN = (
    (8_200, "RUN /bin/sh -c pip install --no-cache-dir -r requirements.txt # buildkit"),
    (640, "COPY . /app # buildkit"),
    (12, "RUN /bin/sh -c useradd --system app # buildkit"),
)
REPOSITORY = "/repositories/payments/api/-/"
# name: (address, where on the page the picture starts)
PICTURES = {
    "repository": (REPOSITORY, "body"),
    "layers": (f"{REPOSITORY}images/1.5.0", "#layers"),
    "compare": ("/compare?before=payments/api:1.4.1&after=payments/api:1.5.0", "body"),
}


class Registry:
    """A registry that takes what alice pushes."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.auth = ("alice", PASSWORD)

    def blob(self, name: str, content: bytes, media_type: str) -> dict[str, Any]:
        digest = f"sha256:{sha256(content).hexdigest()}"
        address = f"{self.url}/v2/{name}/blobs/uploads/?digest={digest}"
        self.session.post(address, data=content).raise_for_status()
        return {"mediaType": media_type, "digest": digest, "size": len(content)}

    def manifest(self, name: str, reference: str, content: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"schemaVersion": 2, **content}).encode()
        reference = reference or f"sha256:{sha256(body).hexdigest()}"
        self.session.put(
            f"{self.url}/v2/{name}/manifests/{reference}",
            data=body,
            headers={"Content-Type": content["mediaType"]},
        ).raise_for_status()
        digest = f"sha256:{sha256(body).hexdigest()}"
        return {"mediaType": content["mediaType"], "digest": digest, "size": len(body)}


def archive(seed: str, kib: int) -> bytes:
    noise = random.Random(seed).randbytes(kib * 1024)
    return gzip.compress(tar_of({f"usr/lib/{seed.replace('/', '-')}.so": noise}), 1, mtime=0)


def layers(name: str, tag: str, architecture: str) -> Iterator[tuple[bytes, str]]:
    for number, (kib, instruction) in enumerate(BASE):
        yield archive(f"base-{architecture}-{number}", kib), instruction
    for number, (kib, instruction) in enumerate(OWN):
        # What the code needs changes with the minor version, the code with each.
        version = tag.rpartition(".")[0] if number == 0 else tag
        more = sum(name.encode() + version.encode()) % max(kib // 3, 5)
        yield archive(f"{name}-{version}-{architecture}-{number}", kib + more), instruction


def image(registry: Registry, name: str, tag: str, architecture: str) -> dict[str, Any]:
    packed = list(layers(name, tag, architecture))
    config = {
        "os": "linux",
        "architecture": architecture,
        "created": "2026-11-20T09:12:00Z",
        "config": {
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PYTHON_VERSION=3.13.9", f"VERSION={tag}"],
            "Entrypoint": ["python", "-m", "app"],
            "ExposedPorts": {"8080/tcp": {}},
            "User": "app",
            "WorkingDir": "/app",
        },
        "rootfs": {"type": "layers", "diff_ids": []},
        "history": [
            {"created": "2026-11-20T09:12:00Z", "created_by": instruction}
            for _, instruction in packed
        ],
    }
    found = {
        "mediaType": IMAGE,
        "config": registry.blob(name, json.dumps(config).encode(), CONFIG),
        "layers": [registry.blob(name, content, LAYER) for content, _ in packed],
    }
    described = registry.manifest(name, "", found)
    return described | {"platform": {"os": "linux", "architecture": architecture}}


def fill(registry: Registry) -> None:
    for name, tags in APPLICATIONS.items():
        for tag in tags:
            entries = [image(registry, name, tag, kind) for kind in ("amd64", "arm64")]
            registry.manifest(name, tag, {"mediaType": INDEX, "manifests": entries})


def take(site: LiveServer, folder: Path) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        context = browser.new_context(viewport=VIEWPORT, device_scale_factor=1)
        page = context.new_page()
        page.goto(f"{site.url}/sign-in")
        page.get_by_label("User name").fill("alice")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{site.url}/")
        for name, (address, start) in PICTURES.items():
            page.goto(site.url + address)
            page.locator(start).evaluate("element => element.scrollIntoView()")
            page.screenshot(path=folder / f"{name}.png")
        browser.close()


def main(folder: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as kept,
        LiveServer(Path(kept) / "data", open_access=False) as site,
    ):
        site.manage("shell", "-v", "0", "-c", SEED)
        fill(Registry(site.url))
        site.manage("shell", "-v", "0", "-c", MEASURE)
        take(site, folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
