"""The first page: where this registry is, and how to push to it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def home(request: HttpRequest) -> HttpResponse:
    """The three commands that push a first image, with this server's address filled in."""
    host = settings.PUBLIC_URL.partition("://")[2] or request.get_host()
    return render(request, "home.html", {"host": host, "is_open": settings.OPEN_ACCESS})
