"""Who may do what: every role, every visibility, every setting; and what a refusal gives away."""

from dataclasses import replace

import pytest
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import Membership, Team, User
from repositories import access, limits
from repositories.access import Action, Principal, principal_of
from repositories.first_push import repository_for_push
from repositories.models import Repository, RepositoryGrant
from repositories.oci.errors import Denied, NameUnknown, OCIError, Unauthorized
from repositories.oci.scopes import TokenScope
from tests.people import user_of

pytestmark = pytest.mark.django_db

NAME = "payments/app"
VISIBILITIES = ["missing", "private", "internal", "public"]
SETTINGS = ["none", "pull", "push", "open"]

NOTHING: set[str] = set()
PULL = {"pull"}
PUSH = {"pull", "push"}
ALL = {"pull", "push", "delete"}

# What everybody who is signed in may do to a repository of the team, whatever the settings say.
SIGNED_IN = {
    "stranger": {"missing": NOTHING, "private": NOTHING, "internal": PULL, "public": PULL},
    "reader": dict.fromkeys(VISIBILITIES, PULL),
    "writer": dict.fromkeys(VISIBILITIES, PUSH),
    "maintainer": dict.fromkeys(VISIBILITIES, ALL),
    "owner": dict.fromkeys(VISIBILITIES, ALL),
    "administrator": dict.fromkeys(VISIBILITIES, ALL),
}
# And who is not, by REGISTRY_ANONYMOUS_ACCESS.
NOBODY = {
    "none": dict.fromkeys(VISIBILITIES, NOTHING),
    "pull": {"missing": NOTHING, "private": NOTHING, "internal": NOTHING, "public": PULL},
    "push": {"missing": PUSH, "private": NOTHING, "internal": NOTHING, "public": PUSH},
}
OPEN = dict.fromkeys(VISIBILITIES, ALL)


@pytest.fixture
def owner(team: Team) -> Principal:
    user = User.objects.create_user("owner", password="owner-password")
    Membership.objects.create(team=team, user=user, role=Membership.Role.OWNER)
    return principal_of(user)


def configure(settings: Settings, setting: str) -> None:
    settings.OPEN_ACCESS = setting == "open"
    settings.ANONYMOUS_ACCESS = "none" if setting == "open" else setting


def expectation(role: str, setting: str) -> dict[str, set[str]]:
    if setting == "open":
        return OPEN
    return NOBODY[setting] if role == "nobody" else SIGNED_IN[role]


def refusal(principal: Principal, action: Action, name: str) -> OCIError:
    with pytest.raises(OCIError) as caught:
        access.require(principal=principal, action=action, name=name)
    return caught.value


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("role", ["nobody", *SIGNED_IN])
def test_who_may_do_what(
    role: str,
    visibility: str,
    setting: str,
    team: Team,
    settings: Settings,
    request: pytest.FixtureRequest,
) -> None:
    principal: Principal = request.getfixturevalue(role)
    if visibility != "missing":
        Repository.objects.create(name=NAME, team=team, visibility=visibility)
    configure(settings, setting)
    expected = expectation(role, setting)[visibility]

    assert access.allowed(principal=principal, name=NAME) == expected
    readable = access.readable(principal=principal, names=[NAME, "payments/absent"])
    is_here = visibility != "missing" and Action.PULL in expected
    assert {name: actions for name, (_, actions) in readable.items()} == (
        {NAME: expected} if is_here else {}
    )
    for action in Action:
        if action in expected:
            access.require(principal=principal, action=action, name=NAME)
        else:
            error = refusal(principal, action, NAME)
            signed_in = NameUnknown if action is Action.PULL else Denied
            assert type(error) is (Unauthorized if role == "nobody" else signed_in)


@pytest.mark.parametrize("setting", ["none", "pull"])
@pytest.mark.parametrize("role", ["nobody", "stranger"])
@pytest.mark.parametrize("action", Action)
def test_a_private_repository_is_refused_in_the_very_words_of_a_missing_one(
    action: Action,
    role: str,
    setting: str,
    team: Team,
    settings: Settings,
    request: pytest.FixtureRequest,
) -> None:
    """I3."""
    principal: Principal = request.getfixturevalue(role)
    Repository.objects.create(name="payments/secret", team=team)
    configure(settings, setting)
    private = refusal(principal, action, "payments/secret")
    missing = refusal(principal, action, "payments/absent")

    assert type(private) is type(missing)
    assert private.message == missing.message
    assert str(private.detail).replace("secret", "absent") == str(missing.detail)
    assert private.headers == missing.headers


def test_roles_of_several_repositories_are_read_at_once(
    writer: Principal,
    maintainer: Principal,
    team: Team,
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    vault = Team.objects.create(name="vault")
    rows = {
        name: Repository.objects.create(name=name, team=owner, visibility=visibility)
        for name, owner, visibility in (
            (NAME, team, "private"),
            ("vault/shared", vault, "private"),
            ("vault/public", vault, "public"),
            ("vault/secret", vault, "private"),
        )
    }
    RepositoryGrant.objects.create(
        repository=rows["vault/shared"], user=user_of(writer), role=Membership.Role.MAINTAINER
    )
    with django_assert_num_queries(1):
        found = access.readable(principal=writer, names=rows)
    assert {name: row for name, (row, _) in found.items()} == {
        name: rows[name] for name in (NAME, "vault/shared", "vault/public")
    }
    assert {name: set(actions) for name, (_, actions) in found.items()} == {
        NAME: PUSH,
        "vault/shared": ALL,
        "vault/public": PULL,
    }
    assert set(access.readable(principal=maintainer, names=rows)) == {NAME, "vault/public"}


def test_a_tokens_scopes_and_a_signed_tokens_grants_limit_what_is_read(
    maintainer: Principal, repository: Repository
) -> None:
    scopes = (TokenScope(pattern="payments/*", actions=frozenset({"pull"})),)
    limited = replace(maintainer, scopes=scopes)
    for principal, expected in (
        (limited, PULL),
        (replace(maintainer, scopes=()), None),
        (replace(maintainer, grants={repository.name: access.PUSH}), PUSH),
        (replace(maintainer, grants={}), None),
    ):
        found = access.readable(principal=principal, names=[repository.name])
        assert [actions for _, actions in found.values()] == ([expected] if expected else [])


def test_a_signed_in_user_owns_the_namespace_of_their_name(stranger: Principal) -> None:
    assert access.allowed(principal=stranger, name="stranger/anything/at/all") == ALL


@pytest.mark.parametrize("name", ["stranger", "strangers/x", "stranger-x/y", "library/stranger"])
def test_a_name_that_only_looks_like_it_is_nobodys_namespace(
    name: str, stranger: Principal
) -> None:
    assert access.allowed(principal=stranger, name=name) == NOTHING


def test_others_are_strangers_in_a_personal_namespace(writer: Principal) -> None:
    assert access.allowed(principal=writer, name="stranger/app") == NOTHING


def test_a_role_counts_in_its_own_team_only(maintainer: Principal) -> None:
    Team.objects.create(name="marketing")

    assert access.allowed(principal=maintainer, name="marketing/app") == NOTHING
    assert access.allowed(principal=maintainer, name="library/app") == NOTHING


def test_a_name_without_a_slash_belongs_to_the_default_team(stranger: Principal) -> None:
    team = Team.objects.create(name="library")
    Membership.objects.create(team=team, user=user_of(stranger), role=Membership.Role.WRITER)

    assert access.allowed(principal=stranger, name="hello-world") == PUSH


@pytest.mark.parametrize("setting", ["none", "pull", "push"])
def test_nobody_is_asked_to_sign_in_unless_everything_is_open(
    setting: str, nobody: Principal, settings: Settings
) -> None:
    """Docker learns where from the answer to its first request, and from no other."""
    configure(settings, setting)
    with pytest.raises(Unauthorized):
        access.require_presence(nobody)

    configure(settings, "open")
    access.require_presence(nobody)


@pytest.mark.parametrize(
    ("setting", "may_list"), [("none", False), ("pull", True), ("push", True), ("open", True)]
)
def test_nobody_may_list_only_where_anonymous_access_is_on(
    setting: str, may_list: bool, nobody: Principal, settings: Settings
) -> None:
    configure(settings, setting)
    if may_list:
        access.require_listing(nobody)
    else:
        with pytest.raises(Unauthorized):
            access.require_listing(nobody)


def test_everybody_who_is_signed_in_is_welcome(stranger: Principal) -> None:
    access.require_presence(stranger)


@pytest.fixture
def shop(team: Team) -> None:
    """One repository of each visibility in the team, and one elsewhere."""
    elsewhere = Team.objects.create(name="marketing")
    for visibility in VISIBILITIES[1:]:
        name = f"payments/{visibility}"
        Repository.objects.create(name=name, team=team, visibility=visibility)
    Repository.objects.create(name="marketing/private", team=elsewhere)


EVERYTHING = {"payments/private", "payments/internal", "payments/public", "marketing/private"}
IN_TEAM = EVERYTHING - {"marketing/private"}
VISIBLE = [
    ("nobody", "none", set()),
    ("nobody", "pull", {"payments/public"}),
    ("nobody", "push", {"payments/public"}),
    ("nobody", "open", EVERYTHING),
    ("stranger", "none", {"payments/internal", "payments/public"}),
    ("stranger", "push", {"payments/internal", "payments/public"}),
    ("stranger", "open", EVERYTHING),
    ("reader", "none", IN_TEAM),
    ("writer", "none", IN_TEAM),
    ("maintainer", "none", IN_TEAM),
    ("administrator", "none", EVERYTHING),
]


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(("role", "setting", "names"), VISIBLE)
def test_visible_is_what_may_be_pulled(
    role: str,
    setting: str,
    names: set[str],
    settings: Settings,
    request: pytest.FixtureRequest,
) -> None:
    principal: Principal = request.getfixturevalue(role)
    configure(settings, setting)
    visible = set(access.visible_to(principal).values_list("name", flat=True))

    assert visible == names
    assert visible == {
        name for name in EVERYTHING if Action.PULL in access.allowed(principal=principal, name=name)
    }


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(
    "role",
    [
        *("nobody", "stranger", "reader", "writer", "maintainer", "owner", "administrator"),
        *("robot", "scoped"),
    ],
)
@pytest.mark.usefixtures("shop")
def test_what_lists_say_of_pulling_and_pushing_is_what_each_repository_says(
    role: str, setting: str, request: pytest.FixtureRequest, settings: Settings
) -> None:
    configure(settings, setting)
    principal = _somebody(role, request)
    lists = ((access.visible_to, Action.PULL), (access.pushable_by, Action.PUSH))
    for reached, action in lists:
        listed = set(reached(principal).values_list("name", flat=True))
        names = Repository.objects.values_list("name", flat=True)
        single = {
            name for name in names if action in access.allowed(principal=principal, name=name)
        }
        assert listed == single, action


def _somebody(role: str, request: pytest.FixtureRequest) -> Principal:
    if role == "robot":
        return Principal(name="robot-payments-ci", team="payments")
    principal: Principal = request.getfixturevalue("writer" if role == "scoped" else role)
    if role != "scoped":
        return principal
    texts = ("payments/*:pull", "payments/public:pull,push")
    return replace(principal, scopes=tuple(map(TokenScope.parse, texts)))


def test_many_grants_are_no_too_long_query(
    stranger: Principal, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "_MANY", 1)
    user = user_of(stranger)
    for number in range(3):
        repository = Repository.objects.create(name=f"payments/{number}", team=team)
        RepositoryGrant.objects.create(repository=repository, user=user, role=10 + number * 10)
    assert len(access.visible_to(stranger)) == 3
    assert len(access.pushable_by(stranger)) == 2


def test_a_repository_is_visible_once_however_often_it_may_be_seen(
    writer: Principal, team: Team
) -> None:
    other = User.objects.create_user("other")
    Membership.objects.create(team=team, user=other, role=Membership.Role.READER)
    Repository.objects.create(name=NAME, team=team, visibility="public")

    assert access.visible_to(writer).count() == 1


def test_the_repositories_of_ones_own_namespace_are_visible(stranger: Principal) -> None:
    repository_for_push(principal=stranger, held=limits.look("stranger/app"))

    assert [found.name for found in access.visible_to(stranger)] == ["stranger/app"]


def test_the_first_push_makes_a_private_repository_and_its_team(stranger: Principal) -> None:
    id = repository_for_push(principal=stranger, held=limits.look("stranger/group/app"))
    repository = Repository.objects.get()

    assert repository.pk == id
    assert (repository.name, repository.team.name) == ("stranger/group/app", "stranger")
    assert repository.visibility == Repository.Visibility.PRIVATE


def test_what_nobody_in_particular_pushes_is_public(nobody: Principal) -> None:
    repository_for_push(principal=nobody, held=limits.look("hello-world"))
    repository = Repository.objects.get()

    assert (repository.team.name, repository.visibility) == ("library", "public")


def test_a_later_push_finds_the_repository_as_it_is(writer: Principal, team: Team) -> None:
    found = Repository.objects.create(name=NAME, team=team, visibility="internal")

    assert repository_for_push(principal=writer, held=limits.look(NAME)) == found.pk
    assert Repository.objects.get().visibility == "internal"
