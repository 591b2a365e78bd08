"""Every page in Chinese: as the browser asks, or as the cookie says, with no English left."""

import re
from html.parser import HTMLParser

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from django.utils.translation import get_language, override
from django.views.defaults import server_error

from accounts.models import AuditEvent
from tests.accounts.web.conftest import PASSWORD, World
from tests.accounts.web.test_headers import NO_PAGES
from tests.accounts.web.test_who_may import ROWS, Row

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.5"}
PAGES = [row for row in ROWS if row.data is None and row.name not in NO_PAGES]
SECOND_FACTOR = ("mfa_index", "mfa_activate_totp", "account_reauthenticate")
LITERALLY = ("pre", "code", "script", "style", "title", "option")
# What is written by people or programs: names, identifiers, addresses.
IDENTIFIER = re.compile(r"\S*[./_:@=*-]\S*|\b[0-9a-f]{12}\b")
WORDS = {
    *(
        "Berth",
        "English",
        "docker",
        "Docker",
        "Podman",
        "Compose",
        "Kubernetes",
        "GitHub",
        "GitLab",
    ),
    *("Actions", "CI", "OIDC", "LDAP", "JSON", "Lines", "UTC", "API", "ID", "QR", "JavaScript"),
    *("shell", "Pod", "secret", "masked", "htpasswd", "blob", "Cookie", "https", "login"),
    *(
        "iss",
        "aud",
        "Email",
        "oidc",
        "pull",
        "push",
        "delete",
        "name",
        "app",
        "team",
        "laptop",
        "deploy",
    ),
    *("payments", "github", "build", "guest", "reader", "writer", "maintainer", "owner", "admin"),
    *("stranger", "ci", "robot", "api", "Django", "somebody"),
    *("Dockerfile", "Markdown", "SBOM", "Skopeo", "KiB", "MiB", "GiB", "TiB", "Blob"),
    *("Caddy", "Traefik", "Host", "Via", "Forwarded", "http", "nginx"),
}


class Words(HTMLParser):
    """The words that a page says: texts, and the attributes that are read out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in LITERALLY:
            self._within.append(tag)
        spoken = ("alt", "title", "placeholder", "aria-label", "data-label", "data-copied")
        self.texts += [value for name, value in attrs if name in spoken and value]

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        if not self._within or self._within == ["option"]:
            self.texts.append(data)


def english(page: str) -> set[str]:
    """Words of a page that are neither Chinese nor names."""
    words = Words()
    words.feed(page)
    text = IDENTIFIER.sub(" ", " ".join(words.texts))
    return set(re.findall(r"[A-Za-z]{2,}", text)) - WORDS


def address_of(world: World, row: Row) -> str:
    return reverse(row.name, kwargs=row.arguments(world))


@pytest.mark.parametrize("row", PAGES, ids=lambda row: row.name)
def test_no_english_is_left_on_a_page(world: World, row: Row) -> None:
    client = world.client("anonymous" if row.name == "sign-in" else "admin")
    AuditEvent.objects.all().delete()  # they speak of actions by their identifiers
    page = client.get(address_of(world, row), headers=CHINESE).content.decode()
    assert '<html lang="zh-hans"' in page
    assert english(page) == set()


def with_password(world: World, who: str) -> Client:
    """The Chinese browser of somebody who signed in with `PASSWORD`."""
    user = world.users[who]
    user.set_password(PASSWORD)
    user.save()
    client = Client(headers=CHINESE)
    assert client.post("/sign-in", {"username": who, "password": PASSWORD}).status_code == 302
    return client


@pytest.mark.parametrize("name", SECOND_FACTOR)
def test_no_english_is_left_on_what_allauth_shows(world: World, name: str) -> None:
    client = with_password(world, "admin")
    client.post(reverse("account_reauthenticate"), {"password": PASSWORD})
    page = client.get(reverse(name)).content.decode()
    assert "<main" in page
    assert english(page) == set()
    for sent in ({"code": "000000"}, {"code": ""}, {"password": "wrong"}):
        assert english(client.post(reverse(name), sent).content.decode()) == set()


@pytest.mark.parametrize(
    ("row", "sent"),
    [
        ("password", {"old_password": "x", "new_password": "12345", "repeated": "1234"}),
        ("password", {"old_password": "x", "new_password": "12345", "repeated": "12345"}),
        ("profile", {"email": "nonsense"}),
        ("token-create", {"name": "", "scopes": "payments/*:fly", "expires": "8"}),
        ("token-create", {"name": "x", "scopes": "nonsense", "expires": "30"}),
        ("token-create", {"name": "x", "scopes": "A*:pull", "expires": "30"}),
        ("teams", {"name": "payments"}),
        ("teams", {"name": "Not a name"}),
        ("teams", {"name": "reader"}),
        ("robots", {"name": "ci"}),
        ("robots", {"name": "Not a name"}),
        ("members", {"username": "nobody-here", "role": "99"}),
        ("trust-rules", {"name": "x", "issuer": "http://x", "claims": "a"}),
        ("manage-user-create", {"username": "reader", "email": "nonsense"}),
        ("repository-settings", {"visibility": "secret"}),
    ],
)
def test_no_english_is_left_in_what_is_wrong_with_a_form(
    world: World, row: str, sent: dict[str, str]
) -> None:
    address = next(address_of(world, each) for each in PAGES if each.name == row)
    page = with_password(world, "admin").post(address, sent).content.decode()
    assert 'class="errorlist' in page
    typed = {word for value in sent.values() for word in re.findall("[A-Za-z]+", value)}
    assert english(page) - typed == set()


def test_what_a_domain_function_refuses_is_in_the_language_of_the_reader(world: World) -> None:
    client = world.client("owner")
    page = client.post("/teams/payments/leave", headers=CHINESE, follow=True).content.decode()
    assert "团队必须有一个所有者" in page
    page = world.client("reader").get("/teams/payments/robots", headers=CHINESE).content.decode()
    assert "此操作需要团队中的“所有者”角色" in page


def test_the_audit_log_is_in_one_language(world: World) -> None:
    client = world.client("owner")
    client.post("/teams/payments/members/writer/role", {"role": "30"}, headers=CHINESE)
    event = AuditEvent.objects.get(action="team.set-member")
    assert event.detail == {"member": "writer", "role": "maintainer"}


@override_settings(DEBUG=False)
def test_error_pages_are_in_chinese(world: World, rf: RequestFactory) -> None:
    client = world.client("reader")
    pages = [
        client.get("/nowhere", headers=CHINESE),
        client.get("/manage/users", headers=CHINESE),
        client.get("/", headers={**CHINESE, "Host": "a b<script>"}),
        Client(enforce_csrf_checks=True).post("/sign-in", headers=CHINESE),
    ]
    assert [page.status_code for page in pages] == [404, 403, 400, 403]
    texts = [page.content.decode() for page in pages]
    with override("zh-hans"):
        texts.append(server_error(rf.get("/")).content.decode())
    for text in texts:
        assert 'lang="zh-hans"' in text
        assert english(text) - {"REGISTRY", "HTTP", "HOST"} == set()


@pytest.mark.parametrize("model", admin.site._registry, ids=lambda model: model.__name__)
def test_no_english_is_left_in_the_admin_site(world: World, model: type) -> None:
    options = admin.site._registry[model].opts
    address = reverse(f"admin:{options.app_label}_{options.model_name}_changelist")
    page = world.client("admin").get(address, headers=CHINESE).content.decode()
    content = page.partition("<main")[2]  # Django's own navigation has some English in it
    content = re.sub("<t[dh] class=.*?</t[dh]>", "", content, flags=re.DOTALL)
    assert english(content) - {"Search"} == set()  # "Search users", of Django's own


# --- which language -------------------------------------------------------------------------------


def language_of(client: Client, **headers: str) -> str:
    answer = client.get("/sign-in", headers={k.replace("_", "-"): v for k, v in headers.items()})
    found = re.search('<html lang="([^"]+)"', answer.content.decode())
    assert found
    assert answer.headers["Content-Language"] == found[1]
    assert "Accept-Language" in answer.headers["Vary"]
    return found[1]


@pytest.mark.parametrize(
    ("asked", "language"),
    [
        ("zh-CN", "zh-hans"),
        ("zh", "zh-hans"),
        ("zh-Hans-CN;q=0.9, en;q=0.8", "zh-hans"),
        ("en-GB", "en"),
        ("de", "en"),
        ("", "en"),
        ("x" * 5000, "en"),
    ],
)
def test_the_browser_says_which_language(db: None, asked: str, language: str) -> None:
    assert language_of(Client(), Accept_Language=asked) == language


def test_the_cookie_comes_before_the_browser(db: None) -> None:
    client = Client()
    client.post("/appearance", {"language": "zh-hans", "next": "/sign-in"})
    assert language_of(client, Accept_Language="en") == "zh-hans"
    client.post("/appearance", {"language": "en", "next": "/sign-in"})
    assert language_of(client, Accept_Language="zh-CN") == "en"
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "../../etc"
    assert language_of(client, Accept_Language="zh-CN") == "zh-hans"


@pytest.mark.parametrize("asked", ["en", "zh-CN"])
def test_each_language_is_named_in_itself(db: None, asked: str) -> None:
    page = Client().get("/sign-in", headers={"Accept-Language": asked}).content.decode()
    assert re.findall(r'lang="[a-z-]+"[^>]*>([^<]+)</button>', page) == ["English", "简体中文"]


def test_the_thread_does_not_keep_the_readers_language(db: None) -> None:
    """The same threads answer /v2/, and write logs."""
    Client().get("/sign-in", headers=CHINESE)
    assert get_language() == "en"


def test_programs_are_told_in_english(world: World) -> None:
    answer = Client().get("/v2/_catalog", headers=CHINESE)
    assert answer.json()["errors"][0]["message"].startswith("authentication required")
