"""What every page's template knows."""

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, object]:
    """Whether there is anything to browse for whoever asks."""
    user = getattr(request, "user", None)
    is_signed_in = user is not None and user.is_authenticated
    is_public = settings.OPEN_ACCESS or settings.ANONYMOUS_ACCESS != "none"
    return {"may_browse": is_signed_in or is_public}
