"""The addresses of one repository's pages, after its name."""

from django.urls import path, re_path

from repositories.web import (
    activity,
    deletion,
    image,
    layers,
    repository,
    retention,
    settings,
    storage,
    undo,
)

_TAG = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_DIGEST = "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
_IMAGE = rf"^images/(?P<reference>{_TAG}|{_DIGEST})"

urlpatterns = [
    path("", repository.repository, name="repository"),
    path("untagged", repository.untagged, name="repository-untagged"),
    path("delete-tags", deletion.tags_delete, name="repository-tags-delete"),
    path("delete", deletion.repository_delete, name="repository-delete"),
    path("deleted", undo.of_repository, name="repository-deleted"),
    path("deleted/<int:deletion>", undo.deletion, name="repository-deletion"),
    path("compare", repository.compare_tags, name="repository-compare"),
    path("activity", activity.of_repository, name="repository-activity"),
    path("storage", storage.of_repository, name="repository-storage"),
    re_path(rf"{_IMAGE}$", image.image, name="image"),
    re_path(rf"{_IMAGE}/referrers$", image.referrers, name="image-referrers"),
    re_path(rf"{_IMAGE}/history$", image.history, name="image-history"),
    re_path(rf"{_IMAGE}/manifest$", image.manifest, name="image-manifest"),
    re_path(rf"{_IMAGE}/manifest\.json$", image.manifest_download, name="image-manifest-raw"),
    re_path(rf"^images/(?P<digest>{_DIGEST})/delete$", deletion.image_delete, name="image-delete"),
    re_path(rf"^images/(?P<reference>{_TAG})/rollback$", undo.roll_back, name="image-rollback"),
    path("retention", retention.of_repository, name="repository-retention"),
    path("settings", settings.repository_settings, name="repository-settings"),
    path("quota", settings.quota, name="repository-quota"),
    path("immutable-tags", settings.immutable_tags, name="repository-immutable-tags"),
    path("archive", settings.archive, name="repository-archive"),
    path("description", settings.description, name="repository-description"),
    path("grants", settings.grant, name="repository-grant"),
    re_path(
        r"^grants/(?P<member>[a-z0-9._-]{1,64})/withdraw$",
        settings.grant_withdraw,
        name="repository-grant-withdraw",
    ),
    re_path(rf"^layers/(?P<digest>{_DIGEST})/$", layers.layer, name="repository-layer"),
    re_path(rf"^files/(?P<digest>{_DIGEST})/$", layers.files, name="repository-files"),
]
