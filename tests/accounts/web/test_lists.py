"""Long lists: pages, searches, filters, the export; and how many queries they take."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import audit
from accounts.models import AccessToken, AuditEvent, Membership, Robot, Team, TrustRule, User
from accounts.tokens import hash_secret
from accounts.web.paging import PAGE_SIZE
from repositories.models import RepositoryGrant
from tests.accounts.web.conftest import World

MANY = PAGE_SIZE + 10
MOST_QUERIES = 10


@pytest.fixture
def crowd(world: World) -> World:
    """More of everything than fits on a page."""
    numbers = range(MANY)
    people = User.objects.bulk_create([User(username=f"user{n:03}") for n in numbers])
    groups = Team.objects.bulk_create([Team(name=f"team{n:03}") for n in numbers])
    owner = world.users["owner"]
    Membership.objects.bulk_create([Membership(team=world.team, user=user) for user in people])
    Membership.objects.bulk_create([Membership(team=team, user=owner) for team in groups])
    Robot.objects.bulk_create([Robot(team=world.team, name=f"robot-{n:03}") for n in numbers])
    for kind, owners in (
        ("personal", {"user": owner}),
        ("session", {"user": owner}),
        ("robot", {"robot": world.robot}),
    ):
        AccessToken.objects.bulk_create(
            [
                AccessToken(
                    **owners, kind=kind, name=f"{kind}{n}", secret_hash=hash_secret(f"{kind}{n}")
                )
                for n in numbers
            ]
        )
    TrustRule.objects.bulk_create(
        [
            TrustRule(team=world.team, name=f"rule{n:03}", issuer="https://x.example")
            for n in numbers
        ]
    )
    RepositoryGrant.objects.bulk_create(
        [RepositoryGrant(repository=world.repository, user=user, role=10) for user in people]
    )
    AuditEvent.objects.bulk_create(
        [AuditEvent(actor=f"user{n:03}", action="test.event", detail={"n": n}) for n in numbers]
    )
    return world


@pytest.mark.parametrize(
    ("who", "address"),
    [
        ("owner", "/settings/tokens"),
        ("owner", "/settings/sessions"),
        ("owner", "/teams"),
        ("owner", "/teams/payments/members"),
        ("owner", "/teams/payments/invitations"),
        ("owner", "/teams/payments/robots"),
        ("owner", "/teams/payments/robots/{robot}"),
        ("owner", "/teams/payments/trust-rules"),
        ("owner", "/repositories/payments/api/-/settings"),
        ("admin", "/manage/users"),
        ("admin", "/manage/users/owner"),
        ("admin", "/manage/teams"),
        ("admin", "/manage/tokens"),
        ("admin", "/manage/audit"),
        ("admin", "/manage/keys"),
        ("admin", "/manage/proxy"),
        ("admin", "/"),
    ],
)
def test_a_list_takes_few_queries_however_long(
    crowd: World, django_assert_max_num_queries: DjangoAssertNumQueries, who: str, address: str
) -> None:
    client = crowd.client(who)
    with django_assert_max_num_queries(MOST_QUERIES):
        answer = client.get(address.format(robot=crowd.robot.pk))
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("who", "address", "expected"),
    [
        ("owner", "/settings/tokens", [f"personal{n}" for n in range(MANY)]),
        ("owner", "/teams", [f"team{n:03}" for n in range(MANY)]),
        ("owner", "/teams/payments/members", [f"user{n:03}" for n in range(MANY)]),
        ("owner", "/teams/payments/robots", [f"robot-{n:03}" for n in range(MANY)]),
        ("owner", "/teams/payments/trust-rules", [f"rule{n:03}" for n in range(MANY)]),
        ("owner", "/repositories/payments/api/-/settings", [f"user{n:03}" for n in range(MANY)]),
        ("admin", "/manage/users?q=user", [f"user{n:03}" for n in range(MANY)]),
        ("admin", "/manage/teams?q=team", [f"team{n:03}" for n in range(MANY)]),
        ("admin", "/manage/tokens?q=owner", [f"session{n}" for n in range(MANY)]),
        ("admin", "/manage/audit?action=test.", [f"user{n:03}" for n in range(MANY)]),
    ],
)
def test_paging_shows_every_row_once(
    crowd: World, who: str, address: str, expected: list[str]
) -> None:
    client = crowd.client(who)
    bare = address.partition("?")[0]
    pages = []
    following = address
    while following:
        answer = client.get(following)
        pages.append(answer.context["page"].rows)
        query = answer.context["page"].next
        following = f"{bare}?{query}" if query else ""
    ids = [row.pk for rows in pages for row in rows]
    assert len(pages) >= 2
    assert max(map(len, pages)) <= PAGE_SIZE
    assert len(ids) == len(set(ids))
    shown = " ".join(str(vars(row)) + str(row) + _name(row) for rows in pages for row in rows)
    assert [name for name in expected if name not in shown] == []


def _name(row: object) -> str:
    user, team = getattr(row, "user", None), getattr(row, "team", None)
    return f" {getattr(user, 'username', '')} {team} "


@pytest.mark.parametrize("address", ["/manage/users", "/manage/tokens", "/manage/audit", "/teams"])
@pytest.mark.parametrize("after", ["", "x'", "\x00", "-1", "9" * 40, "٣", "a" * 5000, "1e3"])
def test_odd_places_to_begin_are_the_first_page(world: World, address: str, after: str) -> None:
    answer = world.client("admin").get(address, {"after": after})
    assert answer.status_code == 200


@pytest.mark.parametrize("text", ["\x00", "%", "_", "'", "a" * 5000, "\\"])
def test_odd_searches_find_nothing_or_little(world: World, text: str) -> None:
    client = world.client("admin")
    for address in ("/manage/users", "/manage/teams", "/manage/tokens"):
        assert client.get(address, {"q": text}).status_code == 200
    for name in ("actor", "action", "target", "outcome", "since", "until"):
        assert client.get("/manage/audit", {name: text}).status_code == 200


def test_users_and_tokens_are_found(world: World) -> None:
    User.objects.filter(username="guest").update(email="Somebody@example.com")
    client = world.client("admin")
    found = client.get("/manage/users", {"q": "somebody@"}).context["page"].rows
    assert [user.username for user in found] == ["guest"]
    for text in ("laptop", "reader", world.token.hint):
        rows = client.get("/manage/tokens", {"q": text}).context["page"].rows
        assert world.token in rows
    rows = client.get("/manage/tokens", {"q": "robot-payments"}).context["page"].rows
    assert rows == [world.robot_token]


def test_the_audit_log_is_filtered(world: World) -> None:
    AuditEvent.objects.all().delete()
    audit.record("team.create", actor="ada", target="payments")
    audit.record("team.delete", actor="bob", target="payments")
    audit.denied("sign-in", actor="ada", address="192.0.2.1")
    old = AuditEvent.objects.create(actor="old", action="x", at=timezone.now() - timedelta(days=9))
    client = world.client("admin")

    def actions(**filters: str) -> list[str]:
        page = client.get("/manage/audit", filters).context["page"]
        return [f"{event.actor} {event.action}" for event in page.rows]

    assert actions(actor="ada") == ["ada sign-in", "ada team.create"]
    assert actions(action="team.") == ["bob team.delete", "ada team.create"]
    assert actions(action="team.create") == ["ada team.create"]
    assert actions(target="pay", actor="bob") == ["bob team.delete"]
    assert actions(outcome="denied") == ["ada sign-in"]
    day = old.at.date()
    assert actions(since=day.isoformat(), until=day.isoformat()) == ["old x"]
    assert len(actions(since=(day + timedelta(days=1)).isoformat())) == 3


def lines(client: Client, **filters: str) -> list[dict[str, object]]:
    answer = client.get("/manage/audit.jsonl", filters)
    assert answer.streaming
    assert answer.headers["Content-Type"].startswith("application/x-ndjson")
    content = answer.getvalue()
    return [json.loads(line) for line in content.decode().splitlines()]


def test_the_export_is_everything_that_matches(crowd: World) -> None:
    client = crowd.client("admin")
    found = lines(client, action="test.")
    assert [line["detail"] for line in found] == [{"n": n} for n in reversed(range(MANY))]
    assert set(found[0]) == {
        *("id", "at", "actor", "action", "target", "outcome", "address", "credential", "detail")
    }
    assert AuditEvent.objects.latest("pk").action == "audit.export"


def test_the_export_refuses_a_filter_that_is_wrong(world: World) -> None:
    assert world.client("admin").get("/manage/audit.jsonl", {"since": "x"}).status_code == 400
    assert world.client("owner").get("/manage/audit.jsonl", {"since": "x"}).status_code == 403
