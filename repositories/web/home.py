"""The first page: where this registry is, and how to push to it."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from accounts.web.server import server_of


def home(request: HttpRequest) -> HttpResponse:
    """The three commands that push a first image, with this server's address filled in."""
    context = {"host": server_of(request).host, "is_open": settings.OPEN_ACCESS}
    return render(request, "home.html", context)
