"""What happened in repositories, and the uploads that are on their way into them."""

from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Text
from api.v1.pagination import Page, PageByRank
from api.v1.permissions import SignedInOrReading
from repositories import activity, incoming
from repositories.models import Upload

_REPOSITORY = r"[a-z0-9._/-]{1,255}"


class RepositoryEventShape(serializers.Serializer[activity.Event]):
    """Something that happened to a tag, or to a manifest that was pulled by its digest."""

    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=[kind.value for kind in activity.Kind])
    repository = serializers.CharField()
    tag = serializers.CharField(help_text="Empty: it was pulled by digest.")
    digest = serializers.CharField(help_text="Empty: the tag was deleted.")
    previous = serializers.CharField(help_text="The digest that the tag named before, or empty.")
    by = serializers.CharField(help_text="Empty: nobody who had signed in.")
    count = serializers.IntegerField(help_text="How many pulls within a few seconds.")


class ActivityQuery(Page):
    repository = Text(pattern=_REPOSITORY, required=False, help_text="Only of this repository.")
    cursor = Text(
        pattern=activity.CURSOR,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


class ActivityView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Show what happened", answer=RepositoryEventShape, query=ActivityQuery, pages=True)
    def get(self, request: Request) -> Response:
        """Tags pushed, moved and deleted, and pulls of the last 30 days; the newest first.

        Of the repositories that one may pull from. A page that is not the last can have fewer
        entries than its `limit`, even none.
        """
        page = activity.feed(
            principal=self.principal,
            repository=self.query.get("repository", ""),
            after=self.query.get("cursor", ""),
            limit=self.query["limit"],
        )
        return self.pages(page.events, RepositoryEventShape, page.next or None)


class UploadShape(serializers.Serializer[Upload]):
    """An upload that is not finished."""

    id = serializers.UUIDField()
    repository = serializers.CharField(source="repository.name")
    started_by = serializers.CharField(help_text="Empty: nobody who had signed in.")
    started_at = serializers.DateTimeField()
    bytes = serializers.SerializerMethodField(help_text="How many have come.")

    def get_bytes(self, upload: Upload) -> int:
        return incoming.size(upload)


class UploadQuery(PageByRank):
    repository = Text(pattern=_REPOSITORY, required=False, help_text="Only into this repository.")


class UploadsView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("List uploads", answer=UploadShape, query=UploadQuery, pages=True)
    def get(self, request: Request) -> Response:
        """Those into repositories that one may push to; the latest first."""
        found = incoming.listing(
            principal=self.principal, repository=self.query.get("repository", "")
        )
        return self.page(found, UploadShape)


class UploadView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Cancel an upload", status=204)
    def delete(self, request: Request, upload: UUID) -> Response:
        """For whoever started it, and for who may delete in the repository."""
        incoming.cancel(principal=self.principal, upload=upload)
        return Response(status=204)
