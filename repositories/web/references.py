"""Images as people type them, `team/app:tag`, and the form that asks for two."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.web.forms import Form
from repositories.oci.digests import Digest, is_digest
from repositories.oci.errors import OCIError
from repositories.oci.names import validate_repository, validate_tag

MAX_TEXT = 255 + 1 + 135  # a name, and a digest


@dataclass(frozen=True, slots=True)
class Reference:
    """A repository's name, and a tag or a digest."""

    name: str
    reference: str

    def __str__(self) -> str:
        return f"{self.name}{'@' if is_digest(self.reference) else ':'}{self.reference}"


def parse(text: str) -> Reference:
    """`team/app:tag`, `team/app@sha256:…`, or `team/app` for its `latest`. Raises OCIError."""
    name, at, reference = text.partition("@")
    if not at:
        # What comes behind the last colon has no slash, or else it is no tag.
        name, _colon, reference = text.rpartition(":") if ":" in text else (text, "", "latest")
    validate_repository(name)
    if is_digest(reference):
        Digest.parse(reference)
    else:
        validate_tag(reference)
    return Reference(name, reference)


def _reference(label: Any) -> forms.CharField:
    typed = {"list": "tags", "autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}
    return forms.CharField(label=label, max_length=MAX_TEXT, widget=forms.TextInput(attrs=typed))


class CompareForm(Form):
    before = _reference(gettext_lazy("Before"))
    after = _reference(gettext_lazy("After"))
    platform = forms.CharField(
        label=gettext_lazy("Platform"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "linux/amd64", "autocapitalize": "none"}),
    )

    def clean(self) -> dict[str, Any]:
        """The two references as such."""
        cleaned = dict(self.cleaned_data)
        for side in ("before", "after"):
            try:
                cleaned[side] = parse(cleaned.get(side, ""))
            except OCIError:
                if side in cleaned:
                    self.add_error(side, _how_to_type())
        return cleaned


def _how_to_type() -> str:
    return _("Type a repository and a tag, such as team/app:1.0, or a digest after @.")
