"""The forms for quotas and immutable tags: of a team, and of a repository."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.web.forms import Form
from repositories.limit_settings import MAX_QUOTA
from repositories.models import RepositoryLimits, TeamLimits
from repositories.patterns import MAX_LENGTH
from repositories.protection import MAX_PATTERNS

_UNITS = {"TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10, "B": 1}


class QuotaForm(Form):
    """A number and its unit, so that nobody counts zeros."""

    amount = forms.IntegerField(
        label=gettext_lazy("Quota"),
        required=False,
        min_value=0,
        max_value=MAX_QUOTA,
        help_text=gettext_lazy(
            "How much may be stored, counting what several images have once. Empty: no limit."
        ),
    )
    unit = forms.ChoiceField(
        label=gettext_lazy("Unit"),
        choices=[
            *((unit, unit) for unit in ("GiB", "TiB", "MiB", "KiB")),
            ("B", gettext_lazy("bytes")),
        ],
    )

    @classmethod
    def of(cls, row: TeamLimits | RepositoryLimits) -> "QuotaForm":
        """A form that says what the quota is, in the largest unit that says it exactly."""
        if not row.quota:
            return cls(initial={"amount": row.quota})
        unit = next(name for name, size in _UNITS.items() if row.quota % size == 0)
        return cls(initial={"amount": row.quota // _UNITS[unit], "unit": unit})

    def clean(self) -> dict[str, Any]:
        amount = self.cleaned_data.get("amount")
        if amount and amount * _UNITS[self.cleaned_data.get("unit", "B")] > MAX_QUOTA:
            self.add_error("amount", _("Nothing is that large; use a smaller number."))
        return self.cleaned_data

    @property
    def quota(self) -> int | None:
        """In bytes; None for no limit."""
        amount: int | None = self.cleaned_data["amount"]
        return None if amount is None else amount * _UNITS[self.cleaned_data["unit"]]


class ImmutableTagsForm(Form):
    immutable_tags = forms.CharField(
        label=gettext_lazy("Patterns"),
        required=False,
        max_length=MAX_PATTERNS * (MAX_LENGTH + 2),
        widget=forms.Textarea(
            attrs={
                "rows": 4,
                "placeholder": "v*",
                "autocomplete": "off",
                "autocapitalize": "none",
                "spellcheck": "false",
            }
        ),
        help_text=gettext_lazy(
            "One a line: * stands for any characters, ? for one, [0-9] for one of these."
        ),
    )

    @classmethod
    def of(cls, row: TeamLimits | RepositoryLimits) -> "ImmutableTagsForm":
        """A form that shows the patterns."""
        return cls(initial={"immutable_tags": "\n".join(row.patterns)})

    def clean_immutable_tags(self) -> list[str]:
        lines = (line.strip() for line in self.cleaned_data["immutable_tags"].splitlines())
        found = [line for line in lines if line]
        if any(len(line.split()) > 1 for line in found):
            raise ValidationError(_("Write one pattern a line."))
        return found
