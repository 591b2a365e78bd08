"""How much is stored where, in bytes, as it was last measured."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Name, Number, Strict
from api.v1.pagination import PageByRank
from api.v1.permissions import SignedInOrReading
from repositories import usage
from repositories.models import RepositoryUsage, StorageSample, TeamUsage

MAX_DAYS = 3660


class SampleShape(serializers.Serializer[StorageSample]):
    """The last measure of a day."""

    day = serializers.DateField()
    measured_at = serializers.DateTimeField()
    bytes = serializers.IntegerField(help_text="Of blobs, each counted once, and manifests.")
    blobs = serializers.IntegerField(help_text="How many different ones.")
    manifests = serializers.IntegerField(help_text="How many.")
    unlinked_bytes = serializers.IntegerField(
        help_text="Of blobs that no repository has. A clean-up would free them; 0 for a team."
    )
    unused_bytes = serializers.IntegerField(
        help_text="Of blobs that are part of no image. A clean-up would free them; 0 for a team."
    )


class UsageShape(serializers.Serializer[object]):
    """How the stored bytes grew, day by day."""

    samples = SampleShape(many=True)


class RepositoryUsageShape(serializers.Serializer[RepositoryUsage]):
    """The size of a repository."""

    repository = serializers.CharField(source="repository.name")
    bytes = serializers.IntegerField()
    unique_bytes = serializers.IntegerField(help_text="Those that no other repository has.")


class TeamUsageShape(serializers.Serializer[TeamUsage]):
    """The size of all that a team owns."""

    team = serializers.CharField(source="team.name")
    bytes = serializers.IntegerField()
    unique_bytes = serializers.IntegerField(help_text="Those that no other team has.")


class UsageQuery(Strict):
    team = Name(required=False, max_length=255, help_text="Only what this team stores.")
    days = Number(most=MAX_DAYS, default=90, help_text="How many days back.")


class RepositoryUsageQuery(PageByRank):
    team = Name(required=False, max_length=255, help_text="Only those of this team.")


class UsageView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Show the stored bytes", answer=UsageShape, query=UsageQuery)
    def get(self, request: Request) -> Response:
        """A sample a day, the last of which tells of now. Of the whole registry, for
        administrators, or of a team, for its members."""
        samples = usage.growth(
            principal=self.principal, team=self.query.get("team", ""), days=self.query["days"]
        )
        return self.answer({"samples": samples}, UsageShape)


class RepositoryUsagesView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation(
        "List repositories by size",
        answer=RepositoryUsageShape,
        query=RepositoryUsageQuery,
        pages=True,
    )
    def get(self, request: Request) -> Response:
        """The largest first, of those that one may pull from."""
        found = usage.by_repository(principal=self.principal, team=self.query.get("team", ""))
        return self.page(found, RepositoryUsageShape)


class TeamUsagesView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("List teams by size", answer=TeamUsageShape, query=PageByRank, pages=True)
    def get(self, request: Request) -> Response:
        """The largest first, of those that one is in; all of them for administrators."""
        return self.page(usage.by_team(principal=self.principal), TeamUsageShape)
