"""One's own profile, password and sessions."""

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters

from accounts import credentials, people, sessions
from accounts.models import AccessToken
from accounts.web.forms import PasswordForm, ProfileForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of


@page("GET", "POST")
def profile(request: SignedInRequest) -> HttpResponse:
    """The user's address."""
    form = ProfileForm(request.POST or None, initial={"email": request.user.email})
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            people.change_email(principal=principal_of(request), email=form.cleaned_data["email"])
            messages.success(request, _("Saved."))
            return redirect("profile")
    return render(request, "accounts/profile.html", {"form": form})


@sensitive_post_parameters("old_password", "new_password", "repeated")
@page("GET", "POST")
def password(request: SignedInRequest) -> HttpResponse:
    """A new password; this browser stays signed in, all others do not."""
    form = PasswordForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with form.showing_errors():
            user = people.change_password(
                principal=principal_of(request),
                old=form.cleaned_data["old_password"],
                new=form.cleaned_data["new_password"],
            )
            update_session_auth_hash(request, user)
            messages.success(request, _("The password is changed; other sessions have ended."))
            return redirect("password")
    return render(request, "accounts/password.html", {"form": form})


@page("GET")
def session_list(request: SignedInRequest) -> HttpResponse:
    """Where the user is signed in: browsers, and what `docker login` keeps."""
    own = credentials.visible_tokens(principal_of(request)).filter(user=request.user)
    context = {
        "browsers": sessions.of_user(request.user, current=request.session.session_key),
        "logins": page_of(request, own.filter(kind=AccessToken.Kind.SESSION)),
    }
    return render(request, "accounts/sessions.html", context)


@page("POST")
def end_sessions(request: SignedInRequest) -> HttpResponse:
    """Sign out everywhere, here as well."""
    people.end_sessions(principal=principal_of(request), user=request.user)
    request.session.flush()
    messages.success(request, _("You are signed out everywhere."))
    return redirect("sign-in")
