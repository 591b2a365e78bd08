"""Users of a directory (LDAP), by django-auth-ldap: passwords stay there, groups come from there.

They sign in at the pages and by `docker login` alike: both ask `authenticate()`.
"""

import logging
from typing import Any

import ldap
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django_auth_ldap import config
from django_auth_ldap.backend import LDAPBackend as Base
from django_auth_ldap.backend import ldap_error

from accounts import external, groups
from accounts.models import User
from repositories.oci.errors import Unavailable
from repositories.oci.names import is_component

CREDENTIAL = "LDAP"
TIMEOUT_SECONDS = 5

logger = logging.getLogger(__name__)

# By the attribute of a group's entry that lists its members.
_GROUP_TYPES = {
    "member": (config.GroupOfNamesType, "(objectClass=groupOfNames)"),
    "uniqueMember": (config.GroupOfUniqueNamesType, "(objectClass=groupOfUniqueNames)"),
    "memberUid": (config.PosixGroupType, "(objectClass=posixGroup)"),
    "nested": (config.NestedGroupOfNamesType, "(objectClass=groupOfNames)"),
}


class LDAPBackend(Base):  # type: ignore[misc]  # django-auth-ldap has no types
    """Signs in whoever the directory takes, makes a user of them, and applies their groups."""

    def __init__(self) -> None:
        self.settings = config.LDAPSettings(self.settings_prefix, _options(settings.LDAP))

    def authenticate(self, request: Any, username: str | None = None, **rest: Any) -> User | None:
        """Nobody for names that could not be users: they are not even sent to the directory."""
        if not username or not is_component(username.lower()):
            return None
        user: User | None = super().authenticate(request, username=username, **rest)
        return user

    def authenticate_ldap_user(self, ldap_user: Any, password: str) -> User | None:
        """Raises Unavailable when the directory cannot be asked: no password is wrong then."""
        try:
            user: User | None = ldap_user.authenticate(password)
        except ValidationError as error:
            logger.error("LDAP sign-in refused: %s", " ".join(error.messages))
            return None
        if user is None or not user.is_active:
            return None
        if settings.LDAP["group_base"]:
            groups.apply(user, _group_names(ldap_user), credential=CREDENTIAL)
        return user

    def get_or_build_user(self, username: str, ldap_user: Any) -> tuple[User, bool]:
        """The user, and whether it still has to be saved: never. Raises ValidationError.

        The name is only put into lower case, as LDAP compares it: a name that were changed further
        could be that of another person in the directory.
        """
        user = external.vouched_user(
            name=username.lower(),
            source=User.Source.LDAP,
            credential=CREDENTIAL,
            email=_email(ldap_user.attrs or {}),
        )
        return user, False

    def get_user(self, user_id: int) -> User | None:
        return User.objects.filter(pk=user_id, is_active=True).first()


def _options(given: dict[str, Any]) -> dict[str, Any]:
    kind, group_filter = _GROUP_TYPES[given["group_type"]]
    search = config.LDAPSearch(given["user_base"], ldap.SCOPE_SUBTREE, given["user_filter"])
    return {
        "SERVER_URI": given["uri"],
        "START_TLS": given["start_tls"],
        "CONNECTION_OPTIONS": _connection_options(given),
        "BIND_DN": given["bind_dn"],
        "BIND_PASSWORD": given["bind_password"],
        # Whoever may not search anonymously may as themselves.
        "BIND_AS_AUTHENTICATING_USER": not given["bind_dn"],
        "USER_DN_TEMPLATE": given["user_dn"] or None,
        "USER_SEARCH": search if given["user_base"] else None,
        "GROUP_TYPE": kind(name_attr="cn"),
        "GROUP_SEARCH": config.LDAPSearch(
            given["group_base"], ldap.SCOPE_SUBTREE, given["group_filter"] or group_filter
        ),
        "ALWAYS_UPDATE_USER": False,
    }


def _connection_options(given: dict[str, Any]) -> dict[int, Any]:
    options: dict[int, Any] = {
        ldap.OPT_NETWORK_TIMEOUT: TIMEOUT_SECONDS,
        ldap.OPT_TIMEOUT: TIMEOUT_SECONDS,
        ldap.OPT_REFERRALS: 0,  # they would take the password to whatever server they name
        ldap.OPT_X_TLS_REQUIRE_CERT: ldap.OPT_X_TLS_DEMAND,
    }
    if given["ca_file"]:
        options[ldap.OPT_X_TLS_CACERTFILE] = given["ca_file"]
    options[ldap.OPT_X_TLS_NEWCTX] = 0  # last: makes what stands above count
    return options


def _group_names(ldap_user: Any) -> set[str]:
    try:
        names: set[str] = ldap_user.group_names
    except ldap.LDAPError as error:
        raise _unavailable(error) from error
    return names


def _email(attributes: Any) -> str:
    email = next(iter(attributes.get("mail", ())), "")
    try:
        validate_email(email)
    except ValidationError:
        return ""
    return str(email)


def _unavailable(error: Exception) -> Unavailable:
    logger.error("the directory cannot be asked: %s", error)
    return Unavailable(
        "the directory that knows your password cannot be reached: try again shortly",
        headers={"Retry-After": "5"},
    )


def _on_error(sender: object, exception: Exception, **_: object) -> None:
    """django-auth-ldap would take a directory that is down for a wrong password."""
    raise _unavailable(exception) from exception


ldap_error.connect(_on_error, dispatch_uid="accounts.ldap")
