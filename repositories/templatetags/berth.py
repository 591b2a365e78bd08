"""Sizes, digests and shares, as pages show them."""

import json

from django import template
from django.conf import settings
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_SHORT_DIGEST = 12


@register.filter
def iec(size: int | None) -> str:
    """A size in bytes in IEC units with three digits: `1.21 MiB`; a dash for none."""
    if size is None:
        return "\N{EN DASH}"
    if size < 1024:
        return ngettext("%(count)s byte", "%(count)s bytes", size) % {"count": size}
    value, unit = size / 1024, 0
    # From 999.5 on, three digits would say 1000.
    while value >= 999.5 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{number_format(round(value, digits), digits)} {_UNITS[unit]}"


@register.filter
def short(digest: str) -> str:
    """A digest's first characters, as people know it from `docker images`."""
    return digest.partition(":")[2][:_SHORT_DIGEST] or digest


@register.filter
def share(part: int, whole: int) -> str:
    """`part` of `whole` in per cent, for people: `<1 %`, `12 %`."""
    if not part or not whole:
        return _("%(number)s %%") % {"number": 0}
    percent = 100 * part / whole
    return _("%(number)s %%") % {"number": "<1" if percent < 1 else round(percent)}


@register.filter
def extent(part: int, whole: int) -> str:
    """`part` of `whole` as a length for SVG: never localised, and visible where there is any."""
    return f"{100 * part / whole:.3f}%" if whole else "0%"


@register.filter
def filled(part: int, whole: int) -> str:
    """The same of what may be full, or fuller."""
    return extent(min(part, whole), whole) if whole else "100%"


@register.filter
def plainly(value: object) -> str:
    """What the audit log has kept of an action: lists with commas, and the rest as JSON."""
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@register.simple_tag
def berth_version() -> str:
    """This program's version."""
    return str(settings.VERSION)
