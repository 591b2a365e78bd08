"""The table of errors against the one in the distribution-spec."""

import re
from http import HTTPStatus

import pytest

from repositories.oci import errors
from repositories.oci.errors import OCIError

# distribution-spec, "Error Codes": code-1 to code-14.
SPECIFIED = {
    "BLOB_UNKNOWN": 404,
    "BLOB_UPLOAD_INVALID": 400,
    "BLOB_UPLOAD_UNKNOWN": 404,
    "DIGEST_INVALID": 400,
    "MANIFEST_BLOB_UNKNOWN": 404,
    "MANIFEST_INVALID": 400,
    "MANIFEST_UNKNOWN": 404,
    "NAME_INVALID": 400,
    "NAME_UNKNOWN": 404,
    "SIZE_INVALID": 400,
    "UNAUTHORIZED": 401,
    "DENIED": 403,
    "UNSUPPORTED": 405,
    "TOOMANYREQUESTS": 429,
}
CLASSES = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and issubclass(value, OCIError) and value is not OCIError
]


@pytest.mark.parametrize("code", SPECIFIED)
def test_every_code_of_the_specification_has_a_class_with_its_status(code: str) -> None:
    assert SPECIFIED[code] in {error.status for error in CLASSES if error.code == code}


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_class_has_a_status_and_a_code(error: type[OCIError]) -> None:
    assert error.code != OCIError.code
    assert error.status != OCIError.status
    assert re.fullmatch(r"[A-Z]+(_[A-Z]+)*", error.code)
    assert HTTPStatus(error.status) >= 400


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_class_says_what_it_is_for(error: type[OCIError]) -> None:
    assert error.__doc__ is not None
    assert error.__doc__ != OCIError.__doc__


def test_only_the_servers_own_troubles_have_a_status_of_the_500s() -> None:
    assert {error.__name__ for error in CLASSES if error.status >= 500} == {
        "StorageFull",
        "Unavailable",
    }


def test_an_error_carries_message_detail_and_headers() -> None:
    headers = {"Retry-After": "5"}
    error = errors.TooManyRequests("too many", detail={"most": 1}, headers=headers)
    headers.clear()

    assert (str(error), error.message, error.detail) == ("too many", "too many", {"most": 1})
    assert error.headers == {"Retry-After": "5"}
