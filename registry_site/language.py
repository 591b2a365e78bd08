"""In which language a thread speaks, once a page is answered: in none of a reader's."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils import translation

GetResponse = Callable[[HttpRequest], HttpResponseBase]


def middleware(get_response: GetResponse) -> GetResponse:
    """Undo what Django's LocaleMiddleware, which comes after this one, does to the thread.

    Django leaves the language as it is until the next request sets another. Here the same threads
    answer `/v2/` past all middleware, and what those write into logs is English.
    """

    def forget_language(request: HttpRequest) -> HttpResponseBase:
        try:
            return get_response(request)
        finally:
            translation.deactivate()

    return forget_language
