"""People, teams and credentials in Django's admin site. Hashes and keys are not shown there."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts import credentials, people, teams
from accounts.admin_base import LookUpAdmin
from accounts.models import (
    AccessToken,
    AuditEvent,
    Invitation,
    Membership,
    Robot,
    SignInFailure,
    SigningKey,
    Team,
    TrustRule,
    User,
)
from accounts.web.principal import principal_of

# Secrets of second factors and providers, and groups that give no rights here: nothing to look at.
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, Group):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(User)
class UserAdmin(LookUpAdmin):
    """Made, disabled and made administrators here; passwords are only ever given anew."""

    list_display = ("username", "email", "source", "is_active", "is_superuser", "last_login")
    list_filter = ("is_active", "is_superuser", "source")
    search_fields = ("username__contains", "email__icontains")
    fields = ("username", "email", "source", "is_active", "is_superuser", "date_joined")
    readonly_fields = ("source", "date_joined", "last_login")
    actions = ("disable", "enable", "reset_password")

    def has_add_permission(self, request: Any, *args: Any) -> bool:
        return bool(request.user.is_superuser)

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return bool(request.user.is_superuser)

    def get_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        return self.fields if obj else ("username", "email", "is_superuser")

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> Any:
        # A name is the beginning of repositories' names, which would not change with it.
        return (*self.readonly_fields, "username") if obj else self.readonly_fields

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        principal = principal_of(request)
        if change:
            people.update_user(
                principal=principal,
                user=User.objects.get(pk=obj.pk),
                is_active=obj.is_active,
                is_admin=obj.is_superuser,
                email=obj.email,
            )
            return
        made = people.create_user(
            principal=principal, name=obj.username, email=obj.email, is_admin=obj.is_superuser
        )
        obj.pk = made.pk

    @admin.action(description=_("Disable: end their sessions and refuse their tokens"))
    def disable(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self.apply(
            request,
            chosen,
            lambda principal, user: people.update_user(
                principal=principal, user=user, is_active=False
            ),
        )

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, chosen: QuerySet[User]) -> None:
        self.apply(
            request,
            chosen,
            lambda principal, user: people.update_user(
                principal=principal, user=user, is_active=True
            ),
        )

    @admin.action(description=_("Give a new random password, shown once"))
    def reset_password(
        self, request: HttpRequest, chosen: QuerySet[User]
    ) -> TemplateResponse | None:
        if len(chosen) != 1:
            self.message_user(request, gettext("Choose one user."), messages.ERROR)
            return None
        user = chosen[0]
        password = people.reset_password(principal=principal_of(request), user=user)
        title = gettext("A new password for %(user)s") % {"user": user}
        context = {**self.admin_site.each_context(request), "user_name": user.username}
        return TemplateResponse(
            request,
            "admin/accounts/password.html",
            {**context, "title": title, "password": password},
        )


@admin.register(Team)
class TeamAdmin(LookUpAdmin):
    list_display = ("name", "created_at")
    search_fields = ("name__contains",)
    fields = ("name", "created_at")


@admin.register(Membership)
class MembershipAdmin(LookUpAdmin):
    list_display = ("team", "user", "role", "source")
    list_select_related = ("team", "user")
    list_filter = ("role", "source")
    search_fields = ("team__name", "user__username")
    fields = ("team", "user", "role", "source")


@admin.register(Invitation)
class InvitationAdmin(LookUpAdmin):
    list_display = ("team", "role", "created_by", "expires_at", "used_by")
    list_select_related = ("team", "created_by", "used_by")
    search_fields = ("team__name", "created_by__username")
    fields = ("team", "role", "created_by", "created_at", "expires_at", "used_by", "used_at")
    actions = ("withdraw",)

    @admin.action(description=_("Withdraw: make the link useless"))
    def withdraw(self, request: HttpRequest, chosen: QuerySet[Invitation]) -> None:
        self.apply(
            request,
            chosen.select_related("team"),
            lambda principal, found: teams.withdraw(principal=principal, invitation=found),
        )


@admin.register(Robot)
class RobotAdmin(LookUpAdmin):
    list_display = ("name", "team", "is_active", "description", "created_at")
    list_select_related = ("team",)
    list_filter = ("is_active",)
    search_fields = ("name__contains",)
    fields = ("name", "team", "is_active", "description", "created_at")
    actions = ("disable", "enable")

    @admin.action(description=_("Disable: refuse their tokens"))
    def disable(self, request: HttpRequest, chosen: QuerySet[Robot]) -> None:
        self._switch(request, chosen, is_active=False)

    @admin.action(description=_("Enable"))
    def enable(self, request: HttpRequest, chosen: QuerySet[Robot]) -> None:
        self._switch(request, chosen, is_active=True)

    def _switch(self, request: HttpRequest, chosen: QuerySet[Robot], *, is_active: bool) -> None:
        self.apply(
            request,
            chosen.select_related("team"),
            lambda principal, robot: teams.set_robot_active(
                principal=principal, robot=robot, is_active=is_active
            ),
        )


@admin.register(AccessToken)
class AccessTokenAdmin(LookUpAdmin):
    list_display = ("name", "hint", "owner", "kind", "expires_at", "last_used_at")
    list_select_related = ("user", "robot")
    list_filter = ("kind",)
    search_fields = ("=hint", "name__contains", "user__username", "robot__name")
    fields = (
        *("owner", "kind", "name", "hint", "scopes", "created_at", "expires_at"),
        *("last_used_at", "last_used_from"),
    )
    readonly_fields = ("owner",)
    actions = ("revoke",)

    @admin.display(description=_("owner"))
    def owner(self, token: AccessToken) -> str:
        return token.owner_name

    @admin.action(description=_("Revoke"))
    def revoke(self, request: HttpRequest, chosen: QuerySet[AccessToken]) -> None:
        self.apply(
            request,
            chosen,
            lambda principal, token: credentials.revoke_token(
                principal=principal, token_id=token.pk
            ),
        )


@admin.register(SigningKey)
class SigningKeyAdmin(LookUpAdmin):
    list_display = ("kid", "created_at", "retires_at")
    fields = ("kid", "public", "certificate", "created_at", "retires_at")


@admin.register(SignInFailure)
class SignInFailureAdmin(LookUpAdmin):
    list_display = ("address", "count", "last_at")
    search_fields = ("=address",)
    fields = ("address", "count", "last_at")


@admin.register(TrustRule)
class TrustRuleAdmin(LookUpAdmin):
    list_display = ("name", "team", "issuer", "is_active")
    list_select_related = ("team",)
    list_filter = ("is_active",)
    search_fields = ("name__contains", "issuer__contains")
    fields = (
        *("name", "team", "issuer", "audience", "claims", "scopes", "is_active"),
        "created_at",
    )


@admin.register(AuditEvent)
class AuditEventAdmin(LookUpAdmin):
    list_display = ("at", "actor", "action", "target", "outcome", "address", "credential")
    list_filter = ("outcome",)
    search_fields = ("actor__startswith", "action__startswith", "target__startswith")
    fields = (*list_display, "detail")
