"""The addresses of one repository's pages, after its name."""

from django.urls import path, re_path

from repositories.web import layers, settings

_DIGEST = r"(?P<digest>sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"

urlpatterns = [
    path("settings", settings.repository_settings, name="repository-settings"),
    path("grants", settings.grant, name="repository-grant"),
    re_path(
        r"^grants/(?P<member>[a-z0-9._-]{1,64})/withdraw$",
        settings.grant_withdraw,
        name="repository-grant-withdraw",
    ),
    re_path(rf"^layers/{_DIGEST}/$", layers.layer, name="repository-layer"),
    re_path(rf"^files/{_DIGEST}/$", layers.files, name="repository-files"),
]
