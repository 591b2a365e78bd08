"""Every text that people see goes through translation: found by reading templates and code."""

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings

ROOT = Path(settings.BASE_DIR)
TEMPLATES = sorted(path.relative_to(ROOT) for path in (ROOT / "templates").rglob("*.*"))
CODE = sorted(
    path.relative_to(ROOT)
    for app in ("accounts", "repositories", "registry_site")
    for path in (ROOT / app).rglob("*.py")
    if not {"migrations", "management"} & set(path.relative_to(ROOT).parts)
)
# Snippets are commands, which shells read.
PAGES = [path for path in CODE if "web" in path.parts and path.name != "snippets.py"]

# What is called the same in every language.
NAMES = {
    *("Berth", "Docker", "Podman", "Docker Compose", "GitHub Actions", "GitLab CI", "Helm", "ORAS"),
    *("Dockerfile", "UTC", "root", "Host"),
}
WORD = re.compile(r"[A-Za-z]{2,}")
ADDRESS = re.compile(r"(?:https?:/)?/\S+")

# --- templates ------------------------------------------------------------------------------------

TRANSLATED = re.compile(
    r"{%\s*(comment|blocktranslate|blocktrans)\b.*?{%\s*end\1\s*%}|{#.*?#}", re.DOTALL
)
TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
# A literal within a tag, and what it is given to: a filter, a translation, a variable.
LITERAL = re.compile(
    r"""(?:\|(?P<filter>\w+):|(?P<translated>_\()|(?P<name>[\w-]+)=)?
                     (?P<text>"[^"]*"|'[^']*')""",
    re.VERBOSE,
)
SHOWING_FILTERS = {"default", "default_if_none", "yesno", "pluralize", "add", "join"}
# The names of style sheet classes.
CLASSES = re.compile(r"{%\s*block frame\s*%}.*?{%\s*endblock[^%]*%}", re.DOTALL)
SPOKEN = {"alt", "title", "placeholder", "aria-label", "label", "data-label", "summary"}
# What machines and shells read: the same in every language.
LITERALLY = {"pre", "code", "script", "style"}


class Literal(HTMLParser):
    """Collects the words of a page's source that are in no translating tag."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LITERALLY:
            self._within.append(tag)
        kind = dict(attrs).get("type")
        for name, value in attrs:
            is_button = tag == "input" and name == "value" and kind in ("submit", "button")
            is_spoken = name in SPOKEN or is_button or (tag == "body" and name.startswith("data-"))
            if is_spoken and value:
                self.texts.append(value)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within:
            self.texts.append(data)


def untranslated(source: str) -> list[str]:
    """The texts of a template that stay English in every language."""
    rest = CLASSES.sub("", TRANSLATED.sub("", source))
    parser = Literal()
    parser.feed(TAG.sub("", rest))
    parser.close()
    plain = [" ".join(text.split()).strip(" ·.:/") for text in parser.texts]
    return [text for text in plain if _says_something(text)] + literals(rest)


def _says_something(text: str) -> bool:
    return bool(WORD.search(text)) and text not in NAMES and not ADDRESS.fullmatch(text)


def literals(source: str) -> list[str]:
    """What is written within tags other than `translate`, and shown."""
    tags = [tag for tag in TAG.findall(source) if not re.match(r"{%\s*trans(?:late)?\b", tag)]
    found = [match for tag in tags for match in LITERAL.finditer(tag) if not match["translated"]]
    shown = [match["text"] for match in found if _is_shown(match)]
    return [text for text in shown if _says_something(text[1:-1])]


def _is_shown(match: re.Match[str]) -> bool:
    if match["filter"]:
        return match["filter"] in SHOWING_FILTERS
    return match["name"] in SPOKEN or " " in match["text"]


@pytest.mark.parametrize("path", TEMPLATES, ids=str)
def test_a_template_says_nothing_in_english_only(path: Path) -> None:
    assert untranslated((ROOT / path).read_text()) == []


@pytest.mark.parametrize(
    "source",
    [
        "<p>Sign in</p>",
        '<img alt="A picture">',
        '<input type="submit" value="Send">',
        '<td data-label="Who">{{ x }}</td>',
        '{{ name|default:"nobody" }}',
        '{{ flag|yesno:"on,off" }}',
        '{% include "parts/search.html" with label="Name of a team" %}',
        '{% translate "by" %} name',
        '<body data-copy="Copy">',
    ],
)
def test_a_template_that_does_is_found(source: str) -> None:
    assert untranslated(source)


@pytest.mark.parametrize(
    "source",
    [
        '{% translate "Sign in" %} {{ at|date:"Y-m-d H:i" }}',
        "{% blocktranslate %}Sign in as {{ name }}{% endblocktranslate %}",
        '{{ exception|default:_("Ask an administrator.") }}',
        "<pre>docker login {{ host }}</pre><h3>Docker</h3>",
        '{% block frame %}narrow{% endblock %}{% include "a.html" with from="robot" %}',
        "{# for developers #}{{ query|default:'' }}",
    ],
)
def test_a_template_that_does_not_is_left_alone(source: str) -> None:
    assert untranslated(source) == []


# --- code -----------------------------------------------------------------------------------------

TRANSLATE = {"_", "gettext", "gettext_lazy", "ngettext", "ngettext_lazy", "pgettext", "npgettext"}
REFUSALS = {"ValidationError", "PermissionDenied"}
# `messages.success(request, text)`, `form.add_error(field, text)`, `admin.message_user(…)`.
SAYING = {"success", "error", "info", "warning", "add_error", "message_user"}
SHOWN = {"label", "help_text", "title", "message", "description", "verbose_name"}
# Words for the audit log, the throttle and browsers, which are the same in every language.
WRITTEN_DOWN = {"single sign-on", "browser session", "code of ", "nofollow noopener noreferrer"}


def name_of(call: ast.Call) -> str:
    function = call.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def bare(node: ast.AST | None) -> Iterator[ast.expr]:
    """Strings within an expression that nothing translates; names say nothing of themselves."""
    if isinstance(node, ast.Constant | ast.JoinedStr):
        text = node.value if isinstance(node, ast.Constant) else ast.unparse(node)
        if isinstance(text, str) and WORD.search(text):
            yield node
    elif isinstance(node, ast.Dict):
        for value in node.values:
            yield from bare(value)
    elif isinstance(node, ast.BinOp):
        yield from bare(node.left)
    elif isinstance(node, ast.IfExp):
        yield from bare(node.body)
        yield from bare(node.orelse)
    elif isinstance(node, ast.BoolOp | ast.List | ast.Tuple):
        for value in node.values if isinstance(node, ast.BoolOp) else node.elts:
            yield from bare(value)


def spoken(call: ast.Call) -> Iterator[ast.expr]:
    """The arguments of a call that people will read."""
    name = name_of(call)
    if name in REFUSALS:
        yield from call.args[:1]
    is_log = "logger" in ast.unparse(call.func)
    if name in SAYING and not is_log and len(call.args) > 1:
        yield call.args[1]
    if name not in ("field", "dict"):
        yield from (word.value for word in call.keywords if word.arg in SHOWN)


def bare_texts(source: str) -> list[str]:
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    found = [node for call in calls for text in spoken(call) for node in bare(text)]
    return [ast.unparse(node) for node in found]


def sentences(source: str) -> list[str]:
    """Strings of several words that nothing translates, wherever they stand."""
    tree = ast.parse(source)
    known = {id(doc) for node in ast.walk(tree) if (doc := _docstring(node))}
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if name_of(call) in TRANSLATE or "logger" in ast.unparse(call.func):
            known |= {id(node) for node in ast.walk(call)}
        for word in call.keywords:
            if word.arg in ("credential", "account"):  # for the audit log and the throttle
                known |= {id(node) for node in ast.walk(word.value)}
    strings = (n for n in ast.walk(tree) if isinstance(n, ast.Constant) and id(n) not in known)
    texts = [node.value for node in strings if isinstance(node.value, str)]
    return [text for text in texts if re.search(r"[A-Za-z]{2,} [a-z]+", text)]


def _docstring(node: ast.AST) -> ast.expr | None:
    body = getattr(node, "body", None)
    first = body[0] if isinstance(body, list) and body else None
    return first.value if isinstance(first, ast.Expr) else None


@pytest.mark.parametrize("path", CODE, ids=str)
def test_code_refuses_and_labels_nothing_in_english_only(path: Path) -> None:
    assert bare_texts((ROOT / path).read_text()) == []


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_builds_no_english_sentences(path: Path) -> None:
    assert [text for text in sentences((ROOT / path).read_text()) if text not in WRITTEN_DOWN] == []


@pytest.mark.parametrize(
    "source",
    [
        'raise ValidationError("No.")',
        'raise ValidationError({"name": f"{x} is taken"})',
        'raise PermissionDenied("No." if a else _("Yes."))',
        'messages.success(request, "Saved %(x)s" % y)',
        'form.add_error("name", "Wrong.")',
        'forms.CharField(label="Name")',
        'admin.action(description="Revoke")',
    ],
)
def test_code_that_does_is_found(source: str) -> None:
    assert bare_texts(source)


@pytest.mark.parametrize(
    "source",
    [
        'raise ValidationError(_("No."), params={"a": "b"})',
        'raise ValidationError({"name": gettext("%(x)s is taken") % {"x": "y"}})',
        'messages.success(request, _("Saved."))',
        "raise PermissionDenied(text % values)",
        'logger.error("%s is gone", name)',
    ],
)
def test_code_that_does_not_is_left_alone(source: str) -> None:
    assert bare_texts(source) == []
