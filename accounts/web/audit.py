"""The audit log, for administrators: read, filtered, exported."""

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from accounts import audit_log
from accounts.web.forms import AuditForm
from accounts.web.page import SignedInRequest, page
from accounts.web.paging import page_of
from accounts.web.principal import principal_of


@page("GET")
def event_list(request: SignedInRequest) -> HttpResponse:
    """The newest events that match. A filter that is wrong says so, and filters nothing."""
    form = AuditForm(request.GET)
    filters = form.filters if form.is_valid() else {}
    found = audit_log.events(principal=principal_of(request), **filters)
    query = request.GET.copy()
    query.pop("after", None)
    context = {"page": page_of(request, found), "form": form, "query": query.urlencode()}
    return render(request, "accounts/manage/audit.html", context)


@page("GET")
def export(request: SignedInRequest) -> HttpResponse | StreamingHttpResponse:
    """All events that match, as JSON lines."""
    principal = principal_of(request)
    form = AuditForm(request.GET)
    if not form.is_valid():
        audit_log.events(principal=principal)  # for administrators only, the errors as well
        return HttpResponse(form.errors.as_json(), status=400, content_type="application/json")
    found = audit_log.events(principal=principal, **form.filters)
    lines = audit_log.export(principal=principal, found=found)
    return StreamingHttpResponse(
        (line.encode("utf-8") for line in lines),
        content_type="application/x-ndjson; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
    )
