"""The description of the API, and the page that shows it."""

import re
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.test import Client

from api.v1 import errors, schema
from tests.api.v1 import schemathesis_hooks
from tests.api.v1.test_matrix import ROWS, UNDESCRIBED


def _operations() -> dict[str, dict[str, Any]]:
    return {
        operation["operationId"]: operation
        for item in schema.description()["paths"].values()
        for operation in item.values()
    }


def test_every_operation_is_described() -> None:
    operations = _operations()
    assert len(operations) == len([key for key in ROWS if key[0] not in UNDESCRIBED])
    for operation in operations.values():
        assert operation["summary"]
        assert operation["description"]
        assert {"401", "403", "500"} <= operation["responses"].keys()
        assert any(status.startswith("2") for status in operation["responses"])


def test_any_of_the_credentials_will_do() -> None:
    for operation in _operations().values():
        assert operation["security"] == [{"token": []}, {"basic": []}, {"session": []}]


def test_bodies_take_no_other_fields() -> None:
    schemas = schema.description()["components"]["schemas"]
    for operation in _operations().values():
        for content in operation.get("requestBody", {}).get("content", {}).values():
            name = content["schema"]["$ref"].rpartition("/")[2]
            assert schemas[name]["additionalProperties"] is False


def test_it_is_open_to_everybody_and_may_be_cached() -> None:
    response = Client().get("/api/v1/schema/")
    assert response.json()["openapi"].startswith("3.1")
    assert "max-age" in response["Cache-Control"]


def test_the_page_loads_nothing_from_elsewhere() -> None:
    response = Client().get("/api/v1/docs/")
    page = response.content.decode()
    found = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert found
    for address in found:
        assert address.startswith("/"), address
        if address.startswith("/static/"):
            assert finders.find(address.removeprefix("/static/")), address
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    assert "default-src 'none'" in response["Content-Security-Policy"]


def test_nor_does_its_script() -> None:
    script = finders.find("api/docs.js")
    assert isinstance(script, str)
    text = Path(script).read_text()
    assert "://" not in text
    # Without this Swagger UI has the schema's address looked at by a site of its makers'.
    assert "validatorUrl: null" in text


def test_schemathesis_knows_the_type_of_what_a_rule_forbids() -> None:
    assert schemathesis_hooks.REFUSED == errors.REFUSED
