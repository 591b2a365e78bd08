"""Image configs, read from storage once: a digest always means the same bytes."""

from collections import OrderedDict
from threading import Lock

from repositories.oci import image
from repositories.oci.digests import Digest
from repositories.oci.image import ImageConfig, InvalidImageConfig
from repositories.storage import storage
from repositories.storage.base import BlobMissing

# What is kept in one process, by the sizes of the blobs that it was made of.
MAX_KEPT_BYTES = 8 * 1024 * 1024
# An entry costs this much more, however small its blob.
_ENTRY_BYTES = 4 * 1024

_kept: OrderedDict[Digest, tuple[int, ImageConfig | str]] = OrderedDict()
_kept_bytes = 0
_lock = Lock()


class ConfigUnreadable(Exception):
    """The config cannot be shown; the text says why."""


def read(*, digest: Digest, size: int) -> ImageConfig:
    """The config whose blob of `size` bytes an image names. Raises ConfigUnreadable.

    The caller has made sure that the repository links the blob.
    """
    with _lock:
        found = _kept.get(digest)
        if found is not None:
            _kept.move_to_end(digest)
    config = found[1] if found is not None else _load(digest, size)
    if isinstance(config, str):
        raise ConfigUnreadable(config)
    return config


def _load(digest: Digest, size: int) -> ImageConfig | str:
    if size > image.MAX_BYTES:
        return f"it is larger than {image.MAX_BYTES} bytes"
    try:
        with storage().open_blob(digest) as blob:
            payload = blob.read(image.MAX_BYTES + 1)
    except (BlobMissing, OSError):
        return "its bytes are missing from storage"  # not kept: they may come back
    config: ImageConfig | str
    try:
        config = image.parse(payload)
    except InvalidImageConfig as error:
        config = str(error)
    _keep(digest, len(payload) + _ENTRY_BYTES, config)
    return config


def _keep(digest: Digest, weight: int, config: ImageConfig | str) -> None:
    global _kept_bytes  # noqa: PLW0603  (the cache is the process's)
    with _lock:
        if digest not in _kept:
            _kept[digest] = (weight, config)
            _kept_bytes += weight
        while _kept_bytes > MAX_KEPT_BYTES:
            _, (oldest, _) = _kept.popitem(last=False)
            _kept_bytes -= oldest


def forget_everything() -> None:
    """Empty the cache, for tests."""
    global _kept_bytes  # noqa: PLW0603
    with _lock:
        _kept.clear()
        _kept_bytes = 0
