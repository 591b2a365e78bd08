"""Two images side by side: size, layers, and how a container of each would start."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.translation import gettext as _

from accounts.web.page import public_page
from accounts.web.principal import principal_of
from repositories import comparison
from repositories.access import readable
from repositories.comparison import Change, Comparison, ListChange
from repositories.models import Repository
from repositories.oci.errors import ManifestUnknown, OCIError
from repositories.oci.names import validate_repository
from repositories.tag_lists import Order, listing
from repositories.web.references import MAX_TEXT, CompareForm, Reference

_SUGGESTED = 50
# The repositories that one may see, of those that were typed.
Readable = Mapping[str, Repository]


class Difference(NamedTuple):
    """A row of the table; a side is empty where there is nothing, and None where there is none."""

    name: str
    before: str | None
    after: str | None


@public_page("GET")
def compare(request: HttpRequest) -> HttpResponse:
    """A form to choose two images, and what differs between them."""
    sides = [request.GET.get(side) for side in ("before", "after")]
    # A repository's page leads here with its name and a colon, where no tags were selected.
    is_asked = None not in sides and not all(text and text.endswith(":") for text in sides)
    form = CompareForm(request.GET if is_asked else None, initial=_initial(request))
    # An error takes its field out of the form's own.
    chosen = dict(form.cleaned_data) if is_asked and form.is_valid() else {}
    first = _name(request)
    names = {first, *(chosen[side].name for side in ("before", "after") if chosen)} - {""}
    found = readable(principal=principal_of(request), names=names) if names else {}
    rows = {name: repository for name, (repository, _actions) in found.items()}
    context: dict[str, Any] = {"form": form, "suggestions": _suggestions(rows.get(first))}
    if chosen:
        context |= {"before": chosen["before"], "after": chosen["after"]}
        context["swapped"] = _query(chosen["after"], chosen["before"], chosen["platform"])
        context |= _comparison(form, chosen, rows)
    return render(request, "repositories/compare.html", context)


def _initial(request: HttpRequest) -> dict[str, str]:
    return {name: request.GET.get(name, "")[:MAX_TEXT] for name in ("before", "after")}


def _query(before: Reference, after: Reference, platform: str = "") -> str:
    query = QueryDict(mutable=True)
    query["before"], query["after"] = str(before), str(after)
    if platform:
        query["platform"] = platform
    return query.urlencode()


def _comparison(form: CompareForm, chosen: dict[str, Any], rows: Readable) -> dict[str, Any]:
    """The comparison; nothing, and an error in the form, where there is none."""
    sides: list[tuple[Repository, str]] = []
    for side in ("before", "after"):
        repository = rows.get(chosen[side].name)
        if repository is None:
            form.add_error(side, _("There is no such repository, or you may not know of it."))
            return {}
        sides.append((repository, chosen[side].reference))
    try:
        found = comparison.compare(before=sides[0], after=sides[1], platform=chosen["platform"])
    except ManifestUnknown as error:
        form.add_error(_side_of(error, chosen), _why_not(error))
        return {}
    return {
        "comparison": found,
        "lighter": -found.size_difference,
        "differences": list(_differences(found)),
        "shared_size": sum(layer.size for layer in found.shared),
    }


def _side_of(error: ManifestUnknown, chosen: dict[str, Any]) -> str:
    reference = error.detail.get("reference") if isinstance(error.detail, dict) else ""
    return "before" if reference == chosen["before"].reference else "after"


def _why_not(error: ManifestUnknown) -> str:
    if isinstance(error.detail, dict) and "platform" in error.detail:
        return _("There is no image for this platform.")
    return _("There is no image of this tag or digest; other content cannot be compared.")


def _differences(found: Comparison) -> Iterator[Difference]:
    settings = {change.name: change for change in found.settings}
    texts = {
        "platform": _("Platform"),
        "user": _("User"),
        "working_dir": _("Working directory"),
        "stop_signal": _("Stop signal"),
    }
    yield from _of_list(_("Entrypoint"), found.entrypoint)
    yield from _of_list(_("Command"), found.cmd)
    for name, text in texts.items():
        if name in settings:
            yield Difference(text, settings[name].before, settings[name].after)
    yield from _of_list(_("Ports"), found.exposed_ports)
    yield from _of_list(_("Volumes"), found.volumes)
    yield from _of_changes(_("Environment: %(name)s"), found.env)
    yield from _of_changes(_("Label: %(name)s"), found.labels)


def _of_list(text: str, change: ListChange | None) -> Iterator[Difference]:
    if change:
        yield Difference(text, " ".join(change.before) or None, " ".join(change.after) or None)


def _of_changes(text: str, changes: Sequence[Change]) -> Iterator[Difference]:
    for change in changes:
        yield Difference(text % {"name": change.name}, change.before, change.after)


def _name(request: HttpRequest) -> str:
    """Of the repository that was typed first; empty for what is no name."""
    text = request.GET.get("before", "")[:MAX_TEXT]
    name = text.partition("@")[0].rpartition(":")[0] or text
    try:
        return validate_repository(name)
    except OCIError:
        return ""


def _suggestions(repository: Repository | None) -> list[str]:
    """The newest tags of the repository that was typed first, if the visitor may see it."""
    if repository is None:
        return []
    tags = listing(repository=repository, order=Order.PUSHED)[:_SUGGESTED]
    return [f"{repository.name}:{tag.name}" for tag in tags]
