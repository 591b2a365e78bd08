"""The addresses of the pages about all repositories."""

from django.urls import path

from repositories.web import activity, compare, search, storage

urlpatterns = [
    path("compare", compare.compare, name="compare"),
    path("search", search.find, name="search"),
    path("activity", activity.everywhere, name="activity"),
    path("uploads/<uuid:upload>/cancel", activity.cancel_upload, name="upload-cancel"),
    path("storage", storage.storage, name="storage"),
]
