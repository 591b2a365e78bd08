"""Search: repositories, tags and digests, as one types."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.web.page import public_page
from accounts.web.principal import principal_of
from repositories import search
from repositories.web.texts import text_of


@public_page("GET")
def find(request: HttpRequest) -> HttpResponse:
    """What the text may mean. A script asks for the same page as one types, and shows a part."""
    text = text_of(request, "q")
    found = search.find(principal=principal_of(request), text=text) if text else None
    context = {
        "query": text,
        "found": found,
        "count": len(found.repositories) + len(found.tags) + len(found.digests) if found else 0,
        "most": search.MOST,
    }
    return render(request, "search.html", context)
