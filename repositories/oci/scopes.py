"""Scopes, of two kinds.

- What a client asks the token service for: `repository:team/app:pull,push` (Distribution's token
  authentication specification, "Requesting a Token").
- What an access token is limited to: `team/*:pull,push`, a name pattern and actions.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple, Self

from repositories.oci.names import MAX_NAME_BYTES, is_component

ACTIONS = ("pull", "push", "delete")
# What the `access` claim says of who may list the repositories.
CATALOG: Mapping[str, object] = {"type": "registry", "name": "catalog", "actions": ["*"]}
MAX_REQUESTED = 100
MAX_PATTERNS = 50

_PATTERN = re.compile(r"[a-z0-9._/-]{0,255}\*?", re.ASCII)


class RequestedScope(NamedTuple):
    """One resource and what is asked for it."""

    type: str
    name: str
    actions: frozenset[str]


def parse_requested(values: Iterable[str]) -> list[RequestedScope]:
    """The scopes of a token request: each value may hold several, separated by spaces.

    What is malformed is left out, as the specification has a server do: the token then lacks it.
    Scopes of one resource are merged.
    """
    merged: dict[tuple[str, str], set[str]] = {}
    for text in [word for value in values for word in value.split(" ") if word][:MAX_REQUESTED]:
        kind, colon, rest = text.partition(":")
        name, second, actions = rest.rpartition(":")
        if colon and second and name and len(name) <= MAX_NAME_BYTES:
            kind = kind.removesuffix("(plugin)")
            merged.setdefault((kind, name), set()).update(actions.split(","))
    return [RequestedScope(*key, frozenset(actions)) for key, actions in merged.items()]


class ScopeProblem(StrEnum):
    """What can be wrong with the scopes of an access token, in English for programs."""

    FORM = "'%(text)s' is not PATTERN:ACTIONS, such as team/*:pull,push"
    ACTION = "'%(action)s' is no action; use %(actions)s"
    PATTERN = (
        "'%(pattern)s' is not a pattern: write a repository name, or the beginning of one "
        "followed by '*'"
    )
    COUNT = "a token has at most %(most)s scopes"


class ScopeError(ValueError):
    """Scopes that cannot be read. `problem` and `values` say why, for any language."""

    def __init__(self, problem: ScopeProblem, **values: object) -> None:
        super().__init__(problem.value % values)
        self.problem = problem
        self.values = values


class TokenScope(NamedTuple):
    """A limit of an access token: the repositories that match, and what may be done to them.

    A pattern is a name, or the beginning of one followed by `*`.
    """

    pattern: str
    actions: frozenset[str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """`team/*:pull,push`. Raises ScopeError."""
        pattern, colon, words = text.strip().rpartition(":")
        actions = frozenset(words.split(","))
        if not colon or not pattern:
            raise ScopeError(ScopeProblem.FORM, text=text)
        unknown = sorted(actions - set(ACTIONS))
        if unknown:
            actions_known = ", ".join(ACTIONS)
            raise ScopeError(ScopeProblem.ACTION, action=unknown[0], actions=actions_known)
        if not _PATTERN.fullmatch(pattern) or not _could_match(pattern):
            raise ScopeError(ScopeProblem.PATTERN, pattern=pattern)
        return cls(pattern, actions)

    @property
    def prefix(self) -> str | None:
        """What names have to begin with; None when the pattern is one whole name."""
        return self.pattern[:-1] if self.pattern.endswith("*") else None

    def matches(self, name: str) -> bool:
        prefix = self.prefix
        return name == self.pattern if prefix is None else name.startswith(prefix)

    def __str__(self) -> str:
        return f"{self.pattern}:{','.join(a for a in ACTIONS if a in self.actions)}"


def _could_match(pattern: str) -> bool:
    if pattern.endswith("*"):
        return True
    return all(is_component(component) for component in pattern.split("/"))


def parse_token_scopes(text: str) -> tuple[TokenScope, ...]:
    """The scopes of an access token, one a line or separated by spaces. Raises ScopeError."""
    scopes = tuple(TokenScope.parse(word) for word in text.split())
    if len(scopes) > MAX_PATTERNS:
        raise ScopeError(ScopeProblem.COUNT, most=MAX_PATTERNS)
    return scopes


def format_token_scopes(scopes: Iterable[TokenScope]) -> str:
    """The text that `parse_token_scopes` reads."""
    return "\n".join(map(str, scopes))


def as_access(name: str, *, asked: Iterable[str], allowed: Iterable[str]) -> dict[str, object]:
    """A repository's entry in the `access` claim of a bearer token: what is granted of it.

    `refused`, which only this registry reads, is what was asked for in vain: asking again is of no
    use then, whereas another token may well be given what this one was not asked for.
    """
    wanted, may = set(asked), set(allowed)
    entry: dict[str, object] = {"type": "repository", "name": name}
    entry["actions"] = [action for action in ACTIONS if action in wanted & may]
    refused = [action for action in ACTIONS if action in wanted - may]
    return entry | ({"refused": refused} if refused else {})
