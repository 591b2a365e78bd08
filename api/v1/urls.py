"""The addresses of `/api/v1/`.

A repository's name has slashes, and `-` is no part of a name: `team/app/-/grants` can only mean the
grants of `team/app`.
"""

from django.urls import path, re_path, register_converter
from django.views.generic import RedirectView

from api.v1 import (
    activity,
    audit,
    deletions,
    errors,
    images,
    keys,
    layers,
    limits,
    me,
    proxy,
    repositories,
    retention,
    robots,
    schema,
    scrub,
    search,
    second_factor,
    teams,
    tokens,
    trust_rules,
    usage,
    users,
)
from api.v1.fields import DIGEST


class _Text:
    """A name in an address. What does not match is nothing's name, and NUL gets no further."""

    regex: str

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


class NameConverter(_Text):
    regex = "[a-z0-9._-]{1,255}"


class RepositoryConverter(_Text):
    # What follows `/-/` is never a part of the name: no other address is taken for a repository's.
    regex = "(?:(?!/-/)[a-z0-9._/-]){1,255}"


class ReferenceConverter(_Text):
    regex = "[A-Za-z0-9_][A-Za-z0-9._:-]{0,135}"


class DigestConverter(_Text):
    regex = DIGEST


register_converter(NameConverter, "name")
register_converter(DigestConverter, "digest")
register_converter(RepositoryConverter, "repository")
register_converter(ReferenceConverter, "reference")

_TEAM = "teams/<name:team>"
_ROBOT = f"{_TEAM}/robots/<name:robot>"
_RULES = f"{_TEAM}/trust-rules"
_FACTOR = "me/second-factor"
_IN_REPOSITORY = "repositories/<repository:repository>/-"
_GRANTS = f"{_IN_REPOSITORY}/grants"

urlpatterns = [
    path("", RedirectView.as_view(url="docs/"), name="root"),
    path("schema/", schema.SchemaView.as_view(), name="schema"),
    path("docs/", schema.docs, name="docs"),
    path("me", me.MeView.as_view(), name="me"),
    path("me/password", me.MyPasswordView.as_view(), name="my-password"),
    path("me/sessions", me.MySessionsView.as_view(), name="my-sessions"),
    path(_FACTOR, second_factor.MySecondFactorView.as_view(), name="my-second-factor"),
    path(
        f"{_FACTOR}/setup",
        second_factor.MySecondFactorSetupView.as_view(),
        name="my-second-factor-setup",
    ),
    path(
        f"{_FACTOR}/recovery-codes",
        second_factor.MyRecoveryCodesView.as_view(),
        name="my-recovery-codes",
    ),
    path(
        f"{_FACTOR}/remove",
        second_factor.MySecondFactorRemovalView.as_view(),
        name="my-second-factor-removal",
    ),
    path("users", users.UsersView.as_view(), name="users"),
    path("users/<name:user>", users.UserView.as_view(), name="user"),
    path(
        "users/<name:user>/reset-password", users.UserPasswordView.as_view(), name="user-password"
    ),
    path("users/<name:user>/sessions", users.UserSessionsView.as_view(), name="user-sessions"),
    path(
        "users/<name:user>/second-factor",
        second_factor.UserSecondFactorView.as_view(),
        name="user-second-factor",
    ),
    path("teams", teams.TeamsView.as_view(), name="teams"),
    path(_TEAM, teams.TeamView.as_view(), name="team"),
    path(f"{_TEAM}/limits", limits.TeamLimitsView.as_view(), name="team-limits"),
    path(f"{_TEAM}/members", teams.MembersView.as_view(), name="members"),
    path(f"{_TEAM}/members/<name:user>", teams.MemberView.as_view(), name="member"),
    path(f"{_TEAM}/invitations", teams.InvitationsView.as_view(), name="invitations"),
    path(
        f"{_TEAM}/invitations/<int:invitation>", teams.InvitationView.as_view(), name="invitation"
    ),
    path("invitations/accept", teams.AcceptanceView.as_view(), name="acceptance"),
    path(
        f"{_TEAM}/deletions",
        deletions.DeletedRepositoriesView.as_view(),
        name="deleted-repositories",
    ),
    path(
        f"{_TEAM}/deletions/<int:deletion>/undo",
        deletions.RepositoryUndoView.as_view(),
        name="repository-undo",
    ),
    path(f"{_TEAM}/retention", retention.TeamRetentionView.as_view(), name="team-retention"),
    path(
        f"{_TEAM}/retention/preview",
        retention.TeamRetentionPreviewView.as_view(),
        name="team-retention-preview",
    ),
    path(f"{_TEAM}/robots", robots.RobotsView.as_view(), name="robots"),
    path(_ROBOT, robots.RobotView.as_view(), name="robot"),
    path(f"{_ROBOT}/tokens", robots.RobotTokensView.as_view(), name="robot-tokens"),
    path(_RULES, trust_rules.TrustRulesView.as_view(), name="trust-rules"),
    path(f"{_RULES}/<int:rule>", trust_rules.TrustRuleView.as_view(), name="trust-rule"),
    path("tokens", tokens.TokensView.as_view(), name="tokens"),
    path("tokens/<int:token>", tokens.TokenView.as_view(), name="token"),
    path("repositories", repositories.RepositoriesView.as_view(), name="repositories"),
    path(f"{_IN_REPOSITORY}/tags", images.TagsView.as_view(), name="tags"),
    path(
        f"{_IN_REPOSITORY}/tags/<reference:tag>/changes",
        images.TagChangesView.as_view(),
        name="tag-changes",
    ),
    path(
        f"{_IN_REPOSITORY}/tags/<reference:tag>/rollback",
        images.RollbackView.as_view(),
        name="tag-rollback",
    ),
    path(
        f"{_IN_REPOSITORY}/images/<reference:reference>", images.ImageView.as_view(), name="image"
    ),
    path(
        f"{_IN_REPOSITORY}/images/<reference:reference>/referrers",
        images.ReferrersView.as_view(),
        name="referrer-tree",
    ),
    path(f"{_IN_REPOSITORY}/comparison", images.ComparisonView.as_view(), name="comparison"),
    path(
        f"{_IN_REPOSITORY}/deletions/preview",
        deletions.DeletionPreviewView.as_view(),
        name="deletion-preview",
    ),
    path(f"{_IN_REPOSITORY}/deletions", deletions.DeletionsView.as_view(), name="deletions"),
    path(
        f"{_IN_REPOSITORY}/deletions/<int:deletion>/undo",
        deletions.UndoView.as_view(),
        name="undo",
    ),
    path(
        f"{_IN_REPOSITORY}/limits", limits.RepositoryLimitsView.as_view(), name="repository-limits"
    ),
    path(f"{_IN_REPOSITORY}/retention", retention.RetentionView.as_view(), name="retention"),
    path(
        f"{_IN_REPOSITORY}/retention/preview",
        retention.RetentionPreviewView.as_view(),
        name="retention-preview",
    ),
    path(_GRANTS, repositories.GrantsView.as_view(), name="grants"),
    path(f"{_GRANTS}/<name:user>", repositories.GrantView.as_view(), name="grant"),
    path(
        f"{_IN_REPOSITORY}/layers/<digest:digest>/files",
        layers.LayerFilesView.as_view(),
        name="layer-content",
    ),
    path(
        f"{_IN_REPOSITORY}/manifests/<digest:digest>/files",
        layers.ImageFilesView.as_view(),
        name="image-content",
    ),
    path(
        "repositories/<repository:repository>",
        repositories.RepositoryView.as_view(),
        name="repository",
    ),
    path("read-only", limits.ReadOnlyView.as_view(), name="read-only"),
    path("proxy", proxy.ProxyView.as_view(), name="proxy"),
    path("search", search.SearchView.as_view(), name="search"),
    path("activity", activity.ActivityView.as_view(), name="activity"),
    path("uploads", activity.UploadsView.as_view(), name="uploads"),
    path("uploads/<uuid:upload>", activity.UploadView.as_view(), name="upload"),
    path("usage", usage.UsageView.as_view(), name="usage"),
    path("usage/repositories", usage.RepositoryUsagesView.as_view(), name="repository-sizes"),
    path("usage/teams", usage.TeamUsagesView.as_view(), name="team-sizes"),
    path("scrub", scrub.ScrubView.as_view(), name="scrub"),
    path("scrub/findings", scrub.ScrubFindingsView.as_view(), name="scrub-findings"),
    path("audit", audit.AuditView.as_view(), name="audit"),
    path("audit/export", audit.AuditExportView.as_view(), name="audit-export"),
    path("keys", keys.KeysView.as_view(), name="keys"),
    path("keys/rotate", keys.KeyRotationView.as_view(), name="key-rotation"),
    re_path("", errors.no_such_address, name="no-such-address"),
]
