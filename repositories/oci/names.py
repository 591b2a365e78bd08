"""Repository names and tags: the grammar of the distribution-spec, "Pulling manifests"."""

import re

from repositories.oci.errors import NameInvalid, TagInvalid

MAX_NAME_BYTES = 255
MAX_TAG_BYTES = 128
# The namespace of names without a slash, such as `hello-world`.
DEFAULT_TEAM = "library"

# fullmatch and ASCII: `$` would match before a newline, and `\w` knows Cyrillic.
COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_COMPONENT = re.compile(COMPONENT, re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)


def validate_repository(name: str) -> str:
    """`name` itself, when it is a repository name. Raises NameInvalid.

    Each component is matched on its own: one expression for the whole name backtracks for ever on
    a hostile one.
    """
    if len(name) > MAX_NAME_BYTES:
        raise NameInvalid(
            f"a repository name has at most {MAX_NAME_BYTES} characters, this one {len(name)}"
        )
    if not all(_COMPONENT.fullmatch(component) for component in name.split("/")):
        raise NameInvalid(
            "invalid repository name: use lower-case letters and digits, separated by '.', '_', "
            "'__' or '-', in components separated by '/'",
            detail={"name": name[:MAX_NAME_BYTES]},
        )
    return name


def is_repository(text: str) -> bool:
    """Whether `text` could be a repository's name."""
    try:
        validate_repository(text)
    except NameInvalid:
        return False
    return True


def is_component(text: str) -> bool:
    """Whether `text` could be one component of a repository name, so a team's or a user's name."""
    return bool(_COMPONENT.fullmatch(text))


def validate_tag(tag: str) -> str:
    """`tag` itself, when it is a tag. Raises TagInvalid."""
    if not _TAG.fullmatch(tag):
        raise TagInvalid(
            f"invalid tag: use at most {MAX_TAG_BYTES} letters, digits, '_', '.' and '-', "
            "not starting with '.' or '-'",
            detail={"tag": tag[: 2 * MAX_TAG_BYTES]},
        )
    return tag


def team_of(name: str) -> str:
    """The team that a repository belongs to: its first component, or `library`."""
    team, slash, _ = name.partition("/")
    return team if slash else DEFAULT_TEAM
