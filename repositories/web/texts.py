"""What people type into the fields of a list."""

from django.http import HttpRequest

_LONGEST = 255


def text_of(request: HttpRequest, name: str) -> str:
    """A text of the query string, of printable characters: databases take no others."""
    given = request.GET.get(name, "")[:_LONGEST]
    return "".join(character for character in given if character.isprintable()).strip()
