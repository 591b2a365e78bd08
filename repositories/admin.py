"""Repositories in Django's admin site. What they hold is only changed through the registry."""

from django.contrib import admin

from repositories.models import Repository


@admin.register(Repository)
class RepositoryAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    list_display = ("name", "team", "visibility", "created_at")
    list_filter = ("visibility",)
    search_fields = ("name",)
    readonly_fields = ("name", "team", "created_at")

    def has_add_permission(self, request: object) -> bool:
        return False  # a repository is made by the first push to it

    def has_delete_permission(self, request: object, obj: Repository | None = None) -> bool:
        return False
