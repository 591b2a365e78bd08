"""Every address of the site."""

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.urls import include, path, re_path

from registry_site import health
from repositories.web import home

# The admin's own sign-in page knows neither throttling nor the second factor.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("", include("repositories.web.site_urls")),
    path("", include("accounts.web.urls")),
    path("", include("accounts.web.sign_on_urls")),
    re_path(
        # `-` is no part of a name, so this can be no repository's own address.
        r"^repositories/(?P<name>[a-z0-9._/-]{1,255}?)/-/",
        include("repositories.web.urls"),
    ),
    path("admin/", admin.site.urls),
    path("api/v1/", include(("api.v1.urls", "api"))),
]
