"""`manage.py adopt` as somebody types it."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from repositories.models import Repository
from tests.repositories.adoption.trees import TreeMaker

APP = "payments/app"
pytestmark = pytest.mark.django_db


def manage(*words: str) -> str:
    """What it prints. Raises CommandError."""
    out = io.StringIO()
    call_command("adopt", *words, stdout=out)
    return out.getvalue()


def test_it_says_what_came_over_and_that_nothing_is_damaged(tree: TreeMaker) -> None:
    tree.image(APP, b"one", tags=("1.0", "latest"))
    dry = manage("--dry-run")
    assert f"1 repositories, 1 manifests and 2 tags would be taken over from {tree.root}" in dry
    assert not Repository.objects.exists()
    printed = manage("--visibility", "public")
    assert "2 tags taken over" in printed
    assert "0 bytes copied" in printed
    assert "nothing is damaged" in printed
    assert Repository.objects.get().visibility == "public"
    assert "was taken over before" in manage()


def test_damage_is_a_table_and_no_failure(tree: TreeMaker) -> None:
    tree.write(tree.tag_folder(APP, "1.0") / "current" / "link", b"")
    printed = manage()
    assert "broken-link" in printed
    assert f"{APP}:1.0" in printed
    assert "1 things are wrong" in printed


def test_json_has_everything(tree: TreeMaker, tmp_path: Path) -> None:
    tree.image(APP, b"one", tags=("1.0",))
    path = tree.tag_folder(APP, "2.0") / "current" / "link"
    tree.write(path, b"")
    found = json.loads(manage("--json", "-"))
    assert found["report"] == {
        **found["report"],
        "repositories": 1,
        "tags": 1,
        "dry_run": False,
        "was_finished": False,
    }
    assert found["findings"] == [
        {
            "kind": "broken-link",
            "repository": APP,
            "target": f"{APP}:2.0",
            "path": tree.below(path),
            "detail": "it is empty",
        }
    ]
    manage("--json", str(tmp_path / "report"))
    assert json.loads((tmp_path / "report").read_text())["findings"] == found["findings"]


def test_what_cannot_be_done_is_said_in_one_line(tree: TreeMaker, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no tree of Docker's registry"):
        manage(str(tmp_path))
    with pytest.raises(CommandError, match="--rate"):
        manage("--verify", "--rate", "fast")
    with pytest.raises(CommandError, match="cannot be written"):
        manage("--json", str(tmp_path))
