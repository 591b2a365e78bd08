"""S3: a limit of a token holds on every route and in every form, and asking never adds to it.

Gitea lost a token's scope where it came as a Basic password (CVE-2025-68944).
"""

import itertools

import pytest

from accounts import tokens
from accounts.models import Robot
from repositories.oci.scopes import TokenScope, parse_token_scopes
from tests.security.client import (
    Answer,
    ask_token,
    asked_scope,
    basic,
    bearer,
    granted,
    post_token,
    send,
    token_for,
)
from tests.security.conftest import APP, OWN, PRIVATE, World

ACTIONS = ("pull", "push", "delete")
LIMITS = [frozenset(chosen) for n in range(1, 4) for chosen in itertools.combinations(ACTIONS, n)]
ALL_OF_IT = f"repository:{APP}:pull,push,delete,*"


def attempt(action: str, repository: str, by: str | None) -> Answer:
    """The plainest request that needs the action; it changes nothing that is there."""
    if action == "pull":
        return send("GET", f"/v2/{repository}/tags/list", by=by)
    if action == "push":
        return send("POST", f"/v2/{repository}/blobs/uploads/", by=by)
    return send("DELETE", f"/v2/{repository}/manifests/no-such-tag", by=by)


def is_let_in(answer: Answer) -> bool:
    """Whether the request got past the door: a tag that is not there is told of behind it."""
    if answer.status in (200, 202):
        return True
    assert answer.status in (401, 403, 404), answer.text
    return answer.code == "MANIFEST_UNKNOWN"


def forms_of(secret: str, account: str) -> dict[str, str]:
    """All the ways in which an access token can be shown on `/v2/`."""
    everything = [f"repository:{name}:pull,push,delete,*" for name in (APP, PRIVATE)]
    everything.append("registry:catalog:*")
    asked = token_for(*everything, by=basic(account, secret))
    fresh = post_token(*everything, grant_type="refresh_token", refresh_token=secret).json()
    return {
        "Basic": basic(account, secret),
        "Bearer, the token itself": bearer(secret),
        "Bearer, exchanged": bearer(asked),
        "Bearer, refreshed": bearer(fresh["access_token"]),
    }


def robot_token(world: World, *scopes: str) -> tuple[str, str]:
    parsed = parse_token_scopes(" ".join(scopes))
    token, secret = tokens.create(owner=world.robot, name="limited", scopes=parsed)
    return token.owner_name, secret


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: "+".join(sorted(limit)))
@pytest.mark.parametrize("owner", ["owner", "admin", "robot"])
def test_a_token_s_limit_holds_however_it_is_shown(
    world: World, owner: str, limit: frozenset[str]
) -> None:
    scopes = (TokenScope(f"{OWN}/*", limit),)
    holder = world.robot if owner == "robot" else world.people[owner]
    token, secret = tokens.create(owner=holder, name="limited", scopes=scopes)
    for form, header in forms_of(secret, token.owner_name).items():
        for action in ACTIONS:
            was_let_in = is_let_in(attempt(action, APP, header))
            assert was_let_in is (action in limit), (form, action)
            assert not is_let_in(attempt(action, PRIVATE, header)), (form, action)
        listed = send("GET", "/v2/_catalog", by=header).json()["repositories"]
        assert listed == ([APP] if "pull" in limit else []), form


@pytest.mark.parametrize(
    ("pattern", "reaches"),
    [
        ("payments/app", True),
        ("payments/*", True),
        ("payments/a*", True),
        ("*", True),
        ("payments/ap", False),
        ("payments/app-*", False),
        ("payments/b*", False),
        ("payments", False),
        ("research/*", False),
    ],
)
def test_a_pattern_reaches_what_it_matches(world: World, pattern: str, reaches: bool) -> None:
    account, secret = robot_token(world, f"{pattern}:pull")
    for form, header in forms_of(secret, account).items():
        assert is_let_in(attempt("pull", APP, header)) is reaches, form
        assert not is_let_in(attempt("pull", PRIVATE, header)), form
        catalog = send("GET", "/v2/_catalog", by=header).json()["repositories"]
        assert catalog == ([APP] if reaches else []), form


EXPECTED = {
    "anonymous": set(),
    "stranger": set(),
    "reader": {"pull"},
    "writer": {"pull", "push"},
    "maintainer": set(ACTIONS),
    "owner": set(ACTIONS),
    "robot": set(ACTIONS),
    "scoped": {"pull", "push"},
    "admin": set(ACTIONS),
}
ASKED = [
    "pull",
    "push",
    "delete",
    "*",
    "pull,push,delete,*",
    "admin",
    "PULL",
    "",
    ",",
    "pull,",
    "pull push",
]


@pytest.mark.parametrize("who", EXPECTED)
@pytest.mark.parametrize("actions", ASKED)
def test_asking_for_more_never_gives_more(world: World, who: str, actions: str) -> None:
    words = set(actions.split(" ", maxsplit=1)[0].split(","))
    wanted = set(ACTIONS) if "*" in words else words & set(ACTIONS)
    for name in (APP, PRIVATE):
        may = EXPECTED[who] if name == APP or who == "admin" else set()
        token = token_for(f"repository:{name}:{actions}", by=world.by(who))
        given = granted(token).get(f"repository:{name}", set())
        assert given == may & wanted, (name, given)
        for action in ACTIONS:
            assert is_let_in(attempt(action, name, bearer(token))) is (action in given)


STRANGE_SCOPES = [
    f"repository:{APP}",
    f"registry:{APP}:pull",
    f"repository(admin):{APP}:pull",
    f"REPOSITORY:{APP}:pull",
    f":{APP}:pull",
    "repository::pull",
    "repository:*:pull",
    "repository:payments/*:pull",
    "repository:PAYMENTS/APP:pull",
    f"repository:{APP}/:pull",
    f"repository:/{APP}:pull",
    f"repository:{APP}/../app:pull",
    f"repository:{APP}\t:pull",
    f"repository:registry.example.com:5000/{APP}:pull",
    "repository:" + "a" * 300 + ":pull",
    "registry:catalog:admin",
    "registry:users:*",
    "repository:catalog:*",
    "\N{SNOWMAN}",
]


@pytest.mark.parametrize("scope", STRANGE_SCOPES)
def test_a_scope_that_means_nothing_gives_nothing(world: World, scope: str) -> None:
    token = token_for(scope, by=world.by("admin"))
    given = {name for name, actions in granted(token).items() if actions}
    assert given <= {"repository:catalog", "registry:catalog"}
    for action in ACTIONS:
        assert not is_let_in(attempt(action, APP, bearer(token)))


def test_a_token_is_good_for_what_was_asked_for_only(world: World) -> None:
    other = token_for("repository:payments/other:pull,push,delete", by=world.by("admin"))
    for action in ACTIONS:
        answer = attempt(action, APP, bearer(other))
        assert answer.status == 401
        wanted = "pull,push" if action == "push" else action
        assert asked_scope(answer) == f"repository:{APP}:{wanted}"
        assert 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


def test_what_was_not_asked_for_may_be_asked_for_and_what_was_refused_is_refused(
    world: World,
) -> None:
    """Clients that ask for each request by itself are told the scope that the next one needs."""
    for who, may in (("owner", ACTIONS), ("writer", ("pull", "push")), ("reader", ("pull",))):
        token = token_for(f"repository:{APP}:pull", by=world.by(who))
        for action in ("push", "delete"):
            told = attempt(action, APP, bearer(token))
            assert (told.status, told.code) == (401, "UNAUTHORIZED")
            scope = asked_scope(told)
            assert scope == f"repository:{APP}:{'pull,push' if action == 'push' else action}"
            again = attempt(action, APP, bearer(token_for(scope, by=world.by(who))))
            assert is_let_in(again) is (action in may)
            assert again.status == 403 or action in may
    nothing = token_for(f"repository:{APP}:pull", by=world.by("stranger"))
    assert attempt("pull", APP, bearer(nothing)).status == 404


def mount(world: World, source: str, *scopes: str, who: str, into: str = APP) -> Answer:
    """A mount by a token that was asked for with `into` and these."""
    token = token_for(f"repository:{into}:pull,push", *scopes, by=world.by(who))
    path = f"/v2/{into}/blobs/uploads/?mount={world.own.layer}&from={source}"
    return send("POST", path, by=bearer(token))


@pytest.mark.parametrize(
    ("source", "further"),
    [(APP, f" repository:{APP}:pull"), ("no/../name", ""), (f"{APP}&from={APP}", "")],
)
def test_the_first_challenge_of_a_mount_asks_for_all_that_it_needs(
    world: World, source: str, further: str
) -> None:
    """There are clients that ask for a token once, and give up when that is not enough."""
    into = f"{OWN}/new"
    path = f"/v2/{into}/blobs/uploads/?mount={world.own.layer}&from={source}"
    told = send("POST", path)
    assert told.status == 401
    assert asked_scope(told) == f"repository:{into}:pull,push{further}"


@pytest.mark.parametrize("who", ["writer", "owner", "robot", "scoped", "admin"])
def test_a_mount_tells_which_token_it_needs(world: World, who: str) -> None:
    """As Distribution does: clients ask for a token for both repositories then, and try again."""
    into = f"{OWN}/new"
    told = mount(world, APP, who=who, into=into)
    assert (told.status, told.code) == (401, "UNAUTHORIZED")
    scope = asked_scope(told)
    assert scope == f"repository:{into}:pull,push repository:{APP}:pull"
    assert told.headers["WWW-Authenticate"].count("scope=") == 1
    assert 'error="insufficient_scope"' in told.headers["WWW-Authenticate"]
    path = f"/v2/{into}/blobs/uploads/?mount={world.own.layer}&from={APP}"
    again = send("POST", path, by=bearer(token_for(scope, by=world.by(who))))
    assert again.status == 201, again.text


def test_a_token_for_all_but_pulling_the_source_is_told_the_same(world: World) -> None:
    into = f"{OWN}/new"
    told = mount(world, APP, f"repository:{APP}:push", who="owner", into=into)
    assert asked_scope(told) == f"repository:{into}:pull,push repository:{APP}:pull"


@pytest.mark.parametrize("who", ["writer", "owner", "robot", "scoped"])
def test_a_mount_says_nothing_of_a_source_that_may_not_be_read(world: World, who: str) -> None:
    """Before it was asked for, and after it was refused, private is answered as missing."""
    missing = "research/unannouncer"  # as long as the other
    told = [mount(world, source, who=who) for source in (PRIVATE, missing)]
    assert {answer.status for answer in told} == {401}
    assert told[0].text.replace(PRIVATE, missing) == told[1].text
    refused = [
        mount(world, source, f"repository:{source}:pull", who=who) for source in (PRIVATE, missing)
    ]
    assert [(answer.status, answer.body) for answer in refused] == [(202, b"")] * 2
    assert refused[0].headers.keys() == refused[1].headers.keys()


@pytest.mark.parametrize("source", ["", "/", "UPPER", "payments/", "../etc", "a" * 256, "%22"])
def test_what_could_be_no_name_is_not_asked_for(world: World, source: str) -> None:
    """The token service leaves it out, so that asking would never end."""
    for who in ("writer", "owner", "robot"):
        into = f"{OWN}/new"
        answer = mount(world, source, who=who, into=into)
        # No source at all means any that may be read: a token may read what it was asked for.
        assert answer.status == 202, answer.text


def test_no_other_credentials_are_asked_for_more(world: World) -> None:
    headers = [world.by(who) for who in ("writer", "owner", "robot", "scoped")]
    for header in [*headers, bearer(world.secrets["robot"]), bearer(world.secrets["scoped"])]:
        for source, status in ((PRIVATE, 202), ("research/nothing", 202), (APP, 201)):
            path = f"/v2/{OWN}/new/blobs/uploads/?mount={world.own.layer}&from={source}"
            assert send("POST", path, by=header).status == status


@pytest.mark.parametrize("who", ["reader", "owner", "robot", "scoped", "admin"])
def test_the_catalog_is_for_tokens_that_were_asked_for_it(world: World, who: str) -> None:
    """A token for one repository, handed to a build, must not tell of the others."""
    narrow = token_for(f"repository:{APP}:pull", by=world.by(who))
    answer = send("GET", "/v2/_catalog", by=bearer(narrow))
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert asked_scope(answer) == "registry:catalog:*"
    asked = token_for("registry:catalog:*", by=world.by(who))
    listed = send("GET", "/v2/_catalog", by=bearer(asked)).json()["repositories"]
    assert listed == ([APP, PRIVATE] if who == "admin" else [APP])
    assert not is_let_in(attempt("pull", APP, bearer(asked)))


def test_a_bearer_token_cannot_be_exchanged_for_another(world: World) -> None:
    token = token_for(f"repository:{APP}:pull", by=world.by("owner"))
    assert ask_token(ALL_OF_IT, by=bearer(token)).status == 401
    for account in ("owner", "", "oauth2accesstoken"):
        assert ask_token(ALL_OF_IT, by=basic(account, token)).status == 401
    assert post_token(ALL_OF_IT, grant_type="refresh_token", refresh_token=token).status == 401


def test_a_refresh_token_gives_what_its_user_may_do_now(world: World) -> None:
    first = post_token(
        ALL_OF_IT,
        grant_type="password",
        username="writer",
        password="writer-password",
        access_type="offline",
    ).json()
    refresh = first["refresh_token"]
    assert granted(first["access_token"]) == {f"repository:{APP}": {"pull", "push"}}
    again = post_token(ALL_OF_IT, grant_type="refresh_token", refresh_token=refresh).json()
    assert granted(again["access_token"]) == {f"repository:{APP}": {"pull", "push"}}
    world.people["writer"].memberships.update(role=10)
    less = post_token(ALL_OF_IT, grant_type="refresh_token", refresh_token=refresh).json()
    assert granted(less["access_token"]) == {f"repository:{APP}": {"pull"}}


@pytest.mark.parametrize("who", ["scoped", "robot"])
def test_only_a_password_earns_a_refresh_token(world: World, who: str) -> None:
    """A token that lasts a week must not give one that lasts for ninety days."""
    header = world.by(who)
    assert "refresh_token" not in ask_token(by=header, offline_token="true").json()
    account = world.tokens[who].owner_name
    fields = {"username": account, "password": world.secrets[who], "access_type": "offline"}
    assert "refresh_token" not in post_token(grant_type="password", **fields).json()
    assert "refresh_token" not in ask_token(offline_token="true").json()


def test_a_token_of_another_account_is_no_password(world: World) -> None:
    for account in ("reader", "admin", "", "robot-payments-ci", "Owner", "owner "):
        answer = send("GET", f"/v2/{APP}/tags/list", by=basic(account, world.secrets["scoped"]))
        assert answer.status == 401, account


def test_another_team_s_robot_is_let_in_nowhere(world: World) -> None:
    robot = Robot.objects.create(team_id=world.robot.team_id + 1, name="robot-research-ci")
    token, secret = tokens.create(owner=robot, name="theirs")
    for form, header in forms_of(secret, token.owner_name).items():
        for action in ACTIONS:
            assert not is_let_in(attempt(action, APP, header)), form
            assert is_let_in(attempt(action, PRIVATE, header)), form
