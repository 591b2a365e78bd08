"""The addresses of one repository's pages, after its name."""

from django.urls import path, re_path

from repositories.web import settings

urlpatterns = [
    path("settings", settings.repository_settings, name="repository-settings"),
    path("grants", settings.grant, name="repository-grant"),
    re_path(
        r"^grants/(?P<member>[a-z0-9._-]{1,64})/withdraw$",
        settings.grant_withdraw,
        name="repository-grant-withdraw",
    ),
]
