"""Which other repositories have the same layers, as far as somebody may know."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import OuterRef, Q, QuerySet, Subquery, TextField, Value
from django.db.models.expressions import Combinable
from django.db.models.sql.compiler import SQLCompiler

from repositories.access import Principal, reach_of
from repositories.models import Blob, BlobLink, Repository

MAX_NAMES = 10
MAX_LAYERS = 200
# Who sees no more repositories than this is told of all that share a layer, and who sees all of
# them is, too. For others so many of the layer's repositories are looked at: finding the few among
# those of a popular base layer takes long.
FEW = 1_000
MAX_LINKS = 5_000


class SharedWith(NamedTuple):
    """Names of other repositories that one may see, and whether there are more of them.

    `is_partial`: the layer is in more repositories than were looked at, so there may be more.
    """

    names: tuple[str, ...]
    has_more: bool
    is_partial: bool = False


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
    that the principal may read `repository`, and that it links the layers. Three queries at most.
    """
    wanted = list(dict.fromkeys(digests))[:MAX_LAYERS]
    # Neither a join nor EXISTS: databases would begin with all links of the repository, PostgreSQL
    # only after some pages: then the plan of a prepared statement no longer looks at its values.
    link = BlobLink.objects.filter(repository=repository, blob=OuterRef("pk")).values("pk")[:1]
    blobs = Blob.objects.annotate(link=Subquery(link)).filter(digest__in=wanted, link__isnull=False)
    sharers, is_cut = _sharers(principal, repository)
    rows = blobs.annotate(
        names=_Names(sharers.values("name")[: MAX_NAMES + 1]), is_cut=is_cut
    ).values_list("digest", "names", "is_cut")
    return {digest: _shared(names or "", is_cut) for digest, names, is_cut in rows}


def _sharers(
    principal: Principal, repository: Repository
) -> tuple[QuerySet[Repository], Combinable]:
    """The other repositories that have the blob of the outer query, as far as they are looked for;
    and whether that is not all the way."""
    reach, is_other = reach_of(principal), ~Q(pk=repository.pk)
    others = reach.repositories.filter(is_other)
    own = {"blob_links__blob": OuterRef("pk")}
    if principal.is_unlimited:
        return others.filter(**own), Value(False)
    few = reach.few(is_other, most=FEW)
    if few is not None:
        return Repository.objects.filter(pk__in=few, **own), Value(False)
    # In no order that the database would have to make: a base layer has 100,000 links.
    links = BlobLink.objects.filter(blob=OuterRef(OuterRef("pk")))
    further = BlobLink.objects.filter(blob=OuterRef("pk")).values("pk")
    is_cut = Subquery(further[MAX_LINKS : MAX_LINKS + 1])
    return others.filter(blob_links__pk__in=links.values("pk")[:MAX_LINKS]), is_cut


def _shared(names: str, is_cut: object) -> SharedWith:
    found = sorted(names.split())
    has_more = len(found) > MAX_NAMES
    return SharedWith(tuple(found[:MAX_NAMES]), has_more, bool(is_cut) and not has_more)
