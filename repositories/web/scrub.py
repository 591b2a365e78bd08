"""What the scrub has found: for administrators."""

from collections.abc import Sequence

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of
from repositories import scrub_reports
from repositories.models import ScrubFinding, ScrubPass
from repositories.web.texts import text_of

Kind = ScrubFinding.Kind
# What a finding is called, and what it means.
TEXTS: dict[str, tuple[Promise, Promise]] = {
    Kind.CHANGED: (_("changed"), _("its bytes are not those that were pushed")),
    Kind.CUT: (_("wrong size"), _("the file is shorter or longer than what was pushed")),
    Kind.MISSING: (_("missing"), _("there is no file")),
    Kind.UNREADABLE: (_("unreadable"), _("the disk does not give its bytes")),
    Kind.MARKED: (_("not served"), _("its bytes are right again; scrub --repair serves them")),
    Kind.MANIFEST_CHANGED: (
        _("changed manifest"),
        _("its bytes are not those that were pushed: delete it by its digest and push it again"),
    ),
    Kind.MANIFEST_INCOMPLETE: (
        _("incomplete manifest"),
        _("it names blobs that its repository lacks: delete it by its digest and push it again"),
    ),
    Kind.INDEX_SPARSE: (
        _("sparse index"),
        _("it lists images that its repository lacks, which is allowed"),
    ),
    Kind.ORPHAN: (
        _("file without a row"),
        _("nothing needs it; the garbage collector moves it to the trash"),
    ),
    Kind.STRAY_UPLOAD: (
        _("left-over upload"),
        _("nothing needs it; it goes with other stale uploads"),
    ),
}
_STAGES: dict[str, Promise] = {
    ScrubPass.Stage.BLOBS: _("reading blobs"),
    ScrubPass.Stage.FILES: _("looking for files without a row"),
    ScrubPass.Stage.UPLOADS: _("looking for left-over uploads"),
    ScrubPass.Stage.MANIFESTS: _("reading manifests"),
}


@page("GET")
def scrub(request: SignedInRequest) -> HttpResponse:
    """The pass under way and the last one, what one of them has found, and the quarantine."""
    principal = principal_of(request)
    passes = scrub_reports.passes(principal=principal)
    shown = _shown(passes, text_of(request, "pass"))
    has_notices = request.GET.get("what") == "notices"
    rows = scrub_reports.findings(
        principal=principal, number=shown.number if shown else 0, is_damage=not has_notices
    )
    found = page_of(request, rows)
    context = {
        "passes": passes,
        "shown": shown,
        "stage": _STAGES[passes[0].stage] if passes else "",
        "has_notices": has_notices,
        "page": found,
        "findings": [(finding, *TEXTS[finding.kind]) for finding in found.rows],
        "quarantine": scrub_reports.quarantine(principal=principal),
    }
    return render(request, "repositories/scrub.html", context)


def _shown(passes: Sequence[ScrubPass], number: str) -> ScrubPass | None:
    """The pass that was asked for. Or else the last one that is done, unless the one under way has
    found damage already."""
    asked = next((row for row in passes if str(row.number) == number), None)
    if asked:
        return asked
    for row in passes:
        if row.finished_at is None and not getattr(row, "damages", 0) and len(passes) > 1:
            continue
        return row
    return None
