"""What errors that programs are told in English say to people, in their language."""

from django.utils.translation import gettext, ngettext

from repositories.oci.errors import TooManyRequests, Unavailable


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
