"""A browser for each of the cast; and the world of the accounts' pages, which has repositories."""

from collections.abc import Callable

import pytest
from django.test import Client

from repositories.access import Principal
from tests.accounts.web.conftest import shared_world, world
from tests.people import user_of

__all__ = ["shared_world", "world"]

Browser = Callable[[Principal], Client]


@pytest.fixture
def browser() -> Browser:
    """Makes a browser in which a principal has signed in; nobody, for the anonymous one."""

    def browse(principal: Principal) -> Client:
        client = Client()
        if principal.name:
            client.force_login(user_of(principal))
        return client

    return browse
