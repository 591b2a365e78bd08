"""What people do with their own accounts."""

from dataclasses import replace

import pytest
from django.core.exceptions import ValidationError

from accounts import people, throttle
from repositories.access import Principal
from repositories.oci.errors import TooManyRequests

NEW = "a new and better one"


def test_the_old_password_cannot_be_guessed_by_changing_it(reader: Principal) -> None:
    here = replace(reader, address="192.0.2.1")
    for _ in range(throttle.FREE_FAILURES):
        with pytest.raises(ValidationError):
            people.change_password(principal=here, old="a guess", new=NEW)

    with pytest.raises(TooManyRequests):
        people.change_password(principal=here, old="reader-password", new=NEW)
    elsewhere = replace(reader, address="198.51.100.1")
    assert people.change_password(principal=elsewhere, old="reader-password", new=NEW)
