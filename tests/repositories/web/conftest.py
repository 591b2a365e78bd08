"""The pages' world is that of the accounts' pages, which has repositories too."""

from tests.accounts.web.conftest import world  # a fixture

__all__ = ["world"]
