"""The addresses of these pages."""

from django.urls import path, re_path

from accounts.web import (
    administration,
    audit,
    invitations,
    profile,
    proxy,
    robots,
    sign_in,
    team_limits,
    teams,
    tokens,
    trust_rules,
    users,
)

_TEAM = r"^teams/(?P<name>[a-z0-9._-]{1,255})"
_USER = r"^manage/users/(?P<name>[a-z0-9._-]{1,64})"
_ID = r"[0-9]{1,18}"

urlpatterns = [
    path("sign-in", sign_in.sign_in, name="sign-in"),
    path("sign-out", sign_in.sign_out, name="sign-out"),
    path("appearance", sign_in.appearance, name="appearance"),
    path("settings/profile", profile.profile, name="profile"),
    path("settings/password", profile.password, name="password"),
    path("settings/sessions", profile.session_list, name="sessions"),
    path("settings/sessions/end", profile.end_sessions, name="sessions-end"),
    path("settings/tokens", tokens.token_list, name="tokens"),
    path("settings/tokens/new", tokens.token_create, name="token-create"),
    re_path(
        rf"^settings/tokens/(?P<token_id>{_ID})/revoke$", tokens.token_revoke, name="token-revoke"
    ),
    re_path(
        r"^invitations/(?P<secret>[A-Za-z0-9_-]{16,64})$", invitations.invitation, name="invitation"
    ),
    path("teams", teams.team_list, name="teams"),
    re_path(rf"{_TEAM}/members$", teams.members, name="members"),
    re_path(
        rf"{_TEAM}/members/(?P<member>[a-z0-9._-]{{1,64}})/role$",
        teams.member_role,
        name="member-role",
    ),
    re_path(
        rf"{_TEAM}/members/(?P<member>[a-z0-9._-]{{1,64}})/remove$",
        teams.member_remove,
        name="member-remove",
    ),
    re_path(rf"{_TEAM}/settings$", teams.team_settings, name="team-settings"),
    re_path(rf"{_TEAM}/quota$", team_limits.team_quota, name="team-quota"),
    re_path(
        rf"{_TEAM}/immutable-tags$", team_limits.team_immutable_tags, name="team-immutable-tags"
    ),
    re_path(rf"{_TEAM}/leave$", teams.team_leave, name="team-leave"),
    re_path(rf"{_TEAM}/invitations$", invitations.invitation_list, name="invitations"),
    re_path(
        rf"{_TEAM}/invitations/(?P<invitation_id>{_ID})/withdraw$",
        invitations.invitation_withdraw,
        name="invitation-withdraw",
    ),
    re_path(rf"{_TEAM}/robots$", robots.robot_list, name="robots"),
    re_path(rf"{_TEAM}/robots/(?P<robot_id>{_ID})$", robots.robot, name="robot"),
    re_path(
        rf"{_TEAM}/robots/(?P<robot_id>{_ID})/switch$", robots.robot_switch, name="robot-switch"
    ),
    re_path(
        rf"{_TEAM}/robots/(?P<robot_id>{_ID})/delete$", robots.robot_delete, name="robot-delete"
    ),
    re_path(rf"{_TEAM}/trust-rules$", trust_rules.trust_rule_list, name="trust-rules"),
    re_path(
        rf"{_TEAM}/trust-rules/(?P<rule_id>{_ID})/switch$",
        trust_rules.trust_rule_switch,
        name="trust-rule-switch",
    ),
    re_path(
        rf"{_TEAM}/trust-rules/(?P<rule_id>{_ID})/delete$",
        trust_rules.trust_rule_delete,
        name="trust-rule-delete",
    ),
    path("manage/users", users.user_list, name="manage-users"),
    path("manage/new-user", users.user_create, name="manage-user-create"),
    re_path(rf"{_USER}$", users.user, name="manage-user"),
    re_path(rf"{_USER}/switch$", users.user_switch, name="manage-user-switch"),
    re_path(
        rf"{_USER}/reset-password$", users.user_reset_password, name="manage-user-reset-password"
    ),
    re_path(
        rf"{_USER}/remove-second-factor$",
        users.user_remove_second_factor,
        name="manage-user-remove-second-factor",
    ),
    re_path(rf"{_USER}/end-sessions$", users.user_end_sessions, name="manage-user-end-sessions"),
    path("manage/teams", administration.team_list, name="manage-teams"),
    path("manage/tokens", administration.token_list, name="manage-tokens"),
    path("manage/proxy", proxy.doctor, name="manage-proxy"),
    path("manage/read-only", administration.read_only, name="manage-read-only"),
    path("manage/keys", administration.key_list, name="manage-keys"),
    path("manage/audit", audit.event_list, name="manage-audit"),
    path("manage/audit.jsonl", audit.export, name="manage-audit-export"),
]
