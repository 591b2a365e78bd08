"""The OpenID provider that REGISTRY_OIDC_… names, for django-allauth, which looks for this module.

One provider at most, at `/oidc/sign-in` and `/oidc/callback`. What differs from allauth's own class
for OpenID Connect: whoever is signed in is known by issuer *and* subject, so that another issuer's
user number 7 is somebody else; nothing of the request reaches the provider's address; and the
redirection address is the one by which clients reach Berth, also behind a proxy.
"""

import hashlib
from typing import Any

import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from accounts import addresses

ID = "oidc"
CALLBACK = "oidc-callback"
_METADATA = "/.well-known/openid-configuration"


class Protocol(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """The requests between Berth and the provider."""

    @property
    def openid_config(self) -> dict[str, Any]:
        """The provider's metadata. Raises OAuth2Error."""
        if not hasattr(self, "_openid_config"):
            self._openid_config = _metadata(settings.OIDC["issuer"])
        return self._openid_config

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        origin = addresses.origin(request.META)
        host = origin.host or request.get_host()
        base = settings.PUBLIC_URL or f"{origin.scheme}://{host}"
        return f"{base}{reverse(CALLBACK)}"


def _metadata(issuer: str) -> dict[str, Any]:
    try:
        with get_adapter().get_requests_session() as session:
            answer = session.get(issuer.rstrip("/") + _METADATA)
            answer.raise_for_status()
            metadata = answer.json()
    except (requests.RequestException, ValueError) as error:
        raise OAuth2Error(f"{issuer} cannot be asked: {error}") from error
    named = metadata.get("issuer") if isinstance(metadata, dict) else None
    if not isinstance(named, str) or named.rstrip("/") != issuer.rstrip("/"):
        raise OAuth2Error(f"{issuer} calls itself {named!r}: correct REGISTRY_OIDC_ISSUER")
    return dict(metadata)


class Provider(OpenIDConnectProvider):  # type: ignore[misc]
    """What is asked of the provider, and what its answer means."""

    id = ID
    oauth2_adapter_class = Protocol

    def get_login_url(self, request: HttpRequest, **parameters: str) -> str:
        address = reverse("oidc-sign-in")
        return f"{address}?{urlencode(parameters)}" if parameters else address

    def get_callback_url(self) -> str:
        return reverse(CALLBACK)

    # Both read the query by default: whoever made the link would choose what the provider is asked.
    def get_auth_params_from_request(self, request: HttpRequest, action: str) -> dict[str, Any]:
        return dict(self.get_auth_params())

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return list(self.get_scope())

    def extract_uid(self, data: dict[str, Any]) -> str:
        """Raises OAuth2Error when the answers are of two people (OpenID Connect Core, 5.3.2)."""
        id_token, userinfo = data.get("id_token") or {}, data.get("userinfo") or {}
        subject = id_token.get("sub")
        if not isinstance(subject, str) or not subject:
            raise OAuth2Error("the provider sent no ID token with a subject")
        if userinfo.get("sub", subject) != subject:
            raise OAuth2Error("the ID token and the user info are of different users")
        return hashlib.sha256(f"{id_token['iss']}\0{subject}".encode()).hexdigest()

    def extract_common_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        return {}  # what makes a user is in accounts/web/oidc.py

    def extract_email_addresses(self, data: dict[str, Any]) -> list[Any]:
        return []

    def extract_extra_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What is kept of the answer; the claims are not."""
        return {"iss": data["id_token"]["iss"], "sub": data["id_token"]["sub"]}

    def sociallogin_from_response(self, request: HttpRequest, response: dict[str, Any]) -> Any:
        """The sign-in, with its `claims`: the user info, and what only the ID token has."""
        login = super().sociallogin_from_response(request, response)
        login.claims = {**(response.get("id_token") or {}), **(response.get("userinfo") or {})}
        return login


provider_classes = [Provider]
