"""People, as a Django application."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from accounts import model_names


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People and teams")

    def ready(self) -> None:
        """Name the models, and listen to what allauth tells of its pages."""
        from accounts.web import second_factor  # noqa: F401, PLC0415  (models are loaded by now)

        model_names.apply(self.get_models())
