"""Markdown of strangers, as HTML that can stand on a page: a repository's description.

CommonMark with tables, strikethrough and bare addresses. No raw HTML; pictures become links, since
no page fetches anything from elsewhere. What the renderer makes is cleaned once more, by an
allow-list, so that one mistake in either is not enough.
"""

import re
from functools import lru_cache

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt, rules_core, rules_inline
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from repositories.models.repository import MAX_DESCRIPTION_BYTES

_TAGS = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong", "s"),
    *("a", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto"}
# With a scheme: a path would be one of this site's pages, which the author knows nothing of.
_ADDRESS = re.compile(r"(?:https?://|mailto:)[^\x00-\x20\\]+", re.IGNORECASE | re.ASCII)
# The page has a title and a heading above it.
_LEVELS_DOWN = 2
_LOWEST = 6
# Finding bare addresses takes the square of a text's length: in a longer one none are looked for.
_LINKIFIED = 2048
_REMEMBERED = 64


@lru_cache(maxsize=_REMEMBERED)
def render(text: str) -> SafeString:
    """The HTML of `text`, of which no more is read than a description may have."""
    html = _parser.render(text[:MAX_DESCRIPTION_BYTES])
    clean = nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes=_SCHEMES,
        link_rel="nofollow noopener noreferrer",
    )
    return mark_safe(clean)  # noqa: S308  (that is what this module is for)


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "href":
        return value if _ADDRESS.fullmatch(value) else None
    if name == "start":
        return value if value.isdecimal() and value.isascii() else None
    return value


def _fit_into_page(state: StateCore) -> None:
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1:]) + _LEVELS_DOWN, _LOWEST)}"
        elif token.children:
            token.children = _without_pictures(token.children)


def _without_pictures(tokens: list[Token]) -> list[Token]:
    """Each picture as a link to it; within a link, which leads elsewhere already, as its text."""
    found: list[Token] = []
    depth = 0
    for token in tokens:
        depth += {"link_open": 1, "link_close": -1}.get(token.type, 0)
        if token.type != "image":
            found.append(token)
            continue
        address = str(token.attrGet("src") or "")
        text = Token("text", "", 0, content=token.content or address)
        if depth:
            found.append(text)
        else:
            opening = Token("link_open", "a", 1, attrs={"href": address})
            found += [opening, text, Token("link_close", "a", -1)]
    return found


def _link_address(state: StateInline, silent: bool) -> bool:
    return len(state.src) <= _LINKIFIED and rules_inline.linkify(state, silent)


def _link_addresses(state: StateCore) -> None:
    everything = state.tokens
    state.tokens = [token for token in everything if len(token.content) <= _LINKIFIED]
    rules_core.linkify(state)  # changes the tokens' children
    state.tokens = everything


def _make_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": True})
    parser.enable(["table", "strikethrough", "linkify"])
    parser.inline.ruler.at("linkify", _link_address)
    parser.core.ruler.at("linkify", _link_addresses)
    parser.core.ruler.push("fit_into_page", _fit_into_page)
    return parser


_parser = _make_parser()
