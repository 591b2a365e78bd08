"""What pages have to know of single sign-on."""

from django import template
from django.conf import settings

register = template.Library()


@register.simple_tag
def oidc_name() -> str:
    """The name of the OpenID provider, for "Sign in with …"; empty without one."""
    return str(settings.OIDC.get("name", ""))
