"""Behind a trusted proxy: the scheme and host that the browser used, for all that Django does.

Without them Django takes a form that was sent over https for one of another site's.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

from accounts import addresses


def middleware(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """Write into the request what `accounts.addresses` makes of its headers."""

    def believe_trusted_proxies(request: HttpRequest) -> HttpResponseBase:
        scheme, host = addresses.origin(request.META)
        request.META[addresses.RECEIVED] = addresses.received(request.META)
        request.META["wsgi.url_scheme"] = scheme
        if host:
            request.META["HTTP_HOST"] = host
        return get_response(request)

    return believe_trusted_proxies
