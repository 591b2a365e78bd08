"""One text, and what it may mean."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Strict, Text
from api.v1.permissions import SignedInOrReading
from repositories import search


class FoundTagShape(serializers.Serializer[search.FoundTag]):
    """A tag, and the digest that it names."""

    repository = serializers.CharField()
    name = serializers.CharField()
    digest = serializers.CharField()


class FoundDigestShape(serializers.Serializer[search.FoundDigest]):
    """A manifest or a blob that a repository has."""

    repository = serializers.CharField()
    digest = serializers.CharField()
    is_manifest = serializers.BooleanField(help_text="Otherwise it is a blob: a layer, mostly.")
    size = serializers.IntegerField(help_text="In bytes.")


class FoundShape(serializers.Serializer[search.Found]):
    """What the text may mean: at most 20 of each."""

    repositories = serializers.ListField(child=serializers.CharField())
    tags = FoundTagShape(many=True)
    digests = FoundDigestShape(many=True)


class SearchQuery(Strict):
    q = Text(
        max_length=255,
        help_text="A part of a repository's name, the beginning of a tag, or at least six hex "
        "digits that a digest begins with, with or without `sha256:`.",
    )


class SearchView(Endpoint):
    permission_classes = [SignedInOrReading]

    @operation("Search", answer=FoundShape, query=SearchQuery)
    def get(self, request: Request) -> Response:
        """Repositories, tags and digests, in what one may pull from."""
        return self.answer(search.find(principal=self.principal, text=self.query["q"]), FoundShape)
