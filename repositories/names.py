"""Which repositories have a text somewhere in their names: see `parts`."""

import re

from django.db.models import Q

from repositories.oci.names import MAX_NAME_BYTES
from repositories.parts import Parts

_NAME = re.compile(r"[a-z0-9._/-]+", re.ASCII)
# Sorts behind every character of names.
_LAST = "~"

PARTS = Parts(
    table="repositories_repository",
    columns=("name",),
    index="repositories_names",
    prefix="repository",
)


def containing(text: str) -> Q:
    """The repositories whose name contains `text`, which is in lower case as names are.

    As ids when they are few: whatever the order is, its index is looked through for them once.
    Two characters are no piece: names are read through until enough have them, as with many ids.
    """
    if not text:
        return Q()
    if len(text) > MAX_NAME_BYTES or not _NAME.fullmatch(text):
        return Q(pk__in=())
    ids = PARTS.ids(text)
    return Q(name__contains=text) if ids is None else Q(pk__in=ids)


def beginning(text: str) -> Q:
    """Those whose name begins with `text`: a range of the index of names."""
    return Q(name__gte=text, name__lt=text + _LAST)
