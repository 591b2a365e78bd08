"""The addresses of the pages about all repositories."""

from django.urls import path, re_path

from repositories.web import activity, compare, search, storage, team

urlpatterns = [
    path("compare", compare.compare, name="compare"),
    path("search", search.find, name="search"),
    path("activity", activity.everywhere, name="activity"),
    path("uploads/<uuid:upload>/cancel", activity.cancel_upload, name="upload-cancel"),
    path("storage", storage.storage, name="storage"),
    # The others of a team are those of accounts/web/urls.py.
    re_path(r"^teams/(?P<name>[a-z0-9._-]{1,255})$", team.team, name="team"),
]
