"""Access tokens as their owners manage them: who may make, see and revoke which."""

from collections.abc import Sequence
from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext, ngettext

from accounts import tokens
from accounts.models import AccessToken, Membership, Robot, User
from accounts.people import record
from accounts.permissions import require_role, require_user
from repositories.access import Principal
from repositories.oci.scopes import TokenScope

MAX_TOKENS = 100
# Robots of one owner, beyond which their ids are too many to write into a query.
_FEW = 1_000


def visible_tokens(principal: Principal) -> QuerySet[AccessToken]:
    """One's own tokens, and those of the robots of teams that one owns; for administrators, all."""
    user_id = require_user(principal)
    found = AccessToken.objects.select_related("user", "robot__team").order_by("-pk")
    if principal.is_site_admin:
        return found
    owned = Membership.objects.filter(user=user_id, role=Membership.Role.OWNER).values("team")
    robots = Robot.objects.filter(team__in=owned)
    # Their ids: with those both sides have an index, and all tokens are not gone through.
    ids = list(robots.values_list("pk", flat=True)[: _FEW + 1])
    return found.filter(Q(user=user_id) | Q(robot__in=ids if len(ids) <= _FEW else robots))


def tokens_of(principal: Principal, owner: str) -> QuerySet[AccessToken]:
    """Those of them that stand for the user or robot of this name."""
    users = User.objects.filter(username=owner).values_list("pk", flat=True)
    robots = Robot.objects.filter(name=owner).values_list("pk", flat=True)
    # Their ids, as above.
    return visible_tokens(principal).filter(Q(user__in=list(users)) | Q(robot__in=list(robots)))


def create_token(
    *,
    principal: Principal,
    owner: User | Robot,
    name: str,
    scopes: Sequence[TokenScope] = (),
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """A token for oneself, or for a robot of a team that one owns, and its secret, shown once.

    Raises PermissionDenied, ValidationError.
    """
    user_id = require_user(principal)
    if isinstance(owner, Robot):
        require_role(principal, owner.team.name, Membership.Role.OWNER)
    elif owner.pk != user_id:
        raise ValidationError(gettext("A token is made by the user whom it stands for."))
    return issue_token(
        principal=principal, owner=owner, name=name, scopes=scopes, expires_at=expires_at
    )


def issue_token(
    *,
    principal: Principal,
    owner: User | Robot,
    name: str,
    scopes: Sequence[TokenScope] = (),
    expires_at: datetime | None = None,
) -> tuple[AccessToken, str]:
    """What `create_token` does once it is clear that the principal may. Raises ValidationError."""
    if expires_at is not None and expires_at <= timezone.now():
        raise ValidationError({"expires_at": gettext("That is in the past.")})
    if not name.strip() or len(name) > 100 or not name.isprintable():
        raise ValidationError({"name": gettext("Give it a name of at most 100 characters.")})
    if owner.tokens.count() >= MAX_TOKENS:
        text = ngettext(
            "There is %(count)d token already; revoke it first.",
            "There are %(count)d tokens already; revoke some first.",
            MAX_TOKENS,
        )
        raise ValidationError(text % {"count": MAX_TOKENS})
    with transaction.atomic():
        token, secret = tokens.create(
            owner=owner, name=name.strip(), scopes=scopes, expires_at=expires_at
        )
        record(principal, "token.create", f"{token.owner_name}: {token}")
    return token, secret


def revoke_token(*, principal: Principal, token_id: int) -> None:
    """End a token that the principal can see. Raises AccessToken.DoesNotExist, PermissionDenied."""
    token = visible_tokens(principal).get(pk=token_id)
    with transaction.atomic():
        record(principal, "token.revoke", f"{token.owner_name}: {token}")
        tokens.revoke(token)
