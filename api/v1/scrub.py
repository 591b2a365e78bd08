"""What the scrub has found: passes, findings and the quarantine, for administrators."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Number, Text
from api.v1.pagination import Page
from repositories import scrub_reports
from repositories.models import ScrubFinding, ScrubPass
from repositories.storage.base import StoredBlob

_MOST = 2**31 - 1


class ScrubPassShape(serializers.Serializer[ScrubPass]):
    """One look at everything that is stored."""

    number = serializers.IntegerField()
    started_at = serializers.DateTimeField()
    looked_at = serializers.DateTimeField(
        allow_null=True, help_text="When somebody was last at it."
    )
    finished_at = serializers.DateTimeField(allow_null=True, help_text="null: it is under way.")
    stage = serializers.ChoiceField(choices=ScrubPass.Stage.values)
    blobs = serializers.IntegerField(help_text="How many were looked at.")
    expected_blobs = serializers.IntegerField(help_text="How many there were when it began.")
    bytes = serializers.IntegerField(help_text="How many were read.")
    expected_bytes = serializers.IntegerField()
    manifests = serializers.IntegerField(help_text="How many were looked at.")
    damages = serializers.IntegerField(help_text="Findings of damage.")
    healed = serializers.IntegerField(help_text="How many of them a push has healed.")
    notices = serializers.IntegerField(help_text="Findings that are no damage.")
    unlinked = serializers.IntegerField(help_text="Blobs that the garbage collector looks at.")
    foreign_files = serializers.IntegerField(
        help_text="Files without a row that another registry may need."
    )
    withheld = serializers.IntegerField(
        help_text="Damaged blobs that were left as they are: very many, or not to be moved."
    )


class QuarantinedShape(serializers.Serializer[StoredBlob]):
    """A damaged file that was set apart."""

    digest = serializers.CharField(help_text="Of the blob that it was to be.")
    size = serializers.IntegerField()
    at = serializers.DateTimeField(source="modified")


class QuarantineShape(serializers.Serializer[scrub_reports.Quarantine]):
    """The damaged files that were set apart, until somebody deletes them by hand."""

    files = serializers.IntegerField()
    bytes = serializers.IntegerField()
    latest = QuarantinedShape(many=True)


class ScrubShape(serializers.Serializer[Any]):
    """The pass under way and the last one, the newest first; and the quarantine."""

    passes = ScrubPassShape(many=True)
    quarantine = QuarantineShape()


class HitImageShape(serializers.Serializer[Any]):
    """An image that is made of what is damaged."""

    repository = serializers.CharField()
    digest = serializers.CharField()
    tags = serializers.ListField(
        child=serializers.CharField(), help_text="A few of its tags, or of indexes that list it."
    )


class ScrubFindingShape(serializers.Serializer[ScrubFinding]):
    """Something that is not as it should be."""

    number = serializers.IntegerField(source="scrub.number", help_text="Of the pass.")
    kind = serializers.ChoiceField(choices=ScrubFinding.Kind.values)
    is_damage = serializers.BooleanField()
    target = serializers.CharField(
        help_text="A digest, `repository@digest` of a manifest, or an upload's id."
    )
    size = serializers.IntegerField()
    detail = serializers.CharField(help_text="What is there instead.")
    found_at = serializers.DateTimeField()
    marked_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when the blob is not served, so that clients push it."
    )
    healed_at = serializers.DateTimeField(allow_null=True, help_text="When one did.")
    images = HitImageShape(many=True, source="hits.images", help_text="A few that are hit.")
    image_count = serializers.IntegerField(source="hits.image_count")
    repositories = serializers.ListField(
        child=serializers.CharField(), source="hits.repositories", help_text="A few that have it."
    )
    repository_count = serializers.IntegerField(source="hits.repository_count")


class ScrubFindingQuery(Page):
    cursor = Number(
        most=2**63 - 1,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )
    number = Number(most=_MOST, required=False, help_text="Only those of this pass.")
    damage = Text(
        pattern="true|false", required=False, help_text="Only damage; or only what is none."
    )


class ScrubView(Endpoint):
    @operation("Show the scrub", answer=ScrubShape)
    def get(self, request: Request) -> Response:
        """How far it is, what it has found, and what it has set apart. For administrators."""
        found = {
            "passes": scrub_reports.passes(principal=self.principal),
            "quarantine": scrub_reports.quarantine(principal=self.principal),
        }
        return self.answer(found, ScrubShape)


class ScrubFindingsView(Endpoint):
    @operation(
        "List findings of the scrub",
        answer=ScrubFindingShape,
        query=ScrubFindingQuery,
        pages=True,
    )
    def get(self, request: Request) -> Response:
        """In the order in which they were found. For administrators."""
        damage = self.query.get("damage")
        rows = scrub_reports.findings(
            principal=self.principal,
            number=self.query.get("number"),
            is_damage=None if damage is None else damage == "true",
        )
        return self.page(rows.select_related("scrub"), ScrubFindingShape, by="pk")
