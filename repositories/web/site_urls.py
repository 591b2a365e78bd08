"""The addresses of the pages about all repositories."""

from django.urls import path, re_path

from repositories.web import activity, compare, retention, scrub, search, storage, team, undo

_TEAM = "(?P<name>[a-z0-9._-]{1,255})"

urlpatterns = [
    path("compare", compare.compare, name="compare"),
    path("search", search.find, name="search"),
    path("activity", activity.everywhere, name="activity"),
    path("uploads/<uuid:upload>/cancel", activity.cancel_upload, name="upload-cancel"),
    path("storage", storage.storage, name="storage"),
    # The others of the administration are those of accounts/web/urls.py.
    path("manage/scrub", scrub.scrub, name="manage-scrub"),
    # The others of a team are those of accounts/web/urls.py.
    re_path(rf"^teams/{_TEAM}$", team.team, name="team"),
    re_path(rf"^teams/{_TEAM}/retention$", retention.of_team, name="team-retention"),
    re_path(rf"^teams/{_TEAM}/deleted$", undo.of_team, name="team-deleted"),
    re_path(
        rf"^teams/{_TEAM}/deleted/(?P<deletion>[0-9]{{1,18}})$",
        undo.deleted_repository,
        name="team-deletion",
    ),
]
