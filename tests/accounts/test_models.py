"""People, teams and memberships: what their names may be, and what the database refuses."""

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.models import Membership, Team, User
from accounts.models.people import validate_namespace

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", ["a", "alice", "a-b", "a.b_c", "0"])
def test_a_name_that_can_begin_a_repositorys_name_is_taken(name: str) -> None:
    validate_namespace(name)
    User(username=name, password="x").full_clean()
    Team(name=name).full_clean()


@pytest.mark.parametrize("name", ["", "Alice", "a/b", "a b", "-a", "a..b", "a\n", "\u0430", "a@b"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError):
        User(username=name, password="x").full_clean()
    with pytest.raises(ValidationError):
        Team(name=name).full_clean()


def test_two_users_who_differ_only_by_case_cannot_be() -> None:
    """They would own one namespace; no form guards what a script or the shell does."""
    User.objects.create_user("alice")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("Alice")


def test_names_are_unique() -> None:
    User.objects.create_user("alice")
    Team.objects.create(name="payments")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("alice")
    with pytest.raises(IntegrityError), transaction.atomic():
        Team.objects.create(name="payments")


def test_a_new_user_does_not_come_to_own_a_teams_repositories() -> None:
    Team.objects.create(name="payments")
    with pytest.raises(ValidationError, match="team has that name"):
        User(username="payments", password="x").full_clean()


def test_nobody_comes_to_own_the_names_without_a_slash() -> None:
    """They belong to the default team, which need not have been made yet."""
    with pytest.raises(ValidationError, match="That name is reserved"):
        User(username="library", password="x").full_clean()
    Team(name="library").full_clean()


def test_a_new_team_does_not_take_over_a_users_namespace() -> None:
    User.objects.create_user("alice")
    with pytest.raises(ValidationError, match="user has that name"):
        Team(name="alice").full_clean()


def test_who_is_there_already_can_be_edited() -> None:
    """A user's first push makes a team of their name, so that both are there in the end."""
    user = User.objects.create_user("alice", password="x")
    team = Team.objects.create(name="alice")

    user.full_clean()
    team.full_clean()


def test_a_user_has_one_role_in_a_team() -> None:
    user, team = User.objects.create_user("alice"), Team.objects.create(name="payments")
    Membership.objects.create(user=user, team=team, role=Membership.Role.READER)
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(user=user, team=team, role=Membership.Role.OWNER)


@pytest.mark.parametrize("role", [0, 1, 15, 50, 10000])
def test_a_role_that_means_nothing_is_refused(role: int) -> None:
    user, team = User.objects.create_user("alice"), Team.objects.create(name="payments")
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(user=user, team=team, role=role)


def test_roles_are_in_the_order_of_what_they_may_do() -> None:
    roles = list(Membership.Role)

    assert [role.name for role in roles] == ["READER", "WRITER", "MAINTAINER", "OWNER"]
    assert roles == sorted(roles)


def test_a_member_who_leaves_leaves_the_team_standing() -> None:
    user, team = User.objects.create_user("alice"), Team.objects.create(name="payments")
    membership = Membership.objects.create(user=user, team=team)
    assert list(team.members.all()) == [user]
    assert str(membership) == f"{user.pk} in {team.pk}"
    user.delete()

    assert str(Team.objects.get()) == "payments"
    assert not Membership.objects.exists()
