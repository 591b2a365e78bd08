"""Times and matches, as lists show them."""

from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

register = template.Library()


@register.filter
def ago(at: datetime) -> str:
    """How long ago something was, in the largest unit: `40 seconds ago`, `3 weeks ago`."""
    seconds = int((timezone.now() - at).total_seconds())
    if seconds < 1:
        return _("just now")
    if seconds < 60:
        return ngettext("%(count)s second ago", "%(count)s seconds ago", seconds) % {
            "count": seconds
        }
    return _("%(time)s ago") % {"time": timesince(at, depth=1)}


@register.filter
def marked(text: str, part: str) -> SafeString:
    """`text`, escaped, with the first place that matches `part` (in whatever case) marked."""
    place = text.lower().find(part.lower()) if part else -1
    # Lower case can be longer than what it is of.
    if place < 0 or len(text.lower()) != len(text):
        return format_html("{}", text)
    end = place + len(part)
    return format_html("{}<mark>{}</mark>{}", text[:place], text[place:end], text[end:])
