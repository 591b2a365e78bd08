"""The proxy doctor: what this server is told of a request, what is wrong, and how to mend it."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.shortcuts import render

from accounts import proxy, proxy_lines
from accounts.addresses import origin
from accounts.permissions import require_admin
from accounts.proxy_facts import HEADERS, facts_of, origin_of, written
from accounts.web.page import SignedInRequest, page
from accounts.web.principal import principal_of


@page("GET")
def doctor(request: SignedInRequest) -> HttpResponse:
    """This very request, as it came through whatever stands between, for administrators."""
    require_admin(principal_of(request))
    facts = facts_of(request.META, browser=_browser(request))
    found = proxy.findings(facts)
    context = {
        "facts": facts,
        "findings": found,
        "problems": sum(finding.level is proxy.Level.PROBLEM for finding in found),
        "headers": [(name, facts.headers.get(name)) for name in HEADERS],
        "realm": f"{facts.base}/token" if facts.base else "",
        "is_relative": not facts.base or (settings.RELATIVE_URLS and not settings.PUBLIC_URL),
        "large": proxy_lines.LARGE,
        "address": facts.browser or facts.base,
    }
    return render(request, "accounts/manage/proxy.html", context)


def _browser(request: HttpRequest) -> str:
    """The origin in the browser's address line: as the page's script or form says it, or else as
    the browser itself does when one comes from another page of the administration."""
    given = origin_of(request.GET.get("browser", ""))
    if given:
        return given
    referrer = request.headers.get("Referer", "")
    # Other sites may lead here, too. Browsers say so, though by https only.
    site = request.headers.get("Sec-Fetch-Site", "")
    is_ours = site == "same-origin" or (not site and _path(referrer).startswith("/manage/"))
    return origin_of(referrer) if is_ours else ""


def _path(url: str) -> str:
    try:
        return urlsplit(url).path
    except ValueError:
        return ""


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """What Django answers to a form that another site may have sent; or this one, behind a proxy
    that does not tell by which address it was asked.

    Nobody can sign in then to see the doctor, so this says how to get that far, to everybody: it
    tells nothing of the network behind the proxy.
    """
    used = origin_of(request.headers.get("Origin", ""))
    seen = written(origin(request.META))
    context: dict[str, Any] = {}
    if used and used != seen and _is_our_form(request):
        fixes = [proxy_lines.berth("REGISTRY_HTTP_HOST", used)]
        context = {"used": used, "seen": seen, "fixes": fixes}
    return render(request, "403_csrf.html", context, status=403)


class _TokenCheck(CsrfViewMiddleware):
    """Only says whether it would refuse."""

    def _reject(self, request: HttpRequest, reason: str) -> HttpResponse:
        return HttpResponse(status=403)


def _is_our_form(request: HttpRequest) -> bool:
    """By what the browser says, which it does by https only; else by the form's token, which no
    other site knows. An address that somebody else chose must not be advised."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    del request.META["HTTP_ORIGIN"]
    check = _TokenCheck(lambda _: HttpResponse())
    return check.process_view(request, form_refused, (), {}) is None
