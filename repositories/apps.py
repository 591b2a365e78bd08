"""The registry as a Django application."""

from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    name = "repositories"

    def ready(self) -> None:
        from repositories import checks  # noqa: F401, PLC0415  (registers them)
