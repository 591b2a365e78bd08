"""Signing in by the OpenID provider: who that is here, and which teams their groups give them."""

import logging
from collections.abc import Callable
from typing import Any

from allauth.account.internal.flows.reauthentication import get_reauthentication_flows
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from accounts import addresses, audit, external, groups
from accounts.models import User
from accounts.provider import ID, Protocol
from accounts.web.entry import refuse

CREDENTIAL = "single sign-on"

logger = logging.getLogger(__name__)


@never_cache
def sign_in(request: HttpRequest) -> HttpResponse:
    """To the provider; `?process=connect` links its account to the user who is signed in."""
    return _answer(request, OAuth2LoginView.adapter_view)


@never_cache
def callback(request: HttpRequest) -> HttpResponse:
    """Back from the provider."""
    return _answer(request, OAuth2CallbackView.adapter_view)


def _answer(request: HttpRequest, view: Callable[[Protocol], Any]) -> HttpResponse:
    if not settings.OIDC or request.method != "GET":
        raise Http404
    protocol = Protocol(request, ID)
    try:
        response: HttpResponse = view(protocol)(request)
    except (OAuth2Error, ValueError, KeyError) as error:  # what it said cannot be understood
        response = render_authentication_error(request, protocol.get_provider(), exception=error)
    return response


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """What allauth asks of the site when the provider has answered."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        return False  # whoever may sign in has a user after pre_social_login

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Find or make the user, and apply the groups, before anything is decided."""
        if sociallogin.state.get("process") == "connect":
            _check_may_connect(request)
            return
        address = addresses.client_address(request.META)
        claims: dict[str, Any] = sociallogin.claims
        if not sociallogin.is_existing:
            sociallogin.connect(request, _create(request, claims, address))
        if sociallogin.user.is_active:
            _apply_groups(sociallogin.user, claims, address)

    def get_connect_redirect_url(self, request: HttpRequest, socialaccount: Any) -> str:
        return reverse("socialaccount_connections")

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: Any = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        logger.warning("single sign-on failed (%s): %s", error, exception)
        address = addresses.client_address(request.META)
        audit.denied("sign-in", actor="", address=address, credential=CREDENTIAL)
        message = _(
            "%(provider)s did not say who you are. Try again; if that does not help, ask an "
            "administrator to look into this registry's log."
        ) % {"provider": provider.name}
        page = refuse(request, title=_("You are not signed in"), message=message, status=401)
        raise ImmediateHttpResponse(page)


def _create(request: HttpRequest, claims: dict[str, Any], address: str) -> User:
    said = claims.get(settings.OIDC["username_claim"])
    name = external.name_from(said) if isinstance(said, str) else ""
    try:
        return external.create_user(
            name=name,
            source=User.Source.OIDC,
            credential=CREDENTIAL,
            email=_email(claims),
            address=address,
        )
    except ValidationError as error:
        audit.denied("sign-in", actor=name, address=address, credential=CREDENTIAL)
        message = " ".join(error.messages)
        page = refuse(request, title=_("You cannot sign in under this name"), message=message)
        raise ImmediateHttpResponse(page) from error


def _email(claims: dict[str, Any]) -> str:
    email = claims.get("email")
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return str(email)


def _apply_groups(user: User, claims: dict[str, Any], address: str) -> None:
    claim = settings.OIDC["groups_claim"]
    said = claims.get(claim, [])
    if claim in claims.get("_claim_names", {}):  # Entra, of somebody in more than 200 groups
        logger.error("%s is in too many groups for the claim %s: unchanged", user, claim)
        return
    names = [said] if isinstance(said, str) else said if isinstance(said, list) else []
    groups.apply(
        user,
        [name for name in names if isinstance(name, str)],
        credential=CREDENTIAL,
        address=address,
    )


def _check_may_connect(request: HttpRequest) -> None:
    """Whoever found an open session must not be able to leave a way in for themselves."""
    if not get_reauthentication_flows(request.user):
        message = _(
            "To connect another way of signing in, you first have to prove who you are: give "
            "yourself a second factor in your profile, then try again."
        )
        page = refuse(request, title=_("Your user cannot be connected yet"), message=message)
        raise ImmediateHttpResponse(page)
