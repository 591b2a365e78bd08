"""Repositories: found and shown, and their settings."""

from collections.abc import Callable, Mapping

from django.db.models import OuterRef, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.models import User
from api.v1.deletions import DeletionShape
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import PARAGRAPHS, Name, RoleField, Strict, Text
from api.v1.pagination import PageByName
from api.v1.permissions import SignedInOrReading
from repositories import administration, deletion, overview
from repositories.access import Action, Principal, allowed
from repositories.counting import CountUpTo
from repositories.models import Repository, RepositoryGrant, Tag
from repositories.models.repository import MAX_DESCRIPTION_BYTES

# Counting the tags of a repository takes as long as there are tags.
MAX_COUNTED = 1_000


class RepositoryShape(serializers.Serializer[Repository]):
    """A repository."""

    name = serializers.CharField()
    team = serializers.CharField(source="team.name")
    visibility = serializers.ChoiceField(choices=Repository.Visibility.values)
    tags_count = serializers.IntegerField(
        help_text=f"Counted up to {MAX_COUNTED}; more stand as {MAX_COUNTED}."
    )
    created_at = serializers.DateTimeField()
    pushed_at = serializers.DateTimeField(allow_null=True, help_text="The last push.")
    pulled_at = serializers.DateTimeField(allow_null=True, help_text="The last pull.")
    pull_count = serializers.IntegerField()
    bytes = serializers.IntegerField(
        allow_null=True, help_text="Its size when it was last measured; null before."
    )


class RepositoryDetail(RepositoryShape):
    """A repository, and what the caller may do to it."""

    description = serializers.CharField(help_text="Markdown.")
    actions = serializers.SerializerMethodField(help_text="Of `pull`, `push`, `delete`.")

    def get_actions(self, repository: Repository) -> list[str]:
        may = allowed(principal=self.context["principal"], name=repository.name)
        return [action.value for action in Action if action in may]


class RepositoryQuery(PageByName):
    search = Text(
        required=False, allow_blank=True, max_length=255, help_text="What the name contains."
    )
    team = Name(required=False, max_length=255, help_text="Only those of this team.")


class RepositoryChanges(Strict):
    """What to change."""

    visibility = serializers.ChoiceField(choices=Repository.Visibility.values, required=False)
    description = Text(
        pattern=PARAGRAPHS,
        required=False,
        allow_blank=True,
        max_length=MAX_DESCRIPTION_BYTES,
        help_text="Markdown, of at most 64 KiB.",
    )


class GrantShape(serializers.Serializer[RepositoryGrant]):
    """A user's role in one repository, beside that in the team."""

    user = serializers.CharField(source="user.username")
    role = RoleField()


class GrantRole(Strict):
    """The role to give."""

    role = RoleField()


def _found(principal: Principal, *, text: str = "", team: str = "") -> QuerySet[Repository]:
    """The repositories that the principal may pull from, each with its number of tags."""
    tags = Tag.objects.filter(repository=OuterRef("pk"))
    found = overview.listing(principal=principal, text=text, team=team)
    return found.annotate(tags_count=CountUpTo(tags, MAX_COUNTED))


class RepositoriesView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("List repositories", answer=RepositoryShape, query=RepositoryQuery, pages=True)
    def get(self, request: Request) -> Response:
        """The repositories that one may pull from, by name."""
        found = _found(
            self.principal, text=self.query.get("search", ""), team=self.query.get("team", "")
        )
        return self.page(found, RepositoryShape, by="name")


_CHANGES: Mapping[str, Callable[..., Repository]] = {
    "description": administration.set_description,
    "visibility": administration.set_visibility,
}


class RepositoryView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Show a repository", answer=RepositoryDetail)
    def get(self, request: Request, repository: str) -> Response:
        """For whoever may pull from it. Slashes of the name may be sent as they are."""
        return self.answer(_found(self.principal).get(name=repository), RepositoryDetail)

    @operation("Change a repository", answer=RepositoryDetail, body=RepositoryChanges)
    def patch(self, request: Request, repository: str) -> Response:
        """Who sees it (`private`: the team; `internal`: everyone signed in; `public`: everyone),
        and what it says of itself.

        For maintainers.
        """
        administration.managed_repository(self.principal, repository)
        for field, change in _CHANGES.items():
            if field in self.body:
                change(principal=self.principal, name=repository, **{field: self.body[field]})
        return self.answer(_found(self.principal).get(name=repository), RepositoryDetail)

    @operation("Delete a repository", answer=DeletionShape)
    def delete(self, request: Request, repository: str) -> Response:
        """With everything in it, at once; answers what went. For maintainers."""
        found = deletion.delete_repository(principal=self.principal, repository=repository)
        return self.answer(found, DeletionShape)


def _grants(principal: Principal, name: str) -> QuerySet[RepositoryGrant]:
    """Raises Repository.DoesNotExist, PermissionDenied."""
    return administration.managed_repository(principal, name).grants.select_related("user")


class GrantsView(Endpoint):
    @operation("List grants", answer=GrantShape, query=PageByName, pages=True)
    def get(self, request: Request, repository: str) -> Response:
        """Who has a role in this repository beside the team's members. For maintainers."""
        return self.page(_grants(self.principal, repository), GrantShape, by="user__username")


class GrantView(Endpoint):
    @operation("Give somebody a role", answer=GrantShape, body=GrantRole)
    def put(self, request: Request, repository: str, user: str) -> Response:
        """A role in this repository only. For maintainers; `owner` for the team's owners."""
        administration.managed_repository(self.principal, repository)
        given = administration.grant(
            principal=self.principal,
            name=repository,
            user=User.objects.get(username=user),
            role=self.body["role"],
        )
        return self.answer(given, GrantShape)

    @operation("Take a role back", status=204)
    def delete(self, request: Request, repository: str, user: str) -> Response:
        """For maintainers."""
        grantee = _grants(self.principal, repository).get(user__username=user).user
        administration.withdraw_grant(principal=self.principal, name=repository, user=grantee)
        return Response(status=204)
