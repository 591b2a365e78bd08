"""Markdown of strangers: what it may become, and what it must never become."""

import sys
from collections.abc import Callable
from html.parser import HTMLParser
from types import FrameType

import pytest

from repositories.models.repository import MAX_DESCRIPTION_BYTES
from repositories.web import markdown
from repositories.web.markdown import render

ALLOWED = {
    *("p", "br", "hr", "h3", "h4", "h5", "h6", "blockquote", "pre", "code", "em", "strong", "s"),
    *("a", "ul", "ol", "li", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"a": {"href", "title", "rel"}, "ol": {"start"}}
REL = "nofollow noopener noreferrer"


class Reader(HTMLParser):
    """Reads HTML as a browser would, and fails at what should not be there."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        given = dict(attrs)
        assert given.keys() <= ATTRIBUTES.get(tag, set()), given
        if tag == "a":
            assert given["rel"] == REL
            if "href" in given:
                self.links.append(str(given["href"]))

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def handle_pi(self, data: str) -> None:
        raise AssertionError("a processing instruction")


def links_of(text: str) -> list[str]:
    """The addresses that the rendered text leads to, after a look at all that it has become."""
    reader = Reader()
    reader.feed(render(text))
    reader.close()
    for link in reader.links:
        assert link.lower().startswith(("http://", "https://", "mailto:")), link
    return reader.links


SCRIPTS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "javascript&colon;alert(1)",
    "&#106;avascript:alert(1)",
    "&#x6A;avascript:alert(1)",
    "&#0000106avascript:alert(1)",
    "java\tscript:alert(1)",
    "java&Tab;script:alert(1)",
    "java&NewLine;script:alert(1)",
    "java&#10;script:alert(1)",
    "java%0ascript:alert(1)",
    "javascript%3Aalert(1)",
    " javascript:alert(1)",
    "\x01javascript:alert(1)",
    "&#1;javascript:alert(1)",
    "&#14;javascript:alert(1)",
    "javascript\\:alert(1)",
    "//javascript:alert(1)",
    "vbscript:msgbox(1)",
    "VBSCRIPT:msgbox(1)",
    "livescript:x",
    "data:text/html,<script>alert(1)</script>",
    "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "DATA:image/svg+xml;base64,PHN2Zz4=",
    "data:image/png;base64,AAAA",
    "blob:https://x/y",
    "file:///etc/passwd",
    "filesystem:http://x/y",
    "about:blank",
    "ftp://x/y",
    "intent://x#Intent;end",
    "tel:1",
    "sms:1",
    "x-apple:1",
    "ws://x",
    "/manage/users",
    "//evil.example/x",
    "\\\\evil.example\\x",
    "/\\evil.example",
    "https:\\\\evil.example",
    "#top",
    "?next=x",
    "..",
    "",
]
FORMS = [
    "[x]({})",
    "[x](<{}>)",
    "![x]({})",
    "<{}>",
    "[x][r]\n\n[r]: {}",
    "[![x]({})]({})",
]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("address", SCRIPTS)
def test_no_link_leads_anywhere_but_to_the_web(address: str, form: str) -> None:
    links_of(form.replace("{}", address))


HTML = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//x.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x&gt'>",
    "<img src=x onerror=alert(1)>",
    "<img src='x' onerror='alert(1)'",
    "<body onload=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<object data=x></object>",
    "<embed src=x>",
    "<base href=//x.example/>",
    "<link rel=stylesheet href=//x.example/x.css>",
    "<meta http-equiv=refresh content='0;url=//x.example'>",
    "<form action=//x.example><input name=password></form>",
    "<button formaction=javascript:alert(1)>x</button>",
    "<style>*{background:url(//x.example)}</style>",
    "<a href=javascript:alert(1)>x</a>",
    "<a href='https://x' onclick=alert(1)>x</a>",
    "<p style=position:fixed id=x class=y>x</p>",
    "<details open ontoggle=alert(1)>x</details>",
    "<video><source onerror=alert(1)></video>",
    "<template><script>alert(1)</script></template>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<textarea><script>alert(1)</script></textarea>",
    "<xmp><script>alert(1)</script></xmp>",
    "<plaintext>",
    "<!-- comment --><b>x</b>",
    "<!--><script>alert(1)</script>-->",
    "<![CDATA[<script>alert(1)</script>]]>",
    "<?php echo 1 ?>",
    "<!DOCTYPE html>",
    "</p></div></main><script>alert(1)</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "&#60;script&#62;alert(1)&#60;/script&#62;",
    "\\<script>alert(1)\\</script>",
    "`<script>`<script>alert(1)</script>",
    "```\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\nx\n```',
    "```x onclick=alert(1) class=y\nx\n```",
    "    </code><script>alert(1)</script>",
    '[x](https://a "x" onclick="alert(1)")',
    "[x](https://a '\"><script>alert(1)</script>')",
    '[x](https://a "&quot; onmouseover=alert(1) &quot;")',
    '[x](https://a/"onmouseover="alert(1))',
    "[x](https://a/'onmouseover='alert(1))",
    "[x](<https://a/ onmouseover=alert(1)>)",
    "[x](https://a/`onmouseover`=alert(1))",
    '![" onerror="alert(1)](https://a/b.png)',
    '![x](https://a/b.png "x\\" onerror=\\"alert(1)")',
    '![<img src=x onerror=alert(1)>](https://a "t")',
    "[<script>alert(1)</script>](https://a)",
    "[x](https://a/<script>alert(1)</script>)",
    "https://a/<script>alert(1)</script>",
    'https://a/"><script>alert(1)</script>',
    '<https://a/"onmouseover=alert(1)>',
    "[https://a](https://b)[https://c](javascript:x)",
    "[![![![x](https://a)](https://b)](https://c)](https://d)",
    "[a]: https://x '\"><script>alert(1)</script>'\n\n[a]",
    "|<script>|\n|-|\n|<img src=x onerror=alert(1)>|",
    "|a|\n|:-:|\n|b|",
    "# <script>alert(1)</script> {#id .class onclick=x}",
    "- [ ] <input type=checkbox>\n- [x] y",
    "1. a\n\n99999999. b\n",
    "\x00<script>alert(1)</script>",
    "<\x00script>alert(1)</script>",
    "\u202e<script>alert(1)</script>",
    "\ufeff<script>alert(1)</script>",
    "\uff1cscript\uff1ealert(1)\uff1c/script\uff1e",
    "<a\u2028href=javascript:alert(1)>x</a>",
    "~~<script>~~ **<svg onload=x>** _<img src=x>_",
    "{{ 7 * 7 }} {% debug %} ${x}",
    "&nbsp;&#x110000;&#xD800;&#0;",
]


@pytest.mark.parametrize("text", HTML)
def test_no_html_of_the_authors_comes_through(text: str) -> None:
    links_of(text)


def test_what_descriptions_are_written_with() -> None:
    assert render("# Payments\n\nAn *API*, **fast** and ~~old~~ `new`.\n\n- a\n- b") == (
        "<h3>Payments</h3>\n<p>An <em>API</em>, <strong>fast</strong> and <s>old</s> "
        "<code>new</code>.</p>\n<ul>\n<li>a</li>\n<li>b</li>\n</ul>\n"
    )
    assert "<th>a</th>" in render("|a|\n|-|\n|b|")
    assert '<ol start="3">' in render("3. c")


def test_headings_stand_below_those_of_the_page() -> None:
    found = "".join(render("#" * level + " x").strip() for level in range(1, 7))
    assert found == "<h3>x</h3><h4>x</h4><h5>x</h5><h6>x</h6><h6>x</h6><h6>x</h6>"


def test_links_and_bare_addresses_lead_out_and_give_nothing_along() -> None:
    assert links_of("[a](http://a.example 't') https://b.example/?x=1&y <mailto:c@d.example>") == [
        "http://a.example",
        "https://b.example/?x=1&y",
        "mailto:c@d.example",
    ]


def test_pictures_are_links_to_them_and_within_links_their_text() -> None:
    assert links_of("![the logo](https://a.example/logo.png)") == ["https://a.example/logo.png"]
    assert ">the logo</a>" in render("![the logo](https://a.example/logo.png)")
    assert ">https://a.example/logo.png</a>" in render("![](https://a.example/logo.png)")
    badge = "[![build](https://a.example/badge.svg)](https://b.example)"
    assert links_of(badge) == ["https://b.example"]
    assert ">build</a>" in render(badge)


def test_no_more_is_read_than_a_description_may_have() -> None:
    text = "x" * MAX_DESCRIPTION_BYTES
    assert render(text + "TOO MUCH") == render(text)


DEEP: dict[str, Callable[[int], str]] = {
    "quotes": lambda n: ">" * n + "a",
    "lists": lambda n: "- " * n + "a",
    "lists below lists": lambda n: "".join("  " * i + "- a\n" for i in range(int(n**0.5))),
    "brackets": lambda n: "[" * n + "]" * n,
    "open brackets": lambda n: "[" * n,
    "pictures": lambda n: "![" * n,
    "links": lambda n: "[a](" * n,
    "references": lambda n: "[a][" * n,
    "stars": lambda n: "*" * n + "a" + "*" * n,
    "stars and words": lambda n: "**a *b " * n,
    "underscores": lambda n: "_a" * n,
    "strikes": lambda n: "~~a" * n,
    "backticks": lambda n: "".join("`" * i + " a " for i in range(1, int((2 * n) ** 0.5))),
    "angles": lambda n: "<" * n,
    "addresses": lambda n: "<http://" * n,
    "addresses with brackets": lambda n: "http://a/(" * n,
    "tags": lambda n: "<a b=c " * n,
    "comments": lambda n: "<!--" * n,
    "entities": lambda n: "&amp" * n,
    "backslashes": lambda n: "\\" * n,
    "columns": lambda n: "|" + "a|" * n + "\n|" + "-|" * n + "\n",
    "rows": lambda n: "|a|b|\n|-|-|\n" + "|c|\n" * n,
    "definitions": lambda n: "".join(f"[a{i}]: b\n" for i in range(n // 8)),
    "fences": lambda n: "```\n" * n,
    "headings": lambda n: "# " * n,
}


def _calls(text: str) -> int:
    """How many functions are called to render it: a measure that does not depend on the machine."""
    count = 0

    def watch(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(watch)
    try:
        markdown.render.__wrapped__(text)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", sorted(DEEP))
def test_twice_the_nesting_is_about_twice_the_work(name: str) -> None:
    links_of(DEEP[name](2000))
    assert _calls(DEEP[name](2000)) < 2.5 * _calls(DEEP[name](1000)) + 2000


def test_bare_addresses_are_looked_for_in_short_texts_only() -> None:
    """The library takes the square of a text's length for them."""
    assert links_of("see https://a.example. " * 20) == ["https://a.example"] * 20
    assert links_of("http://a/(" * 6000) == []
    assert links_of("http://a/(" * 6000 + "\n\nhttps://a.example") == ["https://a.example"]
