"""Quotas, immutable tags, archived repositories, and the whole registry as read-only."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.db import transaction
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.permissions import require_role, require_user, visible_team
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Strict, Text, Whole
from api.v1.permissions import SignedInOrReading
from repositories import administration, limit_settings, patterns, protection
from repositories.limit_settings import MAX_QUOTA, Role
from repositories.models import RegistryMode, RepositoryLimits, TeamLimits


class Quota(Whole):
    """Bytes."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=MAX_QUOTA, allow_null=True, **options)


class Patterns(serializers.ListField):
    """Patterns of tags; the domain says what one looks like."""

    child = Text(max_length=patterns.MAX_LENGTH)

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=protection.MAX_PATTERNS, **options)


class TeamLimitsShape(serializers.Serializer[TeamLimits]):
    """What a team may have, in all its repositories together."""

    quota = serializers.IntegerField(
        allow_null=True,
        help_text="The most bytes of blobs, each counted once; null for no limit.",
    )
    used = serializers.SerializerMethodField(
        help_text="Of these, as they were last counted; null without a quota."
    )
    immutable_tags = serializers.ListField(
        source="patterns",
        child=serializers.CharField(),
        help_text="Patterns of tags that are neither moved nor deleted once they are there.",
    )

    def get_used(self, row: TeamLimits | RepositoryLimits) -> int | None:
        return None if row.quota is None else row.used


class RepositoryLimitsShape(TeamLimitsShape):
    """What a repository may have, beside what holds for its team."""

    is_archived = serializers.BooleanField(
        help_text="Whether nothing can be pushed to it or deleted from it."
    )


class TeamLimitsChanges(Strict):
    """What to change."""

    quota = Quota(required=False, help_text="In bytes; null for no limit. For administrators.")
    immutable_tags = Patterns(
        required=False,
        help_text="`*` stands for any characters, `?` for one, `[abc]` for one of these.",
    )


class RepositoryLimitsChanges(TeamLimitsChanges):
    """What to change."""

    quota = Quota(required=False, help_text="In bytes; null for no limit. For the team's owners.")
    is_archived = Flag(required=False)


class ModeShape(serializers.Serializer[RegistryMode]):
    """Whether the whole registry is read-only."""

    enabled = serializers.BooleanField(
        source="is_read_only", help_text="By the switch that this address is."
    )
    by_setting = serializers.SerializerMethodField(
        help_text="By the setting, which the switch does not change."
    )
    changed_at = serializers.DateTimeField(
        allow_null=True, help_text="When it was last switched; null for never."
    )
    changed_by = serializers.CharField()

    def get_by_setting(self, mode: RegistryMode) -> bool:
        return bool(settings.READ_ONLY)


class ModeChange(Strict):
    """Which it shall be."""

    enabled = Flag()


class TeamLimitsView(Endpoint):
    @operation("Show a team's limits", answer=TeamLimitsShape)
    def get(self, request: Request, team: str) -> Response:
        """For members and administrators."""
        require_user(self.principal)
        found = limit_settings.of_team(visible_team(self.principal, team))
        return self.answer(found, TeamLimitsShape)

    @operation("Change a team's limits", answer=TeamLimitsShape, body=TeamLimitsChanges)
    def patch(self, request: Request, team: str) -> Response:
        """Its immutable tags, for owners; its quota, for administrators."""
        found = require_role(self.principal, team, Role.OWNER)
        with transaction.atomic():
            if "immutable_tags" in self.body:
                limit_settings.set_team_immutable_tags(
                    principal=self.principal, team=team, patterns=self.body["immutable_tags"]
                )
            if "quota" in self.body:
                limit_settings.set_team_quota(
                    principal=self.principal, team=team, quota=self.body["quota"]
                )
        return self.answer(limit_settings.of_team(found), TeamLimitsShape)


class RepositoryLimitsView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Show a repository's limits", answer=RepositoryLimitsShape)
    def get(self, request: Request, repository: str) -> Response:
        """For whoever may pull from it. Those of its team hold as well."""
        found = administration.visible_repository(self.principal, repository)
        return self.answer(limit_settings.of_repository(found), RepositoryLimitsShape)

    @operation(
        "Change a repository's limits", answer=RepositoryLimitsShape, body=RepositoryLimitsChanges
    )
    def patch(self, request: Request, repository: str) -> Response:
        """Its immutable tags, and whether it is archived, for maintainers; its quota, for owners of
        the team."""
        found = administration.managed_repository(self.principal, repository)
        changes: Mapping[str, Any] = self.body
        with transaction.atomic():
            if "immutable_tags" in changes:
                limit_settings.set_immutable_tags(
                    principal=self.principal, name=repository, patterns=changes["immutable_tags"]
                )
            if "quota" in changes:
                limit_settings.set_repository_quota(
                    principal=self.principal, name=repository, quota=changes["quota"]
                )
            if "is_archived" in changes:
                limit_settings.set_archived(
                    principal=self.principal, name=repository, archived=changes["is_archived"]
                )
        return self.answer(limit_settings.of_repository(found), RepositoryLimitsShape)


class ReadOnlyView(Endpoint):
    @operation("Show whether the registry is read-only", answer=ModeShape)
    def get(self, request: Request) -> Response:
        """For whoever has signed in."""
        require_user(self.principal)
        return self.answer(limit_settings.mode(), ModeShape)

    @operation("Make the registry read-only, or end that", answer=ModeShape, body=ModeChange)
    def put(self, request: Request) -> Response:
        """When this is answered, no write is under way any more. For administrators."""
        mode = limit_settings.set_read_only(principal=self.principal, on=self.body["enabled"])
        return self.answer(mode, ModeShape)
