"""The Chinese catalog: complete, and compiled from what is committed."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Field
from django.utils.functional import Promise
from django.utils.translation import override

from accounts.model_names import FIELDS, MODELS

ROOT = Path(settings.BASE_DIR)
CATALOG = Path("locale/zh_Hans/LC_MESSAGES/django.po")
OURS = ("accounts", "repositories")
# What is left when a text is taken for a format: %(name)s, {name}, and tags with their attributes.
PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|<[^>]+>|`[^`]+`")


def catalog() -> polib.POFile:
    return polib.pofile(str(ROOT / CATALOG))


def translations(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


def test_every_text_is_translated_and_none_only_guessed() -> None:
    for entry in catalog():
        assert not entry.fuzzy, entry.msgid
        assert not entry.obsolete, entry.msgid
        assert all(translations(entry)), entry.msgid


def test_translations_have_the_placeholders_and_tags_of_the_text() -> None:
    for entry in catalog():
        wanted = sorted(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        for text in translations(entry):
            assert sorted(PLACEHOLDER.findall(text)) == wanted, entry.msgid


def test_translations_are_chinese_sentences() -> None:
    """A sentence ends as Chinese ones do, and no half-width comma got into it."""
    for entry in catalog():
        for text in translations(entry):
            plain = PLACEHOLDER.sub("", text)
            assert not re.search(r"[\u4e00-\u9fff][,;:!?.]|[,;!?] ?[\u4e00-\u9fff]", plain), text
            assert entry.msgid.endswith(".") == text.endswith("。"), text


def test_what_is_compiled_is_what_is_written() -> None:
    compiled = polib.mofile(str(ROOT / CATALOG.with_suffix(".mo")))
    assert {(e.msgctxt, e.msgid): translations(e) for e in compiled} == {
        (e.msgctxt, e.msgid): translations(e) for e in catalog()
    }


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="gettext is not installed")
def test_the_catalog_has_every_text_of_the_code_and_no_other(tmp_path: Path) -> None:
    """`make messages`, on a copy, finds what is committed. Otherwise: run it, and translate."""
    for folder in (*OURS, "api", "registry_site", "templates", "locale"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "manage.py", tmp_path)
    target = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    found = re.search(r"manage.py (makemessages .*) --data", target)
    assert found, "the Makefile has no target that gathers messages"
    command = [sys.executable, "manage.py", *shlex.split(found[1]), "--data", str(tmp_path / "var")]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    gathered = polib.pofile(str(tmp_path / CATALOG))
    keys = [{(e.msgctxt, e.msgid, e.msgid_plural) for e in each} for each in (gathered, catalog())]
    assert keys[0] == keys[1]


def fields_of_ours() -> list[Field]:  # type: ignore[type-arg]
    models = (model for app in OURS for model in apps.get_app_config(app).get_models())
    return [field for model in models for field in model._meta.local_fields]


def test_choices_are_named_in_every_language() -> None:
    """Not by `Visibility.PRIVATE` turned into "Private"."""
    labels = [(field, label) for field in fields_of_ours() for _, label in field.flatchoices]
    shown = [(str(field), label) for field, label in labels if "ManifestBlob" not in str(field)]
    assert shown
    assert [field for field, label in shown if not isinstance(label, Promise)] == []


def test_the_admin_names_every_model_and_field() -> None:
    for model, shown in admin.site._registry.items():
        if model._meta.app_label not in OURS:
            continue
        assert model._meta.label_lower in MODELS
        known = {f.name: f for f in model._meta.get_fields() if isinstance(f, Field)}
        names = {*shown.list_display, *(shown.fields or ())}
        for name in sorted(map(str, names & set(known))):
            with override("zh-hans"):
                label = str(known[name].verbose_name)
            assert name in FIELDS or re.search("[\u4e00-\u9fff]", label), f"{model} {name}"
        for name in sorted(map(str, names - set(known))):
            description = getattr(getattr(type(shown), name), "short_description", None)
            assert isinstance(description, Promise), f"{model} {name}"
