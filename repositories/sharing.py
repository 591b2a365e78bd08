"""Which other repositories have the same layers, as far as somebody may know."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import OuterRef, QuerySet, Subquery, TextField
from django.db.models.sql.compiler import SQLCompiler

from repositories.access import Principal, visible_to
from repositories.models import Blob, BlobLink, Repository

MAX_NAMES = 10
MAX_LAYERS = 200
# Who sees no more repositories than this is told of all that share a layer. For others so many of
# the layer's repositories are looked at: counting those of a popular base layer takes long.
FEW = 1_000
MAX_LINKS = 5_000


class SharedWith(NamedTuple):
    """Names of other repositories that one may see, and whether there are more of them."""

    names: tuple[str, ...]
    has_more: bool


class _Names(Subquery):
    """The names that a query finds, as one text: names have no spaces."""

    template = "(SELECT group_concat(found.name, ' ') FROM (%(subquery)s) AS found)"
    output_field = TextField()

    def as_postgresql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **options: object
    ) -> tuple[str, tuple[object, ...]]:
        template = self.template.replace("group_concat", "string_agg")
        sql, parameters = self.as_sql(compiler, connection, template=template)
        return sql, tuple(parameters)


def of_layers(
    *, principal: Principal, repository: Repository, digests: Collection[str]
) -> Mapping[str, SharedWith]:
    """For each layer the other repositories that the principal may see and that have it too.

    Which ones are named, when there are more than MAX_NAMES, is left open. The caller has made sure
    that the principal may read `repository`, and that it links the layers. Three queries.
    """
    wanted = list(dict.fromkeys(digests))[:MAX_LAYERS]
    blobs = Blob.objects.filter(digest__in=wanted, links__repository=repository)
    sharers = _sharers(principal, repository).values("name")[: MAX_NAMES + 1]
    rows = blobs.annotate(names=_Names(sharers)).values_list("digest", "names")
    return {digest: _shared(names or "") for digest, names in rows}


def _sharers(principal: Principal, repository: Repository) -> QuerySet[Repository]:
    """The other repositories that have the blob of the outer query."""
    others = visible_to(principal).exclude(pk=repository.pk).order_by()
    few = list(others.values_list("pk", flat=True)[: FEW + 1])
    if len(few) <= FEW:
        return Repository.objects.filter(pk__in=few, blob_links__blob=OuterRef("pk"))
    links = BlobLink.objects.filter(blob=OuterRef(OuterRef("pk")))
    return others.filter(blob_links__pk__in=links.values("pk")[:MAX_LINKS])


def _shared(names: str) -> SharedWith:
    found = sorted(names.split())
    return SharedWith(tuple(found[:MAX_NAMES]), has_more=len(found) > MAX_NAMES)
