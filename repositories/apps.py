"""The registry as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts import model_names


class RepositoriesConfig(AppConfig):
    name = "repositories"
    verbose_name = _("Repositories")

    def ready(self) -> None:
        from repositories import checks  # noqa: F401, PLC0415  (registers them)

        post_migrate.connect(_make_index, sender=self)

        model_names.apply(self.get_models())


def _make_index(**_: Any) -> None:
    from repositories import names  # noqa: PLC0415  (needs the models)

    names.PARTS.make()
