"""Signing in and out, and how pages look."""

from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import authentication, throttle
from accounts.addresses import client_address
from accounts.web.entry import begin_session
from accounts.web.forms import SignInForm
from accounts.web.refusals import explain
from repositories.oci.errors import TooManyRequests, Unauthorized, Unavailable

THEME_COOKIE = "berth_theme"
THEMES = ("system", "light", "dark")
_YEAR_SECONDS = 365 * 24 * 3600


def local(target: str) -> str:
    """`target`, when it is an address of this site; else the first page (robustness S27)."""
    is_path = target.startswith("/") and url_has_allowed_host_and_scheme(target, allowed_hosts=None)
    return target if is_path and target.isprintable() else reverse("home")


@sensitive_post_parameters("password")
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    """The form, and what was typed into it held against the throttle and the password."""
    target = local(request.POST.get("next") or request.GET.get("next", ""))
    if request.user.is_authenticated:
        return redirect(target)
    form = SignInForm(request.POST or None)
    response: dict[str, Any] = {}
    if request.method == "POST" and form.is_valid():
        try:
            return _sign_in(request, target, **form.cleaned_data)
        except Unauthorized:
            form.add_error(None, _("This user name and password do not go together."))
        except (TooManyRequests, Unavailable) as error:  # the latter when LDAP is down
            form.add_error(None, explain(error))
            response = {"status": error.status, "headers": error.headers}
    context = {"form": form, "next": target}
    page = render(request, "accounts/sign_in.html", context, status=response.get("status"))
    for name, value in response.get("headers", {}).items():
        page.headers[name] = value
    return page


def _sign_in(request: HttpRequest, target: str, *, username: str, password: str) -> HttpResponse:
    """Raises Unauthorized, TooManyRequests, Unavailable."""
    address = client_address(request.META)
    throttle.token_requests.take(address)
    user = authentication.check_password(name=username, password=password, address=address)
    return begin_session(request, user, target)


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this browser's session."""
    logout(request)
    return redirect("home")


@require_POST
def appearance(request: HttpRequest) -> HttpResponse:
    """Remember light or dark, or a language, in a cookie; back to where the switch was used."""
    response = redirect(local(request.POST.get("next", "")))
    choices = (
        (THEME_COOKIE, request.POST.get("theme", ""), THEMES),
        (settings.LANGUAGE_COOKIE_NAME, request.POST.get("language", ""), dict(settings.LANGUAGES)),
    )
    for cookie, value, known in choices:
        if value in known:
            response.set_cookie(
                cookie,
                value,
                max_age=_YEAR_SECONDS,
                samesite="Lax",
                secure=settings.SESSION_COOKIE_SECURE,
            )
    return response
