"""What errors that programs are told in English say to people, in their language."""

from django.conf import settings
from django.utils.translation import gettext, ngettext

from repositories.oci.errors import (
    QuotaExceeded,
    ReadOnly,
    TagImmutable,
    TooManyRequests,
    Unavailable,
)
from repositories.quotas import in_words
from repositories.read_only import setting

# What a limit forbids.
FORBIDDEN = (ReadOnly, TagImmutable, QuotaExceeded)


def explain(error: TooManyRequests | Unavailable) -> str:
    """Why signing in has to wait, and how long."""
    if isinstance(error, Unavailable):
        return gettext("The directory that knows your password cannot be reached. Try again soon.")
    seconds = int(error.headers.get("Retry-After", "1"))
    text = ngettext(
        "There were too many attempts from your address. Try again in %(seconds)d second.",
        "There were too many attempts from your address. Try again in %(seconds)d seconds.",
        seconds,
    )
    return text % {"seconds": seconds}


def explain_refusal(error: ReadOnly | TagImmutable | QuotaExceeded) -> str:
    """Why something may not be changed, and who could have it changed."""
    if isinstance(error, TagImmutable):
        text = ngettext(
            "The tag %(tags)s is immutable. Change the patterns of immutable tags first, in the "
            "settings of the repository or of its team.",
            "The tags %(tags)s are immutable. Change the patterns of immutable tags first, in the "
            "settings of the repository or of its team.",
            len(error.tags) + error.more,
        )
        more = "\N{HORIZONTAL ELLIPSIS}" if error.more else ""
        return text % {"tags": ", ".join(error.tags) + more}
    if isinstance(error, QuotaExceeded):
        text = gettext(
            "This does not fit: %(used)s of the quota of %(quota)s are used. Delete what nobody "
            "needs, or ask for a larger quota."
        )
        return text % {key: in_words(number) for key, number in error.numbers.items()}
    if error.reason == "archived":
        return gettext(
            "This repository is archived: pulls go on. Its maintainers can change that in its "
            "settings."
        )
    if error.reason == "setting" and settings.SHADOW:
        return gettext(
            "This server only shows what another registry holds, and takes no changes: make them "
            "there."
        )
    if error.reason == "setting":
        text = gettext(
            "This server is read-only for now: pulls go on. Its operator can end this by "
            "%(setting)s=false."
        )
        return text % {"setting": setting()}
    return gettext(
        "This server is read-only for now: pulls go on. Administrators can switch this off."
    )
