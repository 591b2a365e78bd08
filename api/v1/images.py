"""What is in a repository: its tags, images and what they are made of, referrers, comparisons."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import DIGEST, Strict, Text
from api.v1.image_shapes import ComparisonShape, DescriptionShape, ReferrerTreeShape
from api.v1.pagination import Page, PageByAge
from api.v1.permissions import SignedInOrReading
from repositories import (
    comparison,
    images,
    referrer_trees,
    rollback,
    sharing,
    tag_facts,
    tag_history,
)
from repositories.administration import visible_repository
from repositories.images import Description
from repositories.models import Repository, TagChange
from repositories.oci.artifacts import Kind
from repositories.tag_facts import TagFacts

_TAG = "[A-Za-z0-9_][A-Za-z0-9._-]{0,127}"
_REFERENCE = f"{_TAG}|{DIGEST}"


class TagShape(serializers.Serializer[TagFacts]):
    """A tag, and what it names. Sizes in bytes, over all platforms."""

    name = serializers.CharField(source="tag.name")
    digest = serializers.CharField(source="manifest.digest")
    media_type = serializers.CharField(source="manifest.media_type")
    kind = serializers.ChoiceField(choices=list(Kind), source="manifest.artifact.kind")
    artifact_type = serializers.CharField(source="manifest.artifact.type")
    platforms = serializers.ListField(child=serializers.CharField())
    layers_count = serializers.IntegerField(source="size.layers")
    total_size = serializers.IntegerField(
        source="size.total", help_text="All that it is made of, each blob once."
    )
    unique_size = serializers.IntegerField(
        source="size.unique", help_text="What nothing would use if the tag were gone."
    )
    shared_size = serializers.IntegerField(
        source="size.shared", help_text="What others use as well."
    )
    is_partial = serializers.BooleanField(
        source="size.is_partial", help_text="Too much to measure: the sizes are larger than this."
    )
    pushed_at = serializers.DateTimeField(source="tag.pushed_at")
    pushed_by = serializers.CharField(source="manifest.pushed_by")


class TagChangeShape(serializers.Serializer[TagChange]):
    """What a tag named for a while. The digest is empty while there was no such tag."""

    id = serializers.IntegerField()
    digest = serializers.CharField()
    since = serializers.DateTimeField(source="changed_at")
    until = serializers.DateTimeField(allow_null=True, help_text="Null: it is so today.")
    changed_by = serializers.CharField()
    is_here = serializers.BooleanField(help_text="Whether the digest can still be pulled.")


class PageByTag(Page):
    """A page of tags, by name."""

    cursor = Text(
        pattern=_TAG,
        required=False,
        help_text="Where the page begins: as `next` of the page before says.",
    )


class PlatformQuery(Strict):
    platform = Text(
        pattern="[A-Za-z0-9._/-]{1,200}",
        required=False,
        help_text="Of an index: `os/architecture[/variant]`; linux/amd64 or the first by default.",
    )


class ComparisonQuery(PlatformQuery):
    before = Text(pattern=_REFERENCE, help_text="A tag or a digest.")
    after = Text(pattern=_REFERENCE, help_text="A tag or a digest.")
    after_repository = Text(
        pattern="[a-z0-9._/-]{1,255}",
        required=False,
        help_text="Where `after` is, if in another repository.",
    )


class Rollback(Strict):
    """What the tag is to name."""

    digest = Text(
        pattern=DIGEST, max_length=135, help_text="One that the tag has named: see its changes."
    )


class _Reading(Endpoint):
    """For whoever may pull from the repository."""

    permission_classes = [SignedInOrReading]

    def found(self, name: str) -> Repository:
        """Raises Repository.DoesNotExist."""
        return visible_repository(self.principal, name)


class TagsView(_Reading):
    @operation("List tags", answer=TagShape, query=PageByTag, pages=True)
    def get(self, request: Request, repository: str) -> Response:
        """The tags by name, with sizes and platforms. For whoever may pull."""
        found = self.found(repository)
        return self.page(
            found.tags.all(),
            TagShape,
            by="name",
            facts=lambda tags: tag_facts.facts(repository=found, tags=tags),
        )


class TagChangesView(_Reading):
    @operation("List the moves of a tag", answer=TagChangeShape, query=PageByAge, pages=True)
    def get(self, request: Request, repository: str, tag: str) -> Response:
        """What it named from when until when, the newest first. For whoever may pull."""
        changes = tag_history.changes(repository=self.found(repository), tag=tag)
        return self.page(changes, TagChangeShape, by="-id")


class RollbackView(Endpoint):
    @operation("Put a tag back", answer=TagShape, body=Rollback)
    def post(self, request: Request, repository: str, tag: str) -> Response:
        """Let a tag name again what it named before. For who may push.

        What has been deleted meanwhile is put back first, while that can be undone.
        """
        rollback.roll_back(
            principal=self.principal, repository=repository, tag=tag, digest=self.body["digest"]
        )
        found = visible_repository(self.principal, repository)
        row = found.tags.get(name=tag)
        return self.answer(tag_facts.facts(repository=found, tags=[row])[0], TagShape)


class ImageView(_Reading):
    @operation("Show an image", answer=DescriptionShape, query=PlatformQuery)
    def get(self, request: Request, repository: str, reference: str) -> Response:
        """What a tag or digest names: its config, layers and history. For whoever may pull.

        Of an index its entries, and the image for one platform.
        """
        found = self.found(repository)
        description = images.describe(
            repository=found, reference=reference, platform=self.query.get("platform", "")
        )
        return Response(self._shown(found, description))

    def _shown(self, repository: Repository, description: Description) -> Any:
        layers = description.image.layers if description.image else ()
        shared = sharing.of_layers(
            principal=self.principal,
            repository=repository,
            digests=[layer.digest for layer in layers],
        )
        return DescriptionShape(description, context={"shared": shared}).data


class ReferrersView(_Reading):
    @operation("Show the referrers of a manifest", answer=ReferrerTreeShape)
    def get(self, request: Request, repository: str, reference: str) -> Response:
        """Signatures, SBOMs and whatever else is attached, and what is attached to that.

        At most 200, each after what it refers to. A manifest that is named by its digest need not
        be here. For whoever may pull.
        """
        found = self.found(repository)
        subject = images.resolve(repository=found, reference=reference)
        tree = referrer_trees.tree(repository=found, subject=subject)
        return self.answer(tree, ReferrerTreeShape)


class ComparisonView(_Reading):
    @operation("Compare two images", answer=ComparisonShape, query=ComparisonQuery)
    def get(self, request: Request, repository: str) -> Response:
        """What differs: layers, environment, labels, command, size. For whoever may pull both."""
        before = self.found(repository)
        other = self.query.get("after_repository")
        found = comparison.compare(
            before=(before, self.query["before"]),
            after=(self.found(other) if other else before, self.query["after"]),
            platform=self.query.get("platform", ""),
        )
        return self.answer(found, ComparisonShape)
