"""Whom the provider knows, and what it says of them; tests change both while it runs."""

import json
from collections.abc import Mapping
from typing import Any

from allauth.idp.oidc.adapter import DefaultOIDCAdapter
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

# What is said of a user beside the standard claims, by user name.
CLAIMS: dict[str, Mapping[str, Any]] = {}


class Adapter(DefaultOIDCAdapter):  # type: ignore[misc]  # allauth has no types
    """Adds the claims of CLAIMS to the ID token and to the user info."""

    def get_issuer(self) -> str:
        """One name only, by whichever name it is reached."""
        return f"http://127.0.0.1:{self.request.get_port()}"

    def get_claims(self, purpose: str, user: Any, *arguments: Any, **options: Any) -> Any:
        claims = super().get_claims(purpose, user, *arguments, **options)
        said = CLAIMS.get(user.username, {})
        return {**claims, **said.get("both", {}), **said.get(purpose, {})}


@csrf_exempt
def put_user(request: HttpRequest) -> JsonResponse:
    """Make a user, or change what is said of one."""
    from django.contrib.auth.models import User  # noqa: PLC0415  (only this project has it)

    given = json.loads(request.body)
    user, is_new = User.objects.get_or_create(username=given["name"])
    if is_new:
        user.set_password(given["password"])
        user.save()
    CLAIMS[user.username] = given["claims"]
    return JsonResponse({"sub": str(user.pk)})


@csrf_exempt
def put_redirect(request: HttpRequest) -> JsonResponse:
    """Let Berth have its browsers sent back to another address as well."""
    from allauth.idp.oidc.models import Client  # noqa: PLC0415  (only this project has it)

    client = Client.objects.get()
    client.set_redirect_uris([*client.get_redirect_uris(), json.loads(request.body)["address"]])
    client.save()
    return JsonResponse({})
