"""The registry as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from accounts import model_names


class RepositoriesConfig(AppConfig):
    name = "repositories"
    verbose_name = _("Repositories")

    def ready(self) -> None:
        from repositories import checks  # noqa: F401, PLC0415  (registers them)

        model_names.apply(self.get_models())
