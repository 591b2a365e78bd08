"""What every page has in common."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_http_methods
from django_htmx.http import HttpResponseClientRedirect

from accounts.models import User
from accounts.web.refusals import FORBIDDEN, explain_refusal
from repositories.access import ANONYMOUS
from repositories.oci.errors import OCIError

P = ParamSpec("P")


class SignedInRequest(HttpRequest):
    """A request whose user has signed in."""

    user: User


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]
SignedInView = Callable[Concatenate[SignedInRequest, P], HttpResponseBase]


def to_sign_in(request: HttpRequest) -> HttpResponse:
    """To the sign-in page, and back from there to the page that the visitor sees."""
    # Nobody can come back to an address that only takes forms.
    back = request.get_full_path() if request.method in ("GET", "HEAD") else reverse("home")
    if not is_part(request):
        return redirect_to_login(back, settings.LOGIN_URL)
    # htmx follows a redirect by itself, and would put the sign-in page into a part of this one.
    back = request.htmx.current_url_abs_path or back  # type: ignore[attr-defined]
    target = redirect_to_login(back, settings.LOGIN_URL).url
    return HttpResponseClientRedirect(target, headers={"Cache-Control": "no-store"})


def has_ended(request: HttpRequest) -> bool:
    """Whether a script asks for a part of a page whose session has ended meanwhile.

    What strangers may see would else take the place of what somebody saw who had signed in.
    """
    if request.user.is_authenticated or not is_part(request):
        return False
    return settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.is_empty()


def is_part(request: HttpRequest) -> bool:
    """Whether htmx asks, and not for the whole page to go back to."""
    htmx = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.history_restore_request


def page(*methods: str) -> Callable[[SignedInView[P]], View[P]]:
    """A view for people who have signed in, answering these methods; others sign in first.

    What a domain function does not find is a 404; what it denies is a 403 with its reason (Django's
    own doing), and so is what a limit forbids. No copy of the answer is kept: it may hold a secret.
    """

    def decorate(view: SignedInView[P]) -> View[P]:
        @require_http_methods([*methods, "HEAD"] if "GET" in methods else list(methods))
        @functools.wraps(view)
        def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return to_sign_in(request)
            try:
                response = view(request, *args, **kwargs)  # type: ignore[arg-type]
            except ObjectDoesNotExist as error:
                raise Http404 from error
            except FORBIDDEN as error:
                raise PermissionDenied(explain_refusal(error)) from error
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return cast("View[P]", answer)

    return decorate


def public_page(*methods: str) -> Callable[[View[P]], View[P]]:
    """A view for whoever may read, signed in or not, as `repositories/access.py` decides.

    Where nobody reads anonymously, who has not signed in does so first, whatever the address. What
    a domain function does not find, or what the visitor may not know of, is the same 404.
    """

    def decorate(view: View[P]) -> View[P]:
        @require_http_methods([*methods, "HEAD"] if "GET" in methods else list(methods))
        @functools.wraps(view)
        def answer(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            is_readable = ANONYMOUS.is_unlimited or settings.ANONYMOUS_ACCESS != "none"
            if has_ended(request) or not (request.user.is_authenticated or is_readable):
                return to_sign_in(request)
            try:
                response = view(request, *args, **kwargs)
            except ObjectDoesNotExist as error:
                raise Http404 from error
            except FORBIDDEN as error:
                raise PermissionDenied(explain_refusal(error)) from error
            except OCIError as error:
                # 400: a digest that is none names nothing.
                if error.status not in (400, 401, 404):
                    raise
                raise Http404 from error
            response.headers.setdefault("Cache-Control", "no-store")
            return response

        return cast("View[P]", answer)

    return decorate


class telling_why_not:  # noqa: N801  (reads as part of a `with` statement)
    """Show what a domain function refuses at the top of the next page."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, ValidationError):
            return False
        for text in error.messages:
            messages.error(self._request, text)
        return True
