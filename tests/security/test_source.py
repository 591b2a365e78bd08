"""S11, S15: what must not be in the source (Harbor CVE-2023-20902, Quay CVE-2026-32590)."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.cache import caches

from accounts import tokens
from accounts.models import AccessToken, Robot, Team

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("accounts", "api", "registry_site", "repositories")

# Each would run what it reads.
DANGEROUS_MODULES = {"pickle", "cPickle", "marshal", "shelve", "dill", "jsonpickle", "yaml"}
# Where that reads without running anything, and a test of its own says so.
SAFE = {(Path("registry_site/config_file.py"), "yaml")}
DANGEROUS_CALLS = {"eval", "exec", "compile", "__import__"}
# What holds a secret is called so; comparing such with == stops at the first byte that differs.
SECRET_NAMES = re.compile(
    r"(?:^|_)(?:secret|secrets|password|passwords|token_text|digest_of_secret|mac|signature)$"
)


def sources() -> Iterator[tuple[Path, ast.Module]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(ROOT), ast.parse(path.read_text())


def name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def test_nothing_is_unpickled_or_evaluated() -> None:
    found = []
    for path, tree in sources():
        for node in ast.walk(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name.partition(".")[0] for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [(node.module or "").partition(".")[0]]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                names = [node.func.id] if node.func.id in DANGEROUS_CALLS else []
                found += [(path, node.lineno, name) for name in names]
                continue
            found += [
                (path, getattr(node, "lineno", 0), n)
                for n in names
                if n in DANGEROUS_MODULES and (path, n) not in SAFE
            ]
    assert found == []


def test_django_keeps_sessions_and_caches_without_pickle() -> None:
    assert settings.SESSION_SERIALIZER == "django.contrib.sessions.serializers.JSONSerializer"
    assert settings.MESSAGE_STORAGE.startswith("django.contrib.messages.storage.")
    # The cache in memory pickles, but nobody else can write to it.
    assert {type(cache).__name__ for cache in caches.all(initialized_only=True)} <= {"LocMemCache"}
    assert set(settings.CACHES) == {"default"}
    assert settings.CACHES["default"]["BACKEND"].endswith("LocMemCache")


def compared(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name of a secret on a side of == or !=, or in `in` a list."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            plain = (ast.Eq, ast.NotEq)
            if any(isinstance(operator, plain) for operator in node.ops):
                is_constant = any(isinstance(side, ast.Constant) for side in sides)
                for side in sides:
                    if SECRET_NAMES.search(name_of(side)) and not is_constant:
                        yield node.lineno, name_of(side)


# Two fields of one form, both typed by the same person just now.
HARMLESS = {("accounts/web/forms.py", "repeated"), ("accounts/web/forms.py", "new_password")}


def test_secrets_are_not_compared_by_equality() -> None:
    found = [
        (str(path), line, name)
        for path, tree in sources()
        for line, name in compared(tree)
        if (str(path), name) not in HARMLESS
    ]
    assert found == []


def test_the_search_for_comparisons_finds_one() -> None:
    assert list(compared(ast.parse("if secret == given: pass"))) == [(1, "secret")]
    assert list(compared(ast.parse("self.password != other"))) == [(1, "password")]
    assert list(compared(ast.parse("secret == ''"))) == []


@pytest.mark.parametrize("text", ["pässwörd", "\N{SNOWMAN}" * 40, "\0", "x" * 100_000, ""])
def test_a_secret_of_any_letters_is_compared_without_an_error(db: None, text: str) -> None:
    """`hmac.compare_digest` raises for text that is not ASCII: tokens are found by digest."""
    robot = Robot.objects.create(team=Team.objects.create(name="payments"), name="robot-x")
    tokens.create(owner=robot, name="x")
    assert tokens.find(secret=text) is None
    assert tokens.find(secret=f"berth_bot_{text}") is None
    assert len(tokens.hash_secret(text)) == 32


def test_tokens_are_looked_up_by_digest_and_have_enough_bits(db: None) -> None:
    robot = Robot.objects.create(team=Team.objects.create(name="payments"), name="robot-x")
    made = [tokens.create(owner=robot, name="x")[1] for _ in range(50)]
    assert len(set(made)) == 50
    bodies = [secret.removeprefix("berth_bot_") for secret in made]
    assert {len(body) for body in bodies} == {32}
    assert len(set("".join(bodies))) == 62  # of which each letter is worth 5.95 bits
    assert 32 * 5.95 > 160
    field = AccessToken._meta.get_field("secret_hash")
    assert field.unique
