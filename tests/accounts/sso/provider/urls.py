"""The provider's addresses."""

from django.urls import include, path

from tests.accounts.sso.provider.users import put_redirect, put_user

urlpatterns = [
    path("accounts/", include("allauth.account.urls")),
    path("", include("allauth.idp.urls")),
    path("test/users", put_user),
    path("test/redirects", put_redirect),
]
