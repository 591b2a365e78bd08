"""Every address of the site."""

from django.contrib import admin
from django.urls import path, re_path

from api.v2 import mount
from registry_site import health
from repositories.web import home

urlpatterns = [
    path("", home.home, name="home"),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("admin/", admin.site.urls),
    # Everything under /v2 is the specification's, so that nothing there is ever answered in HTML.
    re_path(r"^v2(?:/|\Z)", mount.view),
]
