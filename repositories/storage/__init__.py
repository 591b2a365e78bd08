"""Where the bytes are: `storage()` gives the driver that the settings name."""

from functools import cache
from typing import cast

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from repositories.storage.base import Storage


@cache
def storage() -> Storage:
    """The configured driver, made once a process. Raises ImportError for an unknown BACKEND."""
    driver = import_string(settings.BLOB_STORAGE["BACKEND"])
    return cast("Storage", driver(**settings.BLOB_STORAGE.get("OPTIONS", {})))


def _forget(*, setting: str, **_: object) -> None:
    if setting == "BLOB_STORAGE":
        storage.cache_clear()


setting_changed.connect(_forget)
