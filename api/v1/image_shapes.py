"""The form of images in answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from repositories.comparison import Change, Comparison, ListChange
from repositories.images import Description, Entry, Image, Layer
from repositories.manifest_facts import ManifestFacts
from repositories.oci.artifacts import Kind
from repositories.oci.image import Healthcheck, HistoryRow, ImageConfig
from repositories.referrer_trees import Node, ReferrerTree
from repositories.sharing import SharedWith

_NOBODY = SharedWith((), has_more=False)


class _Texts(serializers.ListField):
    child = serializers.CharField()


@extend_schema_field({"type": "object", "additionalProperties": {"type": "string"}})
class _Pairs(serializers.Field[Any, Any, Any, Any]):
    """Pairs as an object; of two with one name the last counts, as everywhere."""

    def to_representation(self, value: Any) -> dict[str, str]:
        return dict(value)


class ManifestShape(serializers.Serializer[ManifestFacts]):
    """A manifest; `size` is its own, in bytes."""

    digest = serializers.CharField()
    media_type = serializers.CharField()
    kind = serializers.ChoiceField(choices=list(Kind), source="artifact.kind")
    artifact_type = serializers.CharField(source="artifact.type")
    size = serializers.IntegerField()
    subject = serializers.CharField(help_text="The digest that it refers to, or empty.")
    annotations = _Pairs()
    pushed_at = serializers.DateTimeField()
    pushed_by = serializers.CharField()
    problem = serializers.CharField(help_text="Empty, or why it cannot be explained.")


class EntryShape(serializers.Serializer[Entry]):
    """An entry of an index."""

    digest = serializers.CharField()
    media_type = serializers.CharField()
    platform = serializers.CharField()
    os_version = serializers.CharField(source="platform.os_version")
    size = serializers.IntegerField(
        allow_null=True, help_text="Bytes of all that it is made of, if known."
    )
    is_here = serializers.BooleanField()
    attests = serializers.CharField(help_text="The digest that it attests something of, or empty.")
    is_chosen = serializers.BooleanField(help_text="Whether it is the `image` of this answer.")


class LayerShape(serializers.Serializer[Layer]):
    """A layer of an image."""

    digest = serializers.CharField()
    media_type = serializers.CharField()
    size = serializers.IntegerField()
    share = serializers.FloatField(help_text="Of the image's size, from 0 to 1.")
    instruction = serializers.CharField(help_text="The step that made it, if that can be told.")
    is_here = serializers.BooleanField()


class SharedLayerShape(LayerShape):
    """A layer of an image, and who else has it."""

    shared_with = serializers.SerializerMethodField(
        help_text="Other repositories that have it and that you may see, at most ten."
    )
    shared_with_more = serializers.SerializerMethodField(help_text="Whether there are more.")

    def _shared(self, layer: Layer) -> SharedWith:
        found: SharedWith = self.context["shared"].get(layer.digest, _NOBODY)
        return found

    def get_shared_with(self, layer: Layer) -> list[str]:
        return list(self._shared(layer).names)

    def get_shared_with_more(self, layer: Layer) -> bool:
        return self._shared(layer).has_more


class HistoryShape(serializers.Serializer[HistoryRow]):
    """A step of the build."""

    created_by = serializers.CharField()
    instruction = serializers.CharField(help_text="As a Dockerfile would have it.")
    comment = serializers.CharField()
    created = serializers.DateTimeField(allow_null=True)
    empty_layer = serializers.BooleanField()
    layer = serializers.IntegerField(
        allow_null=True, help_text="The position of the layer that it made."
    )


class HealthcheckShape(serializers.Serializer[Healthcheck]):
    """Durations are in seconds; 0 is the default."""

    test = _Texts()
    interval = serializers.FloatField()
    timeout = serializers.FloatField()
    start_period = serializers.FloatField()
    retries = serializers.IntegerField()


class ConfigShape(serializers.Serializer[ImageConfig]):
    """An image's config."""

    created = serializers.DateTimeField(allow_null=True)
    author = serializers.CharField()
    entrypoint = _Texts()
    cmd = _Texts()
    env = _Pairs()
    working_dir = serializers.CharField()
    user = serializers.CharField()
    exposed_ports = _Texts()
    volumes = _Texts()
    labels = _Pairs()
    stop_signal = serializers.CharField()
    healthcheck = HealthcheckShape(allow_null=True)
    was_cut = serializers.BooleanField(help_text="Some text or list was too long to show whole.")


class ImageShape(serializers.Serializer[Image]):
    """An image; `size` is that of all it is made of, in bytes."""

    manifest = ManifestShape()
    platform = serializers.CharField()
    size = serializers.IntegerField()
    config_digest = serializers.CharField()
    config = ConfigShape(allow_null=True)
    config_problem = serializers.CharField(help_text="Empty, or why there is no `config`.")
    layers = SharedLayerShape(many=True)
    history = HistoryShape(many=True)


class DescriptionShape(serializers.Serializer[Description]):
    """What a tag or digest names."""

    manifest = ManifestShape()
    entries = EntryShape(many=True)
    image = ImageShape(allow_null=True)


class NodeShape(serializers.Serializer[Node]):
    """A referrer."""

    manifest = ManifestShape()
    refers_to = serializers.CharField(source="parent", help_text="A digest.")
    depth = serializers.IntegerField()
    tag = serializers.CharField(help_text="The tag that says so, if it is not the manifest itself.")


class ReferrerTreeShape(serializers.Serializer[ReferrerTree]):
    """What is attached to a manifest."""

    nodes = NodeShape(many=True)
    has_more = serializers.BooleanField()


class ChangeShape(serializers.Serializer[Change]):
    """A value that differs; null where there is none."""

    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)


class ListChangeShape(serializers.Serializer[ListChange]):
    """A list that differs."""

    before = _Texts()
    after = _Texts()


class ComparisonShape(serializers.Serializer[Comparison]):
    """How one image differs from another. Null where two lists are equal."""

    before_digest = serializers.CharField(source="before.manifest.digest")
    after_digest = serializers.CharField(source="after.manifest.digest")
    before_platform = serializers.CharField(source="before.platform")
    after_platform = serializers.CharField(source="after.platform")
    size_difference = serializers.IntegerField()
    shared = LayerShape(many=True)
    added = LayerShape(many=True)
    removed = LayerShape(many=True)
    env = ChangeShape(many=True)
    labels = ChangeShape(many=True)
    settings = ChangeShape(many=True)
    entrypoint = ListChangeShape(allow_null=True)
    cmd = ListChangeShape(allow_null=True)
    exposed_ports = ListChangeShape(allow_null=True)
    volumes = ListChangeShape(allow_null=True)
