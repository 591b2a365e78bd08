"""Deletes of images and repositories, what they would free, and how they are undone."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import DIGEST, Flag, Strict, Text
from api.v1.pagination import PageByAge
from repositories import deletion, undo
from repositories.models import Deletion
from repositories.oci.names import MAX_TAG_BYTES
from repositories.previews import Going, Preview, Staying, Why
from repositories.undo import Undone

MAX_CHOSEN = 1_000
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]*"


class GoingShape(serializers.Serializer[Going]):
    """A manifest that goes."""

    digest = serializers.CharField()
    media_type = serializers.CharField()
    artifact_type = serializers.CharField()
    platform = serializers.CharField(help_text="As an index says that goes, too; else empty.")
    size = serializers.IntegerField(
        help_text="All that it is made of, in bytes; of an index, its own."
    )


class StayingShape(serializers.Serializer[Staying]):
    """A manifest that would go, but for what leads to it."""

    digest = serializers.CharField()
    why = serializers.ChoiceField(
        choices=[why.value for why in Why],
        help_text="By another tag, in an index that stays, or attached to what stays.",
    )
    by = serializers.CharField(help_text="That tag, or that digest.")


class DeletionShape(serializers.Serializer[Preview]):
    """What a delete takes with it."""

    tags = serializers.ListField(child=serializers.CharField())
    manifests = serializers.ListField(child=serializers.CharField(), help_text="Digests.")
    children = serializers.IntegerField(
        help_text="How many of the manifests are only listed in an index of them, or attached."
    )
    blobs = serializers.IntegerField(help_text="How many blobs nothing else needs.")
    bytes = serializers.IntegerField(help_text="Of those blobs: what the collector then frees.")
    shared_bytes = serializers.IntegerField(
        help_text="Of the other blobs: other images or repositories need them."
    )
    going = GoingShape(
        many=True, help_text="The first 100 of the manifests; none for a whole repository."
    )
    staying = StayingShape(many=True, help_text="The first 100 that stay, and why.")
    staying_count = serializers.IntegerField()
    deletion = serializers.IntegerField(
        allow_null=True,
        help_text="The id to undo it by; null in a preview, and where nothing can be undone.",
    )


class Chosen(Strict):
    """What to delete."""

    tags = serializers.ListField(
        child=Text(pattern=_TAG, max_length=MAX_TAG_BYTES),
        required=False,
        max_length=MAX_CHOSEN,
        help_text="They take along the images that no other tag, index or subject leads to.",
    )
    digests = serializers.ListField(
        child=Text(pattern=DIGEST, max_length=135),
        required=False,
        max_length=MAX_CHOSEN,
        help_text="Manifests, which go whatever leads to them, and their tags.",
    )


class Previewed(Chosen):
    """What would be deleted."""

    everything = Flag(required=False, help_text="The whole repository, whatever else is named.")


def _chosen(body: dict[str, Any]) -> dict[str, Any]:
    return {"names": body.get("tags", []), "digests": body.get("digests", [])}


class DeletionPreviewView(Endpoint):
    @operation("Say what a delete would free", answer=DeletionShape, body=Previewed)
    def post(self, request: Request, repository: str) -> Response:
        """Changes nothing. What is not there counts nothing. For who may delete there; with
        `everything`, for maintainers."""
        if self.body.get("everything"):
            found = deletion.preview_repository(principal=self.principal, repository=repository)
        else:
            found = deletion.preview(
                principal=self.principal, repository=repository, **_chosen(self.body)
            )
        return self.answer(found, DeletionShape)


class RecordShape(serializers.Serializer[Deletion]):
    """A delete that can be undone."""

    id = serializers.IntegerField()
    repository = serializers.CharField(source="name")
    kind = serializers.ChoiceField(choices=Deletion.Kind.values)
    deleted_at = serializers.DateTimeField()
    deleted_by = serializers.CharField()
    reason = serializers.CharField(help_text="Empty for what somebody did by hand.")
    until = serializers.DateTimeField(help_text="It can be undone until then.")
    tags_count = serializers.IntegerField()
    manifests_count = serializers.IntegerField()


class UndoneShape(serializers.Serializer[Undone]):
    """What was put back."""

    repository = serializers.CharField()
    tags = serializers.ListField(child=serializers.CharField())
    manifests_count = serializers.IntegerField(source="manifests")
    left = serializers.ListField(
        child=serializers.CharField(),
        help_text="Tags that were not put back, since they have been pushed anew.",
    )


class Rest(Strict):
    """How to undo."""

    rest = Flag(
        required=False,
        help_text="Leave tags alone that have been pushed anew, and put back all else; of a "
        "repository, into the one that is there again.",
    )


class DeletionsView(Endpoint):
    @operation("List deletes that can be undone", answer=RecordShape, query=PageByAge, pages=True)
    def get(self, request: Request, repository: str) -> Response:
        """What was deleted in the repository, the newest first. For who may delete there."""
        rows = undo.of_repository(principal=self.principal, repository=repository)
        return self.page(rows, RecordShape, by="-id")

    @operation("Delete images", answer=DeletionShape, body=Chosen)
    def post(self, request: Request, repository: str) -> Response:
        """Delete tags and manifests, with what only they lead to; answers what went.

        What is not there is passed over. To delete a tag alone, send a DELETE to the distribution
        API. For who may delete there.
        """
        found = deletion.delete(
            principal=self.principal, repository=repository, **_chosen(self.body)
        )
        return self.answer(found, DeletionShape)


class UndoView(Endpoint):
    @operation("Undo a delete", answer=UndoneShape, body=Rest)
    def post(self, request: Request, repository: str, deletion: int) -> Response:
        """Put back what one delete took, as it was: all of it, or nothing.

        Refused where tags have been pushed anew, unless with `rest`, and where blobs are gone for
        good. For who may delete there.
        """
        done = undo.undo(
            principal=self.principal,
            repository=repository,
            deletion=deletion,
            rest=self.body.get("rest", False),
        )
        return self.answer(done, UndoneShape)


class DeletedRepositoriesView(Endpoint):
    @operation("List deleted repositories", answer=RecordShape, query=PageByAge, pages=True)
    def get(self, request: Request, team: str) -> Response:
        """Those of the team that can come back. For its maintainers and owners."""
        rows = undo.of_team(principal=self.principal, team=team)
        return self.page(rows, RecordShape, by="-id")


class RepositoryUndoView(Endpoint):
    @operation("Undo the delete of a repository", answer=UndoneShape, body=Rest)
    def post(self, request: Request, team: str, deletion: int) -> Response:
        """With its tags, manifests, grants, description and visibility; its history is gone.

        For maintainers and owners of the team.
        """
        done = undo.undo_repository(
            principal=self.principal,
            team=team,
            deletion=deletion,
            rest=self.body.get("rest", False),
        )
        return self.answer(done, UndoneShape)
