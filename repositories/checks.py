"""System checks: what is misconfigured is said at the start, with what to do about it."""

import errno
import pkgutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from repositories.models import Adoption
from repositories.storage import storage


def restore_mark() -> Path:
    """The file that is there from the beginning of a restore to its end."""
    return Path(settings.DATA_FOLDER) / "restoring"


@register(Tags.files)
def check_restored(**_: Any) -> Sequence[CheckMessage]:
    """Nothing is served of what is half restored."""
    if not restore_mark().exists():
        return []
    return [
        Error(
            "A restore into this data folder has not ended.",
            hint=f"Run it again. {restore_mark()} names the snapshot.",
            id="berth.E006",
        )
    ]


@register(Tags.compatibility)
def check_schema(**_: Any) -> Sequence[CheckMessage]:
    """The database is none that a newer version has changed: half of it would be served, and the
    collector would not know what the new tables need."""
    try:
        unknown = unknown_migrations()
    except DatabaseError:
        return []  # whoever needs the database says so, and it may be there in a moment
    if not unknown:
        return []
    return [
        Error(
            f"The database is of a newer Berth: this is Berth {settings.VERSION}, which knows "
            f"nothing of {', '.join(unknown)}.",
            hint="Start the newer one again, or go back to the backup from before the upgrade "
            "(docs/upgrade.md).",
            id="berth.E007",
        )
    ]


@register(Tags.compatibility)
def check_shadow(**_: Any) -> Sequence[CheckMessage]:
    """What a shadow has shown is not served, or scrubbed, as if its bytes were in our storage."""
    if settings.SHADOW or not _has_database():
        return []
    try:
        row = Adoption.objects.filter(is_shadow=True).first()
    except DatabaseError:
        return []
    if row is None:
        return []
    return [
        Error(
            f"The database is that of a shadow of {row.root}.",
            hint=f"Start it with --shadow {row.root}; or name another data folder with --data.",
            id="berth.E008",
        )
    ]


def _has_database() -> bool:
    """Whether there may be one; looking at SQLite's would make it."""
    place = Path(connection.settings_dict["NAME"])
    return connection.vendor != "sqlite" or not place.is_absolute() or place.exists()


def unknown_migrations() -> Sequence[str]:
    """Migrations of ours that the database has seen and this program does not have.

    Raises DatabaseError.
    """
    if not _has_database():
        return []
    applied = {
        (app, name)
        for app, name in MigrationRecorder(connection).applied_migrations()
        if app in ("accounts", "repositories")
    }
    unknown = applied - _own_migrations()
    if unknown:  # squashed ones are known by what has replaced them
        loader = MigrationLoader(None, load=False)
        loader.load_disk()
        found = loader.disk_migrations.values()
        unknown -= {replaced for migration in found for replaced in migration.replaces}
    return sorted(f"{app}.{name}" for app, name in unknown)


def _own_migrations() -> set[tuple[str, str]]:
    return {
        (app, module.name)
        for app in ("accounts", "repositories")
        for module in pkgutil.iter_modules(import_module(f"{app}.migrations").__path__)
    }


@register(Tags.files)
def check_storage(**_: Any) -> Sequence[CheckMessage]:
    """The blob folder exists or can be made, is writable, and lies on one file system."""
    try:
        storage().check()
    except ImportError as error:
        return [Error(f"The blob storage cannot be loaded: {error}", id="berth.E001")]
    except OSError as error:
        if error.errno == errno.EXDEV:
            return [
                Error(
                    f"Uploads ({error.filename}) and blobs lie on different file systems, so that "
                    "a blob cannot be published by renaming it.",
                    hint="Mount one volume over the whole data folder.",
                    id="berth.E002",
                )
            ]
        return [
            Error(
                f"Blobs cannot be kept in {error.filename}: {error.strerror}.",
                hint="Correct its permissions, or name another folder with --data.",
                id="berth.E003",
            )
        ]
    return []


@register(Tags.security)
def check_public_url(**_: Any) -> Sequence[CheckMessage]:
    """REGISTRY_HTTP_HOST, when given, is an address that a client can use."""
    if not settings.PUBLIC_URL:
        return []
    try:
        parts = urlsplit(settings.PUBLIC_URL)
        sane = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sane = False
    if sane and not (parts.path or parts.query or parts.fragment or parts.username):
        return []
    return [
        Error(
            f"REGISTRY_HTTP_HOST={settings.PUBLIC_URL!r} is not an address of a registry.",
            hint="Write scheme and host only, such as https://registry.example.com.",
            id="berth.E004",
        )
    ]


@register(Tags.security)
def check_secret_key(**_: Any) -> Sequence[CheckMessage]:
    """There is a secret key that nobody can guess."""
    if len(settings.SECRET_KEY) >= 32 and len(set(settings.SECRET_KEY)) >= 8:
        return []
    return [
        Error(
            "SECRET_KEY is too short to be secret.",
            hint="Give at least 32 random characters, or leave it out to have one made.",
            id="berth.E005",
        )
    ]
