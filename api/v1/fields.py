"""Fields and serializers that take exactly what they say: no coercion, nothing unknown."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from accounts.models import Membership
from accounts.models.people import MAX_NAME_LENGTH
from repositories.oci.names import COMPONENT, MAX_NAME_BYTES
from repositories.oci.scopes import ACTIONS, MAX_PATTERNS, TokenScope

Role = Membership.Role
# No control characters: PostgreSQL takes no NUL, and people read these.
LINE = r"[^\x00-\x1f\x7f]*"
# The same with line breaks and tabs.
PARAGRAPHS = r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*"
DIGEST = "(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"
_ACTION = f"(?:{'|'.join(ACTIONS)})"
_SCOPE = rf"(?:{COMPONENT}(?:/{COMPONENT})*|[a-z0-9._/-]*\*):{_ACTION}(?:,{_ACTION}){{0,2}}"
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}):([0-9]{2})(\.[0-9]{1,9})?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)


class Strict(serializers.Serializer[Any]):
    """Refuses fields that it does not know (CVE-2019-16097: `is_superuser` sent along)."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            unknown = sorted(set(data) - set(self.fields))
            if unknown:
                message = "There is no such field."
                raise serializers.ValidationError({str(name)[:100]: [message] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A text as it is, which matches a pattern as a whole."""

    def __init__(self, *, pattern: str = LINE, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)
        self.pattern = pattern
        self._regex = re.compile(pattern, re.ASCII)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        text: str = super().to_internal_value(data)
        if not self._regex.fullmatch(text):
            raise serializers.ValidationError(f"This does not match {self.pattern[:300]}")
        return text


class Name(Text):
    """A user's or a team's name, or what could be one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(pattern=COMPONENT, **{"max_length": MAX_NAME_LENGTH, **options})


class Number(Text):
    """A whole number within a query, in plain digits."""

    def __init__(self, *, most: int, **options: Any) -> None:
        super().__init__(pattern="[1-9][0-9]{0,18}", **options)
        self.most = most

    def to_internal_value(self, data: Any) -> int:  # type: ignore[override]
        number = int(super().to_internal_value(data))
        if number > self.most:
            raise serializers.ValidationError(f"At most {self.most}.")
        return number

    def to_representation(self, value: Any) -> Any:
        return int(value)


class Whole(serializers.IntegerField):
    """A whole number within a body, and not "5" or true; 5.0 is one for JSON Schema, too."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, float) and data.is_integer():
            return int(data)
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(data)


class Flag(serializers.BooleanField):
    """true or false, and not "yes", 1 or "true"."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return bool(data)


class Moment(serializers.DateTimeField):
    """A time of RFC 3339, with an offset; a leap second is the one before it."""

    def to_internal_value(self, data: Any) -> datetime:
        match = _MOMENT.fullmatch(data) if isinstance(data, str) else None
        if match is None:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        date, minute, second, fraction, offset = match.groups(default="")
        second = "59" if second == "60" else second
        try:
            moment = datetime.fromisoformat(
                f"{date}T{minute}:{second}{fraction[:7]}{offset.upper()}"
            )
        except ValueError:
            self.fail("invalid", format="YYYY-MM-DDThh:mm:ssZ")
        try:
            return moment.astimezone(UTC)
        except OverflowError:  # on the first or last day that there is
            return moment.replace(tzinfo=UTC)


class RoleField(serializers.ChoiceField):
    """A role by its name."""

    def __init__(self, **options: Any) -> None:
        super().__init__(choices=[role.name.lower() for role in Role], **options)

    def to_internal_value(self, data: Any) -> Role:  # type: ignore[override]
        return Membership.Role[str(super().to_internal_value(data)).upper()]

    def to_representation(self, value: Any) -> str:
        return Role(value).name.lower()


class ScopeField(Text):
    """A scope of a token, such as `team/*:pull,push`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(pattern=_SCOPE, max_length=MAX_NAME_BYTES, **options)

    def to_internal_value(self, data: Any) -> TokenScope:  # type: ignore[override]
        try:
            return TokenScope.parse(super().to_internal_value(data))
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class Scopes(serializers.ListField):
    """What a token is limited to."""

    child = ScopeField()

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_PATTERNS, **options)


class ScopeLines(serializers.ListField):
    """The stored text of scopes, as a list."""

    child = serializers.CharField()

    def to_representation(self, data: Any) -> list[str]:
        return str(data).split()
