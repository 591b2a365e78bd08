"""Personal access tokens: listed, made, revoked."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from accounts import credentials
from accounts.models import AccessToken
from accounts.web.forms import TokenForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from accounts.web.server import server_of


@page("GET")
def token_list(request: SignedInRequest) -> HttpResponse:
    """The user's own tokens; what `docker login` keeps is on the page of sessions."""
    own = credentials.visible_tokens(principal_of(request)).filter(
        user=request.user, kind=AccessToken.Kind.PERSONAL
    )
    return render(request, "accounts/tokens.html", {"page": page_of(request, own)})


@page("GET", "POST")
def token_create(request: SignedInRequest) -> HttpResponse:
    """A new token. Its secret is in this answer and nowhere else."""
    form = TokenForm(request.POST or None, initial={"expires": "30"})
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            token, secret = credentials.create_token(
                principal=principal_of(request),
                owner=request.user,
                name=form.cleaned_data["name"],
                scopes=form.parsed_scopes,
                expires_at=form.expires_at,
            )
            return show_secret(request, token, secret)
    return render(request, "accounts/token_create.html", {"form": form})


def show_secret(request: SignedInRequest, token: AccessToken, secret: str) -> HttpResponse:
    """The only page that shows a token's secret, which is stored nowhere."""
    context = {
        "token": token,
        "secret": secret,
        "account": token.owner_name,
        "server": server_of(request),
    }
    return render(request, "accounts/token_created.html", context)


@page("POST")
def token_revoke(request: SignedInRequest, token_id: int) -> HttpResponse:
    """End a token, one's own or one that one manages."""
    principal = principal_of(request)
    token = credentials.visible_tokens(principal).get(pk=token_id)
    credentials.revoke_token(principal=principal, token_id=token_id)
    messages.success(request, _("%(token)s is revoked.") % {"token": token})
    if token.robot is not None and request.POST.get("from") == "robot":
        return redirect("robot", token.robot.team.name, token.robot.pk)
    if token.user_id != request.user.pk:
        return redirect("manage-tokens")
    return redirect("sessions" if token.kind == AccessToken.Kind.SESSION else "tokens")
