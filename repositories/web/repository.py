"""A repository: how to pull from it, what it says of itself, and its tags."""

from collections.abc import Sequence
from typing import NamedTuple

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.web.page import public_page
from accounts.web.paging import page_of
from accounts.web.server import server_of
from repositories import tag_facts, tag_lists
from repositories.manifest_facts import sized
from repositories.models import Repository, Tag
from repositories.oci.artifacts import Kind
from repositories.patterns import matching
from repositories.tag_facts import TagFacts
from repositories.tag_lists import COUNTED, Order
from repositories.web import header, markdown, snippets
from repositories.web.deletion import selected

_ATTACHED = "sha256-"


class TagFilter(forms.Form):
    q = forms.CharField(
        label=gettext_lazy("Filter by name"),
        max_length=128,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )


class Heading(NamedTuple):
    """A heading that sorts: `query` leads to `order`; `sort` is `aria-sort`, if it is in force."""

    text: str
    query: str
    sort: str


@public_page("GET")
def repository(request: HttpRequest, name: str) -> HttpResponse:
    """The pull commands, the description and a page of tags."""
    counted = tag_lists.with_untagged(Repository.objects.all())
    found = header.found(request, name, repositories=counted)
    order = _order(request)
    form = TagFilter(request.GET)
    text = form.cleaned_data["q"].strip() if form.is_valid() else ""
    rows = tag_lists.listing(repository=found.repository, order=order, text=text)
    page = page_of(request, rows)
    facts = tag_facts.facts(repository=found.repository, tags=page.rows)
    context = header.context_of(request, found)
    context |= {
        "tab": "tags",
        "immutable": matching(context["patterns"], (row.tag.name for row in facts)),
        "description": markdown.render(found.repository.description),
        "push_source": name.rpartition("/")[2],
        "page": page,
        "tags": facts,
        "largest": max((row.size.total for row in facts), default=0),
        "form": form,
        "text": text,
        "order": order,
        "headings": _headings(request, order),
        "snippets": _snippets(request, name, facts),
        "is_empty": not facts and not text and page.is_first,
        "untagged": found.repository.untagged_count,  # type: ignore[attr-defined]
        "has_more_untagged": found.repository.looked_at > COUNTED,  # type: ignore[attr-defined]
    }
    return render(request, "repositories/repository.html", context)


def _order(request: HttpRequest) -> Order:
    try:
        return Order(request.GET.get("sort", ""))
    except ValueError:
        return Order.PUSHED


def _headings(request: HttpRequest, order: Order) -> dict[str, Heading]:
    is_unused = order is Order.UNUSED
    return {
        "name": Heading(
            _("Tag"), _query(request, Order.NAME), "ascending" if order is Order.NAME else ""
        ),
        "pushed": Heading(
            _("Pushed"),
            _query(request, Order.PUSHED),
            "descending" if order is Order.PUSHED else "",
        ),
        "pulled": Heading(
            _("Last pulled"),
            _query(request, Order.UNUSED if order is Order.PULLED else Order.PULLED),
            "ascending" if is_unused else "descending" if order is Order.PULLED else "",
        ),
    }


def _query(request: HttpRequest, order: Order) -> str:
    query = QueryDict(mutable=True)
    if request.GET.get("q"):
        query["q"] = request.GET["q"]
    query["sort"] = order.value
    return query.urlencode()


def _snippets(
    request: HttpRequest, name: str, facts: Sequence[TagFacts]
) -> Sequence[snippets.Snippet]:
    """How to pull `latest`, or else the first tag of the page that is no signature."""
    own = [row for row in facts if not row.tag.name.startswith(_ATTACHED)]
    latest = (row for row in own if row.tag.name == "latest")
    shown = next(latest, own[0] if own else None)
    return snippets.of(
        server=server_of(request),
        name=name,
        reference=shown.tag.name if shown else "latest",
        kind=shown.manifest.artifact.kind if shown else Kind.IMAGE,
    )


@public_page("GET")
def untagged(request: HttpRequest, name: str) -> HttpResponse:
    """The manifests that no tag leads to."""
    found = header.found(request, name)
    rows = sized(tag_lists.untagged(repository=found.repository))
    context = {"tab": "tags", "page": page_of(request, rows)}
    return render(
        request, "repositories/untagged.html", header.context_of(request, found) | context
    )


@public_page("GET")
def compare_tags(request: HttpRequest, name: str) -> HttpResponse:
    """From two selected tags, or one, or none, to their comparison: the older one first."""
    found = header.found(request, name)
    chosen = selected(request)
    rows = Tag.objects.filter(repository=found.repository, name__in=chosen[:2])
    names = rows.order_by("pushed_at", "pk").values_list("name", flat=True)
    before, after = ["", "", *names][-2:]
    query = QueryDict(mutable=True)
    query["before"], query["after"] = f"{name}:{before}", f"{name}:{after}"
    if len(chosen) > 2:
        messages.info(request, _("More than two tags were selected: these are the first two."))
    return redirect(f"{reverse('compare')}?{query.urlencode()}")
