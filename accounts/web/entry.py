"""How a browser session begins, in whatever way somebody has shown who they are.

`begin_session` is for the sign-in page; single sign-on comes through `AccountAdapter` by itself.
Both ask for the second factor of those who have one before anybody is signed in.
"""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.utils import perform_login
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts import addresses, audit, authentication, second_factor, sessions
from accounts.models import User
from accounts.web.refusals import explain
from repositories.oci.errors import TooManyRequests, Unauthorized, Unavailable


def begin_session(request: HttpRequest, user: User, next_url: str = "") -> HttpResponse:
    """Sign in a user whose password was right; a redirect to `next_url`, which the caller checked.

    Whoever has a second factor is sent to the page that asks for a code, and is not signed in yet.
    """
    response: HttpResponse = perform_login(request, user, redirect_url=next_url or None)
    return response


def refuse(request: HttpRequest, *, title: str, message: str, status: int = 403) -> HttpResponse:
    """A page that says why somebody may not come in, and what to do."""
    content = {"title": title, "message": message}
    return render(request, "accounts/refused.html", content, status=status)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """What allauth asks of the site."""

    # Not all of allauth's own are translated.
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "incorrect_password": gettext_lazy("This is not your password."),
        "rate_limited": gettext_lazy("There were too many attempts. Try again in some minutes."),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_client_ip(self, request: HttpRequest) -> str:
        return addresses.client_address(request.META)

    def login(self, request: HttpRequest, user: User) -> None:
        # The second factor takes a while: meanwhile an administrator may have disabled the user.
        if not User.objects.filter(pk=user.pk, is_active=True).exists():
            raise ImmediateHttpResponse(self.respond_user_inactive(request, user))
        super().login(request, user)
        sessions.note(request.session, address=self.get_client_ip(request))

    def post_login(self, request: HttpRequest, user: User, **hooks: Any) -> HttpResponse:
        response: HttpResponse = super().post_login(request, user, **hooks)
        by = "single sign-on" if (hooks["signal_kwargs"] or {}).get("sociallogin") else "password"
        audit.record(
            "sign-in",
            actor=user.username,
            address=self.get_client_ip(request),
            credential=f"{by} and code" if second_factor.is_required(user) else by,
        )
        return response

    def respond_user_inactive(self, request: HttpRequest, user: User) -> HttpResponse:
        address = self.get_client_ip(request)
        audit.denied("sign-in", actor=user.username, address=address, credential="disabled user")
        message = _("Your user is disabled. Ask an administrator of this registry.")
        return refuse(request, title=_("You cannot sign in"), message=message)

    def reauthenticate(self, user: User, password: str) -> bool:
        """Whether this is the signed-in user's password. Raises ValidationError."""
        address = self.get_client_ip(context.request)
        try:
            found = authentication.check_password(
                name=user.username, password=password, address=address
            )
        except Unauthorized:
            return False
        except (TooManyRequests, Unavailable) as error:
            raise ValidationError(explain(error)) from error
        return found.pk == user.pk
