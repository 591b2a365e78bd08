"""People, as a Django application."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _

from accounts import model_names


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and teams")

    def ready(self) -> None:
        """Name the models, and listen to what allauth tells of its pages."""
        from accounts.web import second_factor  # noqa: F401, PLC0415  (models are loaded by now)

        post_migrate.connect(_make_indexes, sender=self)

        model_names.apply(self.get_models())


def _make_indexes(**_: Any) -> None:
    from accounts import names  # noqa: PLC0415  (needs the models)

    names.make_indexes()
