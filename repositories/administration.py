"""Settings of a repository: what it says of itself, who may see it, and who has a role in it."""

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from accounts.models import Membership, User
from accounts.permissions import require_role, require_user
from repositories.access import Action, Principal, allowed, visible_to
from repositories.audit import record
from repositories.models import Repository, RepositoryGrant
from repositories.models.repository import MAX_DESCRIPTION_BYTES
from repositories.oci.names import team_of

Role = Membership.Role


def visible_repository(principal: Principal, name: str) -> Repository:
    """The repository, if the principal may pull from it. Raises Repository.DoesNotExist."""
    return visible_to(principal).get(name=name)


def managed_repository(principal: Principal, name: str) -> Repository:
    """The repository, if the principal may change its settings. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied.
    """
    require_user(principal)
    repository = visible_repository(principal, name)
    if Action.DELETE not in allowed(principal=principal, name=name):
        require_role(principal, team_of(name), Role.MAINTAINER)
    return repository


def set_visibility(*, principal: Principal, name: str, visibility: str) -> Repository:
    """Decide who sees the repository. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied, ValidationError.
    """
    repository = managed_repository(principal, name)
    repository.visibility = visibility
    with transaction.atomic():
        repository.full_clean(exclude=["name", "team"])
        repository.save(update_fields=["visibility"])
        record(principal, "repository.set-visibility", name, visibility=visibility)
    return repository


def set_description(*, principal: Principal, name: str, description: str) -> Repository:
    """Say what the repository is for, in Markdown. Maintainers.

    Raises Repository.DoesNotExist, PermissionDenied, ValidationError.
    """
    repository = managed_repository(principal, name)
    repository.description = _checked_description(description)
    with transaction.atomic():
        repository.save(update_fields=["description"])
        record(principal, "repository.set-description", name, length=len(description))
    return repository


def _checked_description(text: str) -> str:
    text = text.replace("\r\n", "\n")
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise ValidationError({"description": _("This is not valid Unicode text.")}) from error
    if "\0" in text:  # which PostgreSQL does not take
        raise ValidationError({"description": _("Null characters are not allowed.")})
    if size > MAX_DESCRIPTION_BYTES:
        message = _("This is %(size)d bytes long; shorten it to %(most)d.")
        values = {"size": size, "most": MAX_DESCRIPTION_BYTES}
        raise ValidationError({"description": message % values})
    return text


def grant(*, principal: Principal, name: str, user: User, role: Role) -> RepositoryGrant:
    """Give a user a role in this repository only. Maintainers; none above one's own.

    Raises DoesNotExist, PermissionDenied.
    """
    repository = managed_repository(principal, name)
    if role is Role.OWNER:
        require_role(principal, team_of(name), Role.OWNER)
    with transaction.atomic():
        given, _ = RepositoryGrant.objects.update_or_create(
            repository=repository, user=user, defaults={"role": role}
        )
        detail = {"member": user.username, "role": role.name.lower()}
        record(principal, "repository.grant", name, **detail)
    return given


def withdraw_grant(*, principal: Principal, name: str, user: User) -> None:
    """Take a grant back. Maintainers. Raises DoesNotExist, PermissionDenied."""
    repository = managed_repository(principal, name)
    with transaction.atomic():
        repository.grants.filter(user=user).delete()
        record(principal, "repository.withdraw-grant", name, member=user.username)
