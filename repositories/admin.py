"""Repositories in Django's admin site. What they hold is only changed through the registry: nothing
here deletes a blob, a manifest, a tag or a repository."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from accounts.admin_base import LookUpAdmin
from accounts.web.principal import principal_of
from repositories import administration
from repositories.models import (
    Blob,
    BlobLink,
    Host,
    Job,
    Manifest,
    Pull,
    Repository,
    RepositoryGrant,
    RepositoryUsage,
    StorageSample,
    Tag,
    TagChange,
    TeamUsage,
    Upload,
)


@admin.register(Repository)
class RepositoryAdmin(LookUpAdmin):
    list_display = ("name", "team", "visibility", "created_at", "pushed_at", "pull_count")
    list_select_related = ("team",)
    list_filter = ("visibility",)
    search_fields = ("name__contains",)
    fields = (
        *("name", "team", "visibility", "description", "created_at"),
        *("pushed_at", "pulled_at", "pull_count"),
    )
    readonly_fields = tuple(field for field in fields if field != "visibility")

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def save_model(self, request: HttpRequest, obj: Repository, form: Any, change: bool) -> None:
        administration.set_visibility(
            principal=principal_of(request), name=obj.name, visibility=obj.visibility
        )


@admin.register(RepositoryGrant)
class RepositoryGrantAdmin(LookUpAdmin):
    list_display = ("repository", "user", "role")
    list_select_related = ("repository", "user")
    list_filter = ("role",)
    search_fields = ("repository__name", "user__username")
    fields = ("repository", "user", "role")


@admin.register(Manifest)
class ManifestAdmin(LookUpAdmin):
    list_display = ("digest", "repository", "media_type", "pushed_at", "pushed_by")
    list_select_related = ("repository",)
    search_fields = ("digest__startswith", "=repository__name", "=pushed_by")
    fields = (
        *("repository", "digest", "media_type", "artifact_type", "subject"),
        *("pushed_at", "pushed_by", "pulled_at", "pull_count"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("payload", "referrer")


@admin.register(Tag)
class TagAdmin(LookUpAdmin):
    list_display = ("name", "repository", "manifest_digest", "pushed_at", "pull_count")
    search_fields = ("=name", "=repository__name")
    fields = (
        *("name", "repository", "manifest_digest", "created_at", "pushed_at"),
        *("pulled_at", "pull_count"),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        found = super().get_queryset(request).select_related("repository", "manifest")
        return found.defer("manifest__payload", "manifest__referrer")

    @admin.display(description=_("manifest"))
    def manifest_digest(self, tag: Tag) -> str:
        return tag.manifest.digest


@admin.register(TagChange)
class TagChangeAdmin(LookUpAdmin):
    list_display = ("name", "repository", "digest", "changed_at", "changed_by")
    list_select_related = ("repository",)
    search_fields = ("=name", "=repository__name", "=changed_by")
    fields = ("name", "repository", "digest", "changed_at", "changed_by")


@admin.register(Pull)
class PullAdmin(LookUpAdmin):
    list_display = ("repository", "tag", "digest", "at", "count", "pulled_by")
    list_select_related = ("repository",)
    search_fields = ("=repository__name", "=pulled_by")
    fields = list_display


@admin.register(RepositoryUsage)
class RepositoryUsageAdmin(LookUpAdmin):
    list_display = ("repository", "bytes", "unique_bytes")
    list_select_related = ("repository",)
    ordering: ClassVar[tuple[str, ...]] = ("-bytes", "pk")
    search_fields = ("=repository__name",)
    fields = list_display


@admin.register(TeamUsage)
class TeamUsageAdmin(LookUpAdmin):
    list_display = ("team", "bytes", "unique_bytes")
    list_select_related = ("team",)
    ordering: ClassVar[tuple[str, ...]] = ("-bytes", "pk")
    search_fields = ("=team__name",)
    fields = list_display


@admin.register(StorageSample)
class StorageSampleAdmin(LookUpAdmin):
    list_display = ("day", "team", "bytes", "blobs", "manifests")
    list_select_related = ("team",)
    search_fields = ("=team__name",)
    fields = (*list_display, "unlinked_bytes", "unused_bytes", "measured_at")


@admin.register(Blob)
class BlobAdmin(LookUpAdmin):
    list_display = ("digest", "size", "created_at")
    search_fields = ("digest__startswith",)
    fields = ("digest", "size", "created_at", "damaged_at")


@admin.register(BlobLink)
class BlobLinkAdmin(LookUpAdmin):
    list_display = ("blob", "repository", "created_at")
    list_select_related = ("blob", "repository")
    search_fields = ("blob__digest__startswith", "=repository__name")
    fields = ("blob", "repository", "created_at")


@admin.register(Upload)
class UploadAdmin(LookUpAdmin):
    list_display = ("id", "repository", "started_by", "started_at", "algorithm")
    list_select_related = ("repository",)
    ordering: ClassVar[tuple[str, ...]] = ("-started_at", "pk")
    search_fields = ("=repository__name", "=started_by")
    fields = ("id", "repository", "started_by", "started_at", "algorithm")


@admin.register(Host)
class HostAdmin(LookUpAdmin):
    list_display = ("key", "seen_at", "is_settled")
    fields = list_display


@admin.register(Job)
class JobAdmin(LookUpAdmin):
    list_display = ("name", "due_at", "claimed_until", "finished_at", "result", "error")
    fields = list_display
