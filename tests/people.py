"""From a principal, which is plain values, back to the row of its user."""

from accounts.models import User
from repositories.access import Principal


def user_of(principal: Principal) -> User:
    """Raises User.DoesNotExist for a robot and for nobody."""
    return User.objects.get(username=principal.name)
