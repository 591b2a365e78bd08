"""What the pages show: filled into a server's data by the domain functions, in a process beside it.

`python manage.py shell -c "from tests.browser import world; world.fill()"`; the last line that it
prints is JSON with the addresses of the pages by their names in `pages.py`, and what people need to
sign in.
"""

import json
from datetime import timedelta
from typing import cast

from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from repositories import administration, pulls, tags, usage
from repositories.access import principal_of
from repositories.manifests import PushedManifest
from repositories.models import Repository, StorageSample
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.storage import storage
from repositories.storage.filesystem import FilesystemStorage
from tests.accounts.web.conftest import PASSWORD, World, make_world
from tests.accounts.web.test_who_may import ROWS
from tests.oci.documents import descriptor
from tests.repositories.layers.archives import gzipped, layer
from tests.repositories.scrubbing import flip, remove, repair
from tests.repositories.web.images import NAME, push, push_artifact, push_list

ROOT_FILES = layer(
    {
        "etc": None,
        "etc/os-release": b"NAME=Harbour\n" * 20,
        "etc/ssl/certs/ca.pem": b"-" * 3000,
        "usr/bin/tool": b"\x7fELF" * 4000,
        "bin": "usr/bin",
    }
)
APP_FILES = layer({"srv/app/main.py": b"print('hello')\n", "etc/.wh.os-release": b""})
CONFIG = {
    "os": "linux",
    "created": "2025-02-03T10:20:30Z",
    "author": "Ada <ada@example.com>",
    "config": {
        "Entrypoint": ["/usr/bin/tool"],
        "Cmd": ["--serve", "0.0.0.0:8080"],
        "Env": ["PATH=/usr/bin:/bin", "LANG=C.UTF-8"],
        "Labels": {"org.opencontainers.image.source": "https://example.com/acme/api"},
        "User": "1000:1000",
        "WorkingDir": "/srv/app",
        "ExposedPorts": {"8080/tcp": {}},
        "Volumes": {"/var/data": {}},
        "StopSignal": "SIGINT",
        "Healthcheck": {"Test": ["CMD", "tool", "ping"], "Interval": 30_000_000_000, "Retries": 3},
    },
    "history": [
        {"created_by": "/bin/sh -c #(nop) ADD file:" + "5" * 64 + " in / "},
        {"created_by": "ENV LANG=C.UTF-8", "empty_layer": True},
        {"created_by": "RUN /bin/sh -c pip install --no-cache-dir acme-api==1.2 # buildkit"},
    ],
}
DESCRIPTION = """# The API of payments

Takes *orders* and gives **receipts**. See [the handbook](https://example.com/handbook).

| port | what |
|------|------|
| 8080 | HTTP |

1. Pull it.
2. Run it.

> Not for strangers.

    docker run payments/api
"""


def fill() -> None:
    """Fill the database and the storage, and print the addresses."""
    User.objects.all().delete()  # the server's first start has made one, of the name of our own
    world = make_world()
    for name in ("admin", "owner", "guest", "stranger"):
        _give_password(world.users[name])
    code = _careful_user()
    of_content = _content(world)
    _damage(world)
    _measures(world)
    addresses = _of_rows(world) | _of_extras() | of_content
    found = {"addresses": addresses, "code": code}
    print(json.dumps(found))


def _give_password(user: User) -> None:
    user.set_password(PASSWORD)
    user.save(update_fields=["password"])


def _careful_user() -> str:
    """A user with a second factor; returns a recovery code, which lets them in once."""
    user = User.objects.create_user("careful", password=PASSWORD)
    TOTP.activate(user, generate_totp_secret())
    return str(RecoveryCodes.activate(user).get_unused_codes()[0])


def image_of(world: World, tag: str, architecture: str, *layers: bytes) -> PushedManifest:
    """An image that says all that an image can say."""
    return push(world, tag, *layers, config=CONFIG | {"architecture": architecture})


def _content(world: World) -> dict[str, str]:
    """Push what an image, an index, an artifact and a signature show; returns their pages."""
    owner = principal_of(world.users["owner"])
    old = image_of(world, "moved", "amd64", gzipped(ROOT_FILES), gzipped(APP_FILES))
    other = image_of(world, "arm", "arm64", gzipped(ROOT_FILES), gzipped(APP_FILES + bytes(512)))
    image_of(world, "moved", "amd64", gzipped(APP_FILES))
    several = push_list(world, "multi", old, other)
    push_artifact(
        world,
        "chart",
        b"a chart",
        config=descriptor(b"{}", "application/vnd.cncf.helm.config.v1+json"),
        annotations={"org.opencontainers.image.title": "payments", "version": "1.2.0"},
    )
    signature = push_artifact(
        world,
        "",
        b"a signature",
        artifactType="application/vnd.dev.cosign.artifact.sig.v1+json",
        subject=descriptor(b"", media_types.OCI_MANIFEST, digest=str(old.digest), size=1),
        annotations={"org.opencontainers.image.created": "2025-02-03T10:20:30Z"},
    )
    push(world, "gone", gzipped(ROOT_FILES), config=CONFIG)
    tags.delete(principal=owner, repository=NAME, name="gone")
    administration.set_description(principal=owner, name=NAME, description=DESCRIPTION)
    Repository.objects.create(name="payments/empty", team=world.team)
    odd = push(world, "odd", b"no archive", name="payments/odd")
    return {
        "image-of-platforms": _image("multi"),
        "image-of-a-platform": _image("multi") + "?platform=linux/arm64",
        "referrers-of-platforms": _image(str(old.digest), "image-referrers"),
        "history-of-a-moved-tag": _image("moved", "image-history"),
        "image-by-digest": _image(str(old.digest)),
        "chart": _image("chart"),
        "signature": _image(str(signature.digest)),
        "compared": f"/compare?before={NAME}:multi&after={NAME}:moved&platform=linux/amd64",
        "search-found": f"/search?q={str(several.digest)[7:15]}",
        "layer-folder": _layer(ROOT_FILES) + "?folder=etc",
        "layer-search": _layer(ROOT_FILES) + "?q=e",
        "files-folder": _files(NAME, str(old.digest)) + "?folder=etc",
        "layer-refused": _files("payments/odd", str(odd.digest)),
        "untagged-none": "/repositories/payments/empty/-/untagged",
        "repository-empty": "/repositories/payments/empty/-/",
    }


def _damage(world: World) -> None:
    """A layer that the scrub has set apart, and one that it has found to be lost."""
    layers = (b"a damaged layer", b"a lost layer")
    push(world, "damaged", *layers, name="payments/odd")
    disk = cast("FilesystemStorage", storage())
    flip(disk, Digest.of(layers[0]))
    remove(disk, Digest.of(layers[1]))
    repair()


def _image(reference: str, page: str = "image") -> str:
    return reverse(page, kwargs={"name": NAME, "reference": reference})


def _layer(content: bytes) -> str:
    digest = str(Digest.of(gzipped(content)))
    return reverse("repository-layer", kwargs={"name": NAME, "digest": digest})


def _files(name: str, digest: str) -> str:
    return reverse("repository-files", kwargs={"name": name, "digest": digest})


def _measures(world: World) -> None:
    """A fortnight's growth, and pulls, as the jobs of a server would have written them."""
    now = timezone.now()
    for days in range(1, 15):
        for team in (None, world.team):
            at = now - timedelta(days=days)
            size = (20 - days) << 20
            StorageSample.objects.create(
                team=team, day=at.date(), measured_at=at, bytes=size, blobs=9, manifests=4
            )
    pulls.flush()
    usage.measure()


def _of_rows(world: World) -> dict[str, str]:
    return {
        row.name: reverse(row.name, kwargs=row.arguments(world)) for row in ROWS if row.data is None
    }


def _of_extras() -> dict[str, str]:
    return {
        "home": "/",
        "home-of-nobody": "/",
        "home-filtered": "/?text=zzz&team=payments&sort=name",
        "compare": "/compare?before=payments/api:",
        "storage-of-team": "/storage?team=payments",
        "activity-paused": "/activity?paused",
        "search-nothing": "/search?q=nothing-has-this-name",
        "audit-wrong": "/manage/audit?outcome=never&actor=" + "a" * 200,
        "manage-user-oneself": "/manage/users/admin",
        "second-factor": reverse("mfa_index"),
        "second-factor-on": reverse("mfa_activate_totp"),
        "second-factor-off": reverse("mfa_deactivate_totp"),
        "second-factor-kept": reverse("mfa_index"),
        "recovery-codes": reverse("mfa_view_recovery_codes"),
        "recovery-codes-new": reverse("mfa_generate_recovery_codes"),
        "confirm": reverse("account_reauthenticate"),
        "sign-in-code": reverse("mfa_authenticate"),
        "not-found": "/nowhere",
        "not-found-for-nobody": "/nowhere",
        "forbidden": "/manage/users",
        "api": "/api/v1/docs/",
    }
