"""Addresses of single sign-on and of the second factor: those of django-allauth that we want.

The names are the ones by which allauth calls its pages. Its pages for signing up, passwords and
e-mail are not here, so they have no address.
"""

from allauth.account.views import reauthenticate
from allauth.mfa.base import views as mfa
from allauth.mfa.recovery_codes import views as recovery_codes
from allauth.mfa.totp import views as totp
from allauth.socialaccount.views import connections
from django.urls import path
from django.views.generic import RedirectView

from accounts.web import oidc

_to_sign_in = RedirectView.as_view(pattern_name="sign-in", query_string=True)

urlpatterns = [
    path("oidc/sign-in", oidc.sign_in, name="oidc-sign-in"),
    path("oidc/callback", oidc.callback, name="oidc-callback"),
    path("oidc/sign-in/again", _to_sign_in, name="account_login"),
    path("oidc/sign-in/cancelled", _to_sign_in, name="socialaccount_login_cancelled"),
    path("settings/connections", connections, name="socialaccount_connections"),
    path("settings/confirm", reauthenticate, name="account_reauthenticate"),
    path("settings/confirm/code", mfa.reauthenticate, name="mfa_reauthenticate"),
    path("sign-in/code", mfa.authenticate, name="mfa_authenticate"),
    path("settings/second-factor", mfa.index, name="mfa_index"),
    path("settings/second-factor/on", totp.activate_totp, name="mfa_activate_totp"),
    path("settings/second-factor/off", totp.deactivate_totp, name="mfa_deactivate_totp"),
    path(
        "settings/second-factor/recovery-codes",
        recovery_codes.view_recovery_codes,
        name="mfa_view_recovery_codes",
    ),
    path(
        "settings/second-factor/recovery-codes/new",
        recovery_codes.generate_recovery_codes,
        name="mfa_generate_recovery_codes",
    ),
]
