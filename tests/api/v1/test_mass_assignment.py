"""No field but those that an operation names (CVE-2019-16097), whatever the models have."""

import re

import pytest
from django.apps import apps
from django.db.models import Model

from tests.api.v1.conftest import Cast, World, problem
from tests.api.v1.test_matrix import ROWS, _filled

WITH_BODY = sorted(
    key for key, row in ROWS.items() if isinstance(row.body, dict) and key[0] != "my-password"
)
OTHERS = {"is_staff", "role", "owner", "quota", "pk", "_state", "__class__", "user_id", "groups"}


def _models() -> list[type[Model]]:
    return [
        model
        for label in ("accounts", "repositories")
        for model in apps.get_app_config(label).get_models()
    ]


def _fields() -> set[str]:
    """Every field of every model of ours."""
    return {field.name for model in _models() for field in model._meta.get_fields()} | OTHERS


def _everything() -> list[object]:
    """Each row there is; when tokens were used last, aside."""
    found: list[object] = []
    for model in _models():
        names = [f.name for f in model._meta.fields if not f.name.startswith("last_used")]
        rows = model._default_manager.order_by("pk").values_list(*names)
        found.extend((model.__name__, *row) for row in rows)
    return found


@pytest.mark.parametrize(("name", "method"), WITH_BODY)
def test_no_other_field_is_taken(name: str, method: str, world: World, cast: Cast) -> None:
    row = ROWS[name, method]
    path = re.sub(r"\{(\w+)\}", lambda match: str(world.ids["payments"][match[1]]), row.path)
    body = _filled(row.body, world.ids["payments"])
    assert isinstance(body, dict)
    allowed = {
        "users-POST": {"password", "email", "is_admin"},
        "my-second-factor-POST": {"password"},
        "my-second-factor-setup-POST": {"password"},
        "my-recovery-codes-POST": {"password", "code"},
        "my-second-factor-removal-POST": {"password", "code"},
        "user-PATCH": {"is_admin", "email"},
        "robots-POST": {"description"},
        "robot-tokens-POST": {"scopes", "expires_at"},
        "tokens-POST": {"scopes", "expires_at"},
        "repository-PATCH": {"description"},
        "repository-limits-PATCH": {"quota"},
        "team-limits-PATCH": {"quota"},
    }.get(f"{name}-{method}", set())
    before = _everything()
    others = _fields() - body.keys() - allowed
    response = cast["admin"].call(method, path, body | dict.fromkeys(sorted(others), True))
    assert problem(response)["errors"] == {field: ["There is no such field."] for field in others}
    assert _everything() == before
