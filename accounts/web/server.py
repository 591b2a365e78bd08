"""This server's address, for what people copy and paste."""

from typing import NamedTuple

from django.conf import settings
from django.http import HttpRequest


class Server(NamedTuple):
    """`https://registry.example.com`, and the part of it that image names begin with."""

    url: str
    host: str


def server_of(request: HttpRequest) -> Server:
    """The configured public address, else the one that the browser used."""
    url = settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    return Server(url, url.partition("://")[2])
