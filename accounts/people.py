"""Users: made, changed, disabled. Each change is checked, and written into the audit log."""

import secrets

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext

from accounts import audit, names, second_factor, throttle
from accounts.models import AccessToken, User
from accounts.permissions import require_admin, require_user
from repositories.access import Principal


def record(principal: Principal, action: str, target: str, **detail: object) -> None:
    """Write down what a principal does to people, teams and tokens."""
    audit.record(
        action,
        actor=principal.name,
        target=target,
        address=principal.address,
        credential=principal.credential,
        detail=detail,
    )


def create_user(
    *,
    principal: Principal,
    name: str,
    password: str | None = None,
    email: str = "",
    is_admin: bool = False,
) -> User:
    """A new user. Without a password, one who can only sign in otherwise (OIDC, LDAP, tokens).

    Administrators only. Raises PermissionDenied, ValidationError.
    """
    require_admin(principal)
    user = User(username=name, email=email, is_superuser=is_admin, is_staff=is_admin)
    if password is None:
        user.set_unusable_password()
    else:
        validate_password(password, user)
        user.set_password(password)
    with transaction.atomic():
        user.full_clean()
        user.save()
        record(principal, "user.create", name, is_admin=is_admin)
    return user


def update_user(
    *,
    principal: Principal,
    user: User,
    is_active: bool | None = None,
    is_admin: bool | None = None,
    email: str | None = None,
) -> User:
    """Disable or enable a user, make or unmake an administrator, change the address.

    Administrators only; nobody takes their own rights away, so that one administrator always stays.
    Raises PermissionDenied, ValidationError.
    """
    require_admin(principal)
    is_oneself = user.pk == principal.user_id
    if is_oneself and (is_active is False or is_admin is False):
        raise PermissionDenied(
            gettext("You cannot disable or demote yourself; ask another administrator.")
        )
    changes: dict[str, object] = {}
    if is_active is not None and is_active != user.is_active:
        user.is_active = changes["is_active"] = is_active
    if is_admin is not None and is_admin != user.is_superuser:
        user.is_superuser = user.is_staff = changes["is_admin"] = is_admin
    if email is not None and email != user.email:
        user.email = changes["email"] = email
    if changes:
        with transaction.atomic():
            user.full_clean()
            user.save()
            record(principal, "user.update", user.username, **changes)
    if is_active is False:
        end_sessions(principal=principal, user=user)
    return user


def users(*, principal: Principal, search: str = "") -> QuerySet[User]:
    """Users whose name or address contains `search`. Administrators only."""
    require_admin(principal)
    found = User.objects.order_by("username")
    return found.filter(names.users_with(search)) if search else found


def change_email(*, principal: Principal, email: str) -> User:
    """Change one's own address. Raises PermissionDenied, ValidationError."""
    user = User.objects.get(pk=require_user(principal))
    if email:
        validate_email(email)
    if email != user.email:
        with transaction.atomic():
            user.email = email
            user.save(update_fields=["email"])
            record(principal, "user.update", user.username, email=email)
    return user


def reset_password(*, principal: Principal, user: User) -> str:
    """Give a user a new random password, which is returned once. Administrators only.

    Ends the user's sessions and the tokens that `docker login` keeps.
    """
    require_admin(principal)
    password = secrets.token_urlsafe(12)
    _set_password(user, password)
    record(principal, "user.reset-password", user.username)
    return password


def change_password(*, principal: Principal, old: str, new: str) -> User:
    """Change one's own password. Raises PermissionDenied, ValidationError, TooManyRequests.

    Whoever found an open browser must not guess the old one here faster than at the sign-in.
    """
    user = User.objects.get(pk=require_user(principal))
    throttle.check(account=user.username, address=principal.address)
    if not user.check_password(old):
        throttle.failed(account=user.username, address=principal.address)
        raise ValidationError({"old_password": gettext("That is not your present password.")})
    try:
        validate_password(new, user)
    except ValidationError as error:
        raise ValidationError({"new_password": error.messages}) from error
    _set_password(user, new)
    record(principal, "user.change-password", user.username)
    return user


def _set_password(user: User, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])
    user.browser_sessions.all().delete()
    user.tokens.filter(kind=AccessToken.Kind.SESSION).delete()


def end_sessions(*, principal: Principal, user: User) -> int:
    """Sign a user out everywhere, of browsers and of `docker login`; how many there were.

    One's own, or anybody's for administrators. Raises PermissionDenied.
    """
    if user.pk != require_user(principal):
        require_admin(principal)
    browsers, _ = user.browser_sessions.all().delete()
    logins, _ = user.tokens.filter(kind=AccessToken.Kind.SESSION).delete()
    record(principal, "user.sign-out", user.username)
    return browsers + logins


# OIDC is not among them: it knows its users by a number, which only signing in shows.
LINKABLE = (User.Source.LOCAL, User.Source.LDAP, User.Source.HTPASSWD)


def link_user(*, principal: Principal, user: User, source: User.Source) -> None:
    """Hand a user over to another source, which knows them by the same name. Administrators only.

    The password that they had is gone; teams, tokens and rights stay. Raises PermissionDenied.
    """
    require_admin(principal)
    if source not in LINKABLE:
        raise ValidationError(
            gettext("Whoever signs in by single sign-on connects it in their profile.")
        )
    user.source = source
    user.set_unusable_password()
    with transaction.atomic():
        user.save(update_fields=["source", "password"])
        record(principal, "user.link", user.username, source=source.value)


def remove_second_factor(*, principal: Principal, user: User) -> None:
    """Let a user in by password alone, who lost their authenticator app. Administrators only.

    Raises PermissionDenied.
    """
    require_admin(principal)
    with transaction.atomic():
        if second_factor.remove(user):
            record(principal, "user.remove-second-factor", user.username)
