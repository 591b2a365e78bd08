"""Deletes of images and repositories, and what they would free."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Strict, Text
from repositories import deletion
from repositories.deletion import Preview
from repositories.oci.names import MAX_TAG_BYTES

MAX_CHOSEN = 1_000
_TAG = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_DIGEST = r"(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"


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


class Chosen(Strict):
    """What to delete."""

    tags = serializers.ListField(
        child=Text(pattern=_TAG, max_length=MAX_TAG_BYTES),
        required=False,
        max_length=MAX_CHOSEN,
        help_text="They take along the images that no other tag, index or subject leads to.",
    )
    digests = serializers.ListField(
        child=Text(pattern=_DIGEST, max_length=135),
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


class DeletionsView(Endpoint):
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
