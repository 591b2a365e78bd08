"""The settings of single sign-on, read for `settings.py` through `env`; all are off when unset."""

import re
from importlib.util import find_spec
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy

from registry_site import env

ROLES = ("reader", "writer", "maintainer", "owner")
_GROUP_TEAM = re.compile(r"(.+)=([a-z0-9._-]+):([a-z]+)", re.ASCII)
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class GroupTeam(NamedTuple):
    """Whoever is in the group has the role in the team."""

    group: str
    team: str
    role: str


def group_teams(name: str) -> list[GroupTeam]:
    """`devs=payments:writer,ops=payments:owner`. Raises ImproperlyConfigured."""
    found = []
    for word in env.words(name):
        match = _GROUP_TEAM.fullmatch(word)
        if match is None or match[3] not in ROLES:
            raise ImproperlyConfigured(
                f"{name}: {word!r} is not GROUP=TEAM:ROLE with a role out of {', '.join(ROLES)}; "
                "write one such as devs=payments:writer."
            )
        found.append(GroupTeam(*match.groups()))
    return found


def oidc() -> dict[str, Any]:
    """What `accounts/provider.py` needs to know of the OpenID provider; empty without one.

    Raises ImproperlyConfigured.
    """
    issuer = env.text("REGISTRY_OIDC_ISSUER").strip()
    found = {
        "name": env.text("REGISTRY_OIDC_NAME") or gettext_lazy("single sign-on"),
        "issuer": issuer,
        "client_id": env.text("REGISTRY_OIDC_CLIENT_ID"),
        "client_secret": env.text("REGISTRY_OIDC_CLIENT_SECRET"),
        "scopes": env.text("REGISTRY_OIDC_SCOPES", "openid profile email").split(),
        "username_claim": env.text("REGISTRY_OIDC_USERNAME_CLAIM", "preferred_username"),
        "groups_claim": env.text("REGISTRY_OIDC_GROUPS_CLAIM", "groups"),
    }
    if not issuer:
        return {}
    parts = urlsplit(issuer)
    # The ID token comes straight from the issuer, so TLS is what proves it genuine.
    if not (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    ) or (parts.query or parts.fragment):
        raise ImproperlyConfigured(
            f"REGISTRY_OIDC_ISSUER={issuer!r} is not the https address of an issuer; write one "
            "such as https://login.example.com/realms/main."
        )
    if not found["client_id"]:
        raise ImproperlyConfigured("REGISTRY_OIDC_ISSUER is set, so set REGISTRY_OIDC_CLIENT_ID.")
    return found


def allauth_providers(oidc: dict[str, Any]) -> dict[str, Any]:
    """SOCIALACCOUNT_PROVIDERS of django-allauth."""
    if not oidc:
        return {}
    app = {
        "name": oidc["name"],
        "provider_id": "oidc",
        "client_id": oidc["client_id"],
        "secret": oidc["client_secret"],
        "settings": {"server_url": oidc["issuer"]},
    }
    return {"oidc": {"APPS": [app], "SCOPE": oidc["scopes"], "OAUTH_PKCE_ENABLED": True}}


def ldap() -> dict[str, Any]:
    """What `accounts/ldap.py` needs to know of the directory; empty without one.

    Raises ImproperlyConfigured, also when the packages for it are not installed.
    """
    uri = env.text("REGISTRY_LDAP_URI").strip()
    found: dict[str, Any] = {
        "uri": uri,
        "start_tls": env.flag("REGISTRY_LDAP_START_TLS", default=False),
        "ca_file": env.text("REGISTRY_LDAP_CA_FILE"),
        "bind_dn": env.text("REGISTRY_LDAP_BIND_DN"),
        "bind_password": env.text("REGISTRY_LDAP_BIND_PASSWORD"),
        "user_dn": env.text("REGISTRY_LDAP_USER_DN"),
        "user_base": env.text("REGISTRY_LDAP_USER_BASE"),
        "user_filter": env.text("REGISTRY_LDAP_USER_FILTER", "(uid=%(user)s)"),
        "group_base": env.text("REGISTRY_LDAP_GROUP_BASE"),
        "group_filter": env.text("REGISTRY_LDAP_GROUP_FILTER"),
        "group_type": env.choice(
            "REGISTRY_LDAP_GROUP_TYPE", "member", ("member", "uniqueMember", "memberUid", "nested")
        ),
    }
    if not uri:
        return {}
    if find_spec("ldap") is None or find_spec("django_auth_ldap") is None:
        raise ImproperlyConfigured(
            "REGISTRY_LDAP_URI is set, but python-ldap and django-auth-ldap are not installed: "
            "run `pip install -r requirements-ldap.txt`; the file says what that needs."
        )
    if bool(found["user_dn"]) == bool(found["user_base"]):
        raise ImproperlyConfigured(
            "REGISTRY_LDAP_URI is set, so set either REGISTRY_LDAP_USER_BASE, where users are "
            "searched, or REGISTRY_LDAP_USER_DN, such as uid=%(user)s,ou=people,dc=example,dc=com."
        )
    for name in ("user_dn", "user_filter"):
        if found[name] and "%(user)s" not in found[name]:
            raise ImproperlyConfigured(
                f"REGISTRY_LDAP_{name.upper()} has no %(user)s, where the user's name goes; add it."
            )
    return found
