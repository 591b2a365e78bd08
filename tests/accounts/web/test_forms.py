"""What forms take: no more than they ask for; and what is wrong is said beside the field."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AccessToken, Membership, Robot, Team, TrustRule, User
from repositories.models import Repository, RepositoryGrant
from tests.accounts.web.conftest import World

Role = Membership.Role
XSS = "<script>alert(1)</script>"
# Every field that somebody might like to set for themselves (robustness S8).
GREEDY = {
    "id": "1",
    "pk": "1",
    "is_superuser": "on",
    "is_staff": "on",
    "is_active": "",
    "is_admin": "on",
    "is_trusted_with_everything": "on",
    "is_admin_by_group": "on",
    "source": "htpasswd",
    "user": "1",
    "user_id": "1",
    "owner": "admin",
    "team": "payments",
    "team_id": "1",
    "groups": "1",
    "user_permissions": "1",
    "kind": "session",
    "hint": "aaaa",
    "secret_hash": "00",
    "last_login": "2000-01-01",
    "created_at": "2000-01-01",
    "quota": "1",
}


def test_profiles_take_nothing_but_the_address(world: World) -> None:
    before = User.objects.filter(username="reader").values().get()
    data = {**GREEDY, "email": "reader@example.com", "username": "admin", "password": "x"}
    world.client("reader").post("/settings/profile", data)
    after = User.objects.filter(username="reader").values().get()
    assert after == {**before, "email": "reader@example.com", "last_login": after["last_login"]}


def test_tokens_are_made_for_oneself(world: World) -> None:
    data = {**GREEDY, "name": "mine", "scopes": "", "expires": "30"}
    world.client("writer").post("/settings/tokens/new", data)
    token = AccessToken.objects.get(name="mine")
    assert token.user == world.users["writer"]
    assert token.kind == AccessToken.Kind.PERSONAL
    assert token.expires_at is not None
    assert token.expires_at < timezone.now() + timedelta(days=31)


def test_only_a_ticked_box_makes_an_administrator(world: World) -> None:
    data = {**GREEDY, "username": "newcomer", "has_password": "on"}
    del data["is_admin"]
    world.client("admin").post("/manage/new-user", data)
    user = User.objects.get(username="newcomer")
    assert not user.is_superuser
    assert not user.is_staff
    assert user.is_active
    assert user.source == User.Source.LOCAL


def test_a_switch_changes_what_it_names(world: World) -> None:
    world.client("admin").post("/manage/users/guest/switch", {**GREEDY, "active": "yes"})
    assert not User.objects.get(username="guest").is_superuser


def test_other_teams_robots_and_rules_are_not_reached_through_ones_own(world: World) -> None:
    """Robustness S7: one's own team in the address, another's object behind it."""
    client = world.client("stranger")
    client.post("/teams", {"name": "mine"})
    robot, rule = world.robot.pk, world.rule.pk
    for address in (
        f"/teams/mine/robots/{robot}",
        f"/teams/mine/robots/{robot}/switch",
        f"/teams/mine/robots/{robot}/delete",
        f"/teams/mine/trust-rules/{rule}/switch",
        f"/teams/mine/trust-rules/{rule}/delete",
        f"/teams/mine/invitations/{world.invitation_id}/withdraw",
        "/teams/mine/members/writer/role",
        "/teams/mine/members/writer/remove",
    ):
        assert client.post(address, {"role": "10", "active": "no"}).status_code == 404, address
    assert Robot.objects.get(pk=robot).is_active
    assert TrustRule.objects.get(pk=rule).is_active


def test_the_last_owner_stays(world: World) -> None:
    client = world.client("owner")
    for address, data in (
        ("/teams/payments/leave", {}),
        ("/teams/payments/members/owner/role", {"role": "10"}),
        ("/teams/payments/members/owner/remove", {}),
    ):
        page = client.post(address, data, follow=True).content.decode()
        assert "The team needs an owner" in page
    assert Membership.objects.get(user=world.users["owner"]).role == Role.OWNER


def test_a_team_with_repositories_says_why_it_stays(world: World) -> None:
    page = world.client("owner").post("/teams/payments/settings").content.decode()
    assert "still owns repositories" in page
    world.repository.manifests.all().delete()  # they hold on to the repository's blobs
    world.repository.delete()
    assert world.client("owner").post("/teams/payments/settings").status_code == 302
    assert not Team.objects.exists()


@pytest.mark.parametrize(
    ("address", "data", "field"),
    [
        ("/settings/profile", {"email": "typed-by-hand"}, "email"),
        ("/settings/tokens/new", {"name": "typed-by-hand", "scopes": "a"}, "scopes"),
        ("/settings/tokens/new", {"name": "x", "scopes": "typed-by-hand/*:fly"}, "scopes"),
        ("/settings/tokens/new", {"name": "", "scopes": "typed-by-hand/*:pull"}, "name"),
        ("/settings/tokens/new", {"name": "typed-by-hand", "expires": "9999"}, "expires"),
        ("/teams", {"name": "Typed-By-Hand"}, "name"),
        ("/teams/payments/members", {"username": "typed-by-hand", "role": "10"}, "username"),
        ("/teams/payments/members", {"username": "typed-by-hand", "role": "99"}, "role"),
        ("/teams/payments/robots", {"name": "Typed-By-Hand"}, "name"),
        ("/teams/payments/trust-rules", {"issuer": "http://typed-by-hand"}, "issuer"),
        ("/teams/payments/trust-rules", {"claims": "typed-by-hand"}, "claims"),
        ("/repositories/payments/api/-/grants", {"username": "typed-by-hand"}, "username"),
        ("/repositories/payments/api/-/settings", {"visibility": "secret"}, "visibility"),
    ],
)
def test_an_error_stands_beside_its_field_and_nothing_is_lost(
    world: World, address: str, data: dict[str, str], field: str
) -> None:
    rule = {
        "name": "r",
        "audience": "a",
        "issuer": "https://gitlab.com",
        "scopes": "payments/*:pull",
    }
    defaults = {"claims": "sub=x", "role": "10", **rule} if "payments" in address else {}
    page = world.client("owner").post(address, {**defaults, **data}).content.decode()
    assert f'id="id_{field}_error"' in page
    assert 'aria-invalid="true"' in page
    typed = [value for value in data.values() if "typed-by-hand" in value.lower()]
    assert all(value in page for value in typed)


@pytest.mark.parametrize("name", ["admin", "payments", "a b", "../x", "ä", "", "x" * 300, "\x00"])
def test_a_teams_name_is_free_and_well_formed(world: World, name: str) -> None:
    answer = world.client("reader").post("/teams", {"name": name})
    assert answer.status_code == 200
    assert 'id="id_name_error"' in answer.content.decode()
    assert Team.objects.count() == 1


def test_text_stays_text_wherever_it_is_shown(world: World) -> None:
    """Robustness S25."""
    admin, owner = world.client("admin"), world.client("owner")
    AccessToken.objects.update(name=XSS)
    Robot.objects.update(description=XSS)
    TrustRule.objects.update(audience=XSS, claims={XSS: XSS})
    User.objects.filter(username="guest").update(email=f"{XSS}@x")
    owner.post("/teams", {"name": XSS})
    owner.post("/settings/tokens/new", {"name": XSS, "scopes": "", "expires": ""})
    owner.post("/sign-in", {"username": XSS, "password": XSS})
    pages = [
        *[(owner, f"/teams/payments{part}") for part in ("/members", "/robots", "/trust-rules")],
        (owner, f"/teams/payments/robots/{world.robot.pk}"),
        (owner, "/settings/tokens"),
        *[(admin, f"/manage/{part}") for part in ("users", "users/guest", "tokens", "audit")],
        (admin, "/manage/tokens?q=" + XSS),
        (admin, "/manage/audit?actor=" + XSS),
    ]
    seen = 0
    for client, address in pages:
        page = client.get(address).content.decode()
        assert XSS not in page, address
        seen += "&lt;script&gt;alert(1)" in page
    assert seen >= 7  # it was there to be seen


def test_an_administrator_cannot_lock_themselves_out(world: World) -> None:
    client = world.client("admin")
    for data in ({"active": "no"}, {"admin": "no"}):
        answer = client.post("/manage/users/admin/switch", data)
        assert answer.status_code == 403
        assert "ask another administrator" in answer.content.decode()


def test_a_new_password_ends_other_sessions_and_not_this_one(db: None) -> None:
    old, new = "correct horse battery staple", "another horse, another staple"
    User.objects.create_user("alice", password=old)
    here, there = Client(), Client()
    for client in (here, there):
        client.post("/sign-in", {"username": "alice", "password": old})
    form = {"old_password": old, "new_password": new, "repeated": "not the same"}
    assert "not the same" in here.post("/settings/password", form).content.decode()
    form["repeated"] = new
    assert here.post("/settings/password", form).status_code == 302
    assert here.get("/settings/profile").status_code == 200
    assert there.get("/settings/profile").status_code == 302


@pytest.mark.parametrize("new", ["short", "12345678901", "password1"])
def test_a_weak_password_is_refused_beside_its_field(db: None, new: str) -> None:
    alice = User.objects.create_user("alice", password="correct horse battery staple")
    client = Client()
    client.force_login(alice)
    form = {"old_password": "correct horse battery staple", "new_password": new, "repeated": new}
    page = client.post("/settings/password", form).content.decode()
    assert 'id="id_new_password_error"' in page


def test_signing_out_everywhere(world: World) -> None:
    here, there = world.client("reader"), world.client("reader")
    page = here.get("/settings/sessions").content.decode()
    assert "2 browsers" in page
    assert "docker login" in page
    here.post("/settings/sessions/end")
    for client in (here, there):
        assert client.get("/settings/profile").status_code == 302
    assert not AccessToken.objects.filter(pk=world.login.pk).exists()
    assert AccessToken.objects.filter(pk=world.token.pk).exists()


def test_a_repositorys_visibility_and_grants(world: World) -> None:
    client = world.client("maintainer")
    address = "/repositories/payments/api/-/"
    client.post(address + "settings", {**GREEDY, "visibility": "internal", "name": "x/y"})
    client.post(address + "grants", {"username": "stranger", "role": "20"})
    repository = Repository.objects.get()
    assert (repository.name, repository.visibility) == ("payments/api", "internal")
    assert RepositoryGrant.objects.get(user__username="stranger").role == Role.WRITER
    client.post(address + "grants/stranger/withdraw")
    assert not RepositoryGrant.objects.filter(user__username="stranger").exists()
    assert client.post(address + "grants", {"username": "guest", "role": "40"}).status_code == 200
    assert RepositoryGrant.objects.get(user__username="guest").role == Role.READER


def test_a_rule_is_switched_off_and_deleted(world: World) -> None:
    client = world.client("owner")
    address = f"/teams/payments/trust-rules/{world.rule.pk}"
    client.post(f"{address}/switch", {"active": "no"})
    assert not TrustRule.objects.get().is_active
    client.post(f"{address}/switch", {"active": "yes"})
    assert TrustRule.objects.get().is_active
    client.post(f"{address}/delete")
    assert not TrustRule.objects.exists()
