"""People, as a Django application."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "accounts"

    def ready(self) -> None:
        """Listen to what allauth tells of its pages."""
        from accounts.web import second_factor  # noqa: F401, PLC0415  (models are loaded by now)
