"""Teams, their members, and invitations to them."""

from django.db.models import OuterRef, Q, QuerySet, Subquery
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import teams
from accounts.models import Invitation, Membership, Team, User
from accounts.permissions import require_role, require_user, visible_team
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Name, RoleField, Strict, Text
from api.v1.pagination import PageByAge, PageByName
from repositories.access import Principal, team_role

Role = Membership.Role


class TeamShape(serializers.Serializer[Team]):
    """A team."""

    name = serializers.CharField()
    created_at = serializers.DateTimeField()
    role = RoleField(source="own_role", allow_null=True, help_text="One's own role in it.")


class TeamQuery(PageByName):
    search = Text(
        required=False, allow_blank=True, max_length=100, help_text="What the name contains."
    )


class NewTeam(Strict):
    """A team to make."""

    name = Name()


class MemberShape(serializers.Serializer[Membership]):
    """A user's role in a team."""

    user = serializers.CharField(source="user.username")
    role = RoleField()


class MemberRole(Strict):
    """The role to give."""

    role = RoleField()


class InvitationShape(serializers.Serializer[Invitation]):
    """An invitation that is still open."""

    id = serializers.IntegerField()
    role = RoleField()
    created_by = serializers.CharField(source="created_by.username")
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class NewInvitation(InvitationShape):
    """An invitation with its secret, shown this once."""

    secret = serializers.CharField(help_text="What to send to `/invitations/accept`.")


class Acceptance(Strict):
    """The secret of an invitation."""

    secret = Text(pattern="[A-Za-z0-9_-]{1,100}")


class Joined(serializers.Serializer[Membership]):
    """The team that was joined, and one's role in it."""

    team = serializers.CharField(source="team.name")
    role = RoleField()


def _found(principal: Principal, search: str) -> QuerySet[Team]:
    """One's teams with one's roles; for administrators, all. Raises PermissionDenied."""
    memberships = teams.memberships(principal=principal)
    if principal.is_site_admin:
        found = teams.all_teams(principal=principal, search=search)
    else:
        # Their ids: PostgreSQL would look at all teams for those of a query.
        ids = list(memberships.order_by().values_list("team", flat=True))
        own = Q(pk__in=ids) | Q(name=principal.name)
        found = Team.objects.filter(own, name__contains=search)
    roles = memberships.filter(team=OuterRef("pk")).values("role")
    return found.annotate(own_role=Subquery(roles[:1]))


class TeamsView(Endpoint):
    @operation("List teams", answer=TeamShape, query=TeamQuery, pages=True)
    def get(self, request: Request) -> Response:
        """The teams that one is in, by name; for administrators, all."""
        return self.page(_found(self.principal, self.query.get("search", "")), TeamShape, by="name")

    @operation("Create a team", answer=TeamShape, body=NewTeam, status=201)
    def post(self, request: Request) -> Response:
        """Whoever makes a team owns it, and every repository whose name begins with its name."""
        team = teams.create_team(principal=self.principal, name=self.body["name"])
        return self.answer(_with_role(team, self.principal), TeamShape, status=201)


def _with_role(team: Team, principal: Principal) -> Team:
    team.own_role = team_role(principal=principal, team=team.name)  # type: ignore[attr-defined]
    return team


class TeamView(Endpoint):
    @operation("Show a team", answer=TeamShape)
    def get(self, request: Request, team: str) -> Response:
        """For members and administrators."""
        require_user(self.principal)
        found = visible_team(self.principal, team)
        return self.answer(_with_role(found, self.principal), TeamShape)

    @operation("Delete a team", status=204)
    def delete(self, request: Request, team: str) -> Response:
        """For owners; refused while the team owns repositories."""
        teams.delete_team(principal=self.principal, team=team)
        return Response(status=204)


class MembersView(Endpoint):
    @operation("List members", answer=MemberShape, query=PageByName, pages=True)
    def get(self, request: Request, team: str) -> Response:
        """The members of a team, by name. For members and administrators."""
        require_user(self.principal)
        found = teams.members(visible_team(self.principal, team))
        return self.page(found, MemberShape, by="user__username")


class MemberView(Endpoint):
    @operation("Make somebody a member", answer=MemberShape, body=MemberRole)
    def put(self, request: Request, team: str, user: str) -> Response:
        """Make a user a member, or change their role. For owners; the last owner stays one."""
        require_role(self.principal, team, Role.OWNER)
        membership = teams.set_member(
            principal=self.principal,
            team=team,
            user=User.objects.get(username=user),
            role=self.body["role"],
        )
        return self.answer(membership, MemberShape)

    @operation("Take somebody out of a team", status=204)
    def delete(self, request: Request, team: str, user: str) -> Response:
        """For owners, and for the user themselves; the last owner stays."""
        require_user(self.principal)
        members = visible_team(self.principal, team).memberships.select_related("user")
        member = members.get(user__username=user)
        teams.remove_member(principal=self.principal, team=team, user=member.user)
        return Response(status=204)


class InvitationsView(Endpoint):
    @operation("List invitations", answer=InvitationShape, query=PageByAge, pages=True)
    def get(self, request: Request, team: str) -> Response:
        """Those that can still be used, the newest first. For owners."""
        found = teams.open_invitations(principal=self.principal, team=team)
        return self.page(found, InvitationShape, by="-pk")

    @operation("Invite somebody", answer=NewInvitation, body=MemberRole, status=201)
    def post(self, request: Request, team: str) -> Response:
        """Whoever has the secret can join the team once, within a week. For owners."""
        invitation, secret = teams.invite(
            principal=self.principal, team=team, role=self.body["role"]
        )
        invitation.secret = secret  # type: ignore[attr-defined]
        return self.answer(invitation, NewInvitation, status=201)


class InvitationView(Endpoint):
    @operation("Withdraw an invitation", status=204)
    def delete(self, request: Request, team: str, invitation: int) -> Response:
        """For owners."""
        found = teams.open_invitations(principal=self.principal, team=team).get(pk=invitation)
        teams.withdraw(principal=self.principal, invitation=found)
        return Response(status=204)


class AcceptanceView(Endpoint):
    @operation("Accept an invitation", answer=Joined, body=Acceptance)
    def post(self, request: Request) -> Response:
        """Join a team. Who is in it already keeps the higher role."""
        membership = teams.accept(principal=self.principal, secret=self.body["secret"])
        return self.answer(membership, Joined)
