"""Robots of a team, and their tokens."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import teams
from accounts.models import Robot
from api.v1 import tokens
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Name, Strict, Text
from api.v1.pagination import PageByAge, PageByName


class RobotShape(serializers.Serializer[Robot]):
    """A machine that acts for a team."""

    name = serializers.CharField(help_text="The name to sign in with: `robot-<team>-<what for>`.")
    team = serializers.CharField(source="team.name")
    description = serializers.CharField()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewRobot(Strict):
    """A robot to make."""

    name = Name(max_length=40, help_text="What it is for; its full name begins with the team's.")
    description = Text(max_length=200, allow_blank=True, default="")


class RobotChanges(Strict):
    """What to change."""

    is_active = Flag(help_text="false: none of its tokens lets it in.")


class RobotEndpoint(Endpoint):
    def robot(self, team: str, name: str) -> Robot:
        """Raises PermissionDenied, Team.DoesNotExist, Robot.DoesNotExist."""
        return teams.robots(principal=self.principal, team=team).get(name=name)


class RobotsView(Endpoint):
    @operation("List robots", answer=RobotShape, query=PageByName, pages=True)
    def get(self, request: Request, team: str) -> Response:
        """The team's robots, by name. For owners."""
        found = teams.robots(principal=self.principal, team=team)
        return self.page(found, RobotShape, by="name")

    @operation("Create a robot", answer=RobotShape, body=NewRobot, status=201)
    def post(self, request: Request, team: str) -> Response:
        """It has no token yet. For owners."""
        robot = teams.create_robot(principal=self.principal, team=team, **self.body)
        return self.answer(robot, RobotShape, status=201)


class RobotView(RobotEndpoint):
    @operation("Show a robot", answer=RobotShape)
    def get(self, request: Request, team: str, robot: str) -> Response:
        """For owners."""
        return self.answer(self.robot(team, robot), RobotShape)

    @operation("Disable or enable a robot", answer=RobotShape, body=RobotChanges)
    def patch(self, request: Request, team: str, robot: str) -> Response:
        """With all its tokens. For owners."""
        found = self.robot(team, robot)
        teams.set_robot_active(
            principal=self.principal, robot=found, is_active=self.body["is_active"]
        )
        return self.answer(found, RobotShape)

    @operation("Delete a robot", status=204)
    def delete(self, request: Request, team: str, robot: str) -> Response:
        """With all its tokens. For owners."""
        teams.delete_robot(principal=self.principal, robot=self.robot(team, robot))
        return Response(status=204)


class RobotTokensView(RobotEndpoint):
    @operation("List a robot's tokens", answer=tokens.TokenShape, query=PageByAge, pages=True)
    def get(self, request: Request, team: str, robot: str) -> Response:
        """The newest first. For owners."""
        found = self.robot(team, robot).tokens.select_related("robot")
        return self.page(found, tokens.TokenShape, by="-pk")

    @operation(
        "Create a robot's token", answer=tokens.CreatedToken, body=tokens.NewToken, status=201
    )
    def post(self, request: Request, team: str, robot: str) -> Response:
        """Its secret is in this answer and nowhere else. For owners."""
        return tokens.create(self, self.robot(team, robot), self.body)
