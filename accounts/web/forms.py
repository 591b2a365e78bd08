"""The forms of the pages: what can be typed, and what is wrong with it. Rules are the domain's."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import AuditEvent, Membership
from accounts.models.people import MAX_NAME_LENGTH
from accounts.web.refusals import explain
from repositories.oci.errors import TooManyRequests
from repositories.oci.scopes import ScopeError, ScopeProblem, TokenScope, parse_token_scopes

Role = Membership.Role
ROLES = [
    (Role.READER.value, _("Reader: pull")),
    (Role.WRITER.value, _("Writer: pull and push")),
    (Role.MAINTAINER.value, _("Maintainer: also delete, and change repositories' settings")),
    (Role.OWNER.value, _("Owner: also members, robots and trust rules")),
]
EXPIRIES = [
    ("7", _("in 7 days")),
    ("30", _("in 30 days")),
    ("90", _("in 90 days")),
    ("365", _("in a year")),
    ("", _("never")),
]
SCOPES_HELP = _(
    "One line for each: a repository, or the beginning of its name and *, then what is allowed: "
    "pull, push, delete."
)
_SCOPE_PROBLEMS = {
    ScopeProblem.FORM: _("“%(text)s” is no scope: write one such as team/*:pull,push"),
    ScopeProblem.ACTION: _("“%(action)s” is no action: use %(actions)s"),
    ScopeProblem.PATTERN: _(
        "“%(pattern)s” matches nothing: write a repository's name, or the beginning of one and *"
    ),
    ScopeProblem.COUNT: _("Too many scopes: use at most %(most)s."),
}
# Names are typed as they are: no capital at the beginning, no correction.
_AS_TYPED = {"autocapitalize": "none", "autocorrect": "off", "spellcheck": "false"}
_NO_FILL = {"autocomplete": "off", **_AS_TYPED}
_MAX_PASSWORD = 1024


class Form(forms.Form):
    """Errors stand beside their fields, and the colon is the style sheet's business."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)

    @contextmanager
    def showing_errors(self) -> Iterator[None]:
        """Put what a domain function raises where it belongs."""
        try:
            yield
        except TooManyRequests as error:
            self.add_error(None, explain(error))
        except ValidationError as error:
            if not hasattr(error, "error_dict"):
                self.add_error(None, error)
                return
            for name, errors in error.error_dict.items():
                self.add_error(name if name in self.fields else None, errors)


def _password(label: Any, autocomplete: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, strip=False, max_length=_MAX_PASSWORD, widget=widget)


def _name(label: Any, **options: Any) -> forms.CharField:
    options.setdefault("max_length", MAX_NAME_LENGTH)
    return forms.CharField(label=label, widget=forms.TextInput(attrs=_NO_FILL), **options)


def _day(label: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}),
        validators=[MinValueValidator(date(2000, 1, 1)), MaxValueValidator(date(3000, 1, 1))],
    )


class SignInForm(Form):
    username = forms.CharField(
        label=_("User name"),
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autofocus": True, **_AS_TYPED},
        ),
    )
    password = _password(_("Password"), "current-password")


class ProfileForm(Form):
    email = forms.EmailField(
        label=_("E-mail address"),
        required=False,
        max_length=254,
        help_text=_("Seen by administrators only."),
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )


class PasswordForm(Form):
    old_password = _password(_("Present password"), "current-password")
    new_password = _password(_("New password"), "new-password")
    repeated = _password(_("New password again"), "new-password")

    def clean(self) -> dict[str, Any]:
        new, repeated = self.cleaned_data.get("new_password"), self.cleaned_data.get("repeated")
        if new and repeated and new != repeated:
            self.add_error("repeated", _("The two are not the same."))
        return self.cleaned_data


class ScopesField(forms.CharField):
    """Lines of `team/*:pull,push`."""

    def __init__(self, **options: Any) -> None:
        rows = {"rows": 3, "placeholder": "team/*:pull,push", **_NO_FILL}
        super().__init__(
            max_length=15_000, widget=forms.Textarea(attrs=rows), help_text=SCOPES_HELP, **options
        )

    def clean(self, value: Any) -> Any:
        try:
            return parse_token_scopes(super().clean(value))
        except ScopeError as error:
            raise ValidationError(_SCOPE_PROBLEMS[error.problem], params=error.values) from error


class TokenForm(Form):
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        help_text=_("What it is for, such as “laptop” or “deploy”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = ScopesField(label=_("Scopes"), required=False)
    expires = forms.ChoiceField(label=_("Expires"), choices=EXPIRIES, required=False, initial="90")

    @property
    def expires_at(self) -> datetime | None:
        days = self.cleaned_data["expires"]
        return timezone.now() + timedelta(days=int(days)) if days else None

    @property
    def parsed_scopes(self) -> tuple[TokenScope, ...]:
        scopes: tuple[TokenScope, ...] = self.cleaned_data["scopes"]
        return scopes


class TeamForm(Form):
    name = _name(
        _("Name"),
        max_length=255,
        help_text=_("Its repositories begin with it: name/app. It cannot be changed later."),
    )


class RoleForm(Form):
    role = forms.TypedChoiceField(label=_("Role"), choices=ROLES, coerce=lambda v: Role(int(v)))


class MemberForm(RoleForm):
    username = _name(_("User name"))
    field_order = ("username", "role")


class RobotForm(Form):
    name = _name(_("Name"), help_text=_("Such as “ci”; it will sign in as robot-<team>-ci."))
    description = forms.CharField(
        label=_("What it is for"),
        max_length=200,
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


class TrustRuleForm(Form):
    name = _name(_("Name"))
    issuer = forms.CharField(
        label=_("Issuer"),
        max_length=300,
        help_text=_("The “iss” of its tokens, such as https://token.actions.githubusercontent.com"),
        widget=forms.URLInput(attrs=_NO_FILL),
    )
    audience = forms.CharField(
        label=_("Audience"),
        max_length=200,
        help_text=_("The “aud” that the job asks for; this registry's address is a good one."),
        widget=forms.TextInput(attrs=_NO_FILL),
    )
    claims = forms.CharField(
        label=_("Claims"),
        max_length=15_000,
        help_text=_("One line for each: name=value. A * at the end stands for any ending."),
        widget=forms.Textarea(
            attrs={"rows": 3, "placeholder": "repository=acme/payments", **_NO_FILL}
        ),
    )
    scopes = ScopesField(label=_("Scopes"))

    def clean_claims(self) -> Mapping[str, str]:
        claims: dict[str, str] = {}
        for line in self.cleaned_data["claims"].splitlines():
            name, equals, value = (part.strip() for part in line.partition("="))
            if not line.strip():
                continue
            if not equals or name in claims:
                raise ValidationError(_("Write each claim once, in a line of its own: name=value."))
            claims[name] = value
        return claims


class UserForm(Form):
    username = _name(
        _("User name"),
        help_text=_("Lower-case letters and digits; the repositories name/… are theirs."),
    )
    email = forms.EmailField(label=_("E-mail address"), required=False, max_length=254)
    is_admin = forms.BooleanField(
        label=_("Administrator"), required=False, help_text=_("May do everything.")
    )
    has_password = forms.BooleanField(
        label=_("Signs in with a password"),
        required=False,
        initial=True,
        help_text=_("One is made and shown once. Without it: single sign-on only."),
    )


class SearchForm(Form):
    q = forms.CharField(
        label=_("Search"),
        max_length=255,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", **_NO_FILL}),
    )


class AuditForm(Form):
    actor = _name(_("Who"), required=False, max_length=128)
    action = _name(_("Action"), required=False, help_text=_("Such as team.create, or all of team."))
    target = _name(
        _("What"), required=False, max_length=400, help_text=_("The beginning of its name.")
    )
    outcome = forms.ChoiceField(
        label=_("Outcome"), choices=[("", _("any")), *AuditEvent.Outcome.choices], required=False
    )
    since = _day(_("From"))
    until = _day(_("To"))

    @property
    def filters(self) -> dict[str, Any]:
        """The arguments of `audit_log.events`; what is wrong filters nothing."""
        filters = {name: value for name, value in self.cleaned_data.items() if value}
        if "since" in filters:
            filters["since"] = _midnight(filters["since"])
        if "until" in filters:  # the day itself is included
            filters["until"] = _midnight(filters["until"]) + timedelta(days=1)
        return filters


def _midnight(day: Any) -> datetime:
    return datetime.combine(day, time.min, tzinfo=timezone.get_default_timezone())
