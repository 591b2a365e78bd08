"""Where no script runs: what is read is there, and every form goes to the server and back."""

import gzip

import pytest
from playwright.sync_api import expect

from tests.accounts.web.conftest import PASSWORD
from tests.browser.conftest import Site, Visit, Watched, sign_in
from tests.interop.images import CONFIG, IMAGE, LAYER, Layout
from tests.interop.tools import Client
from tests.repositories.layers.archives import archive, entry

pytestmark = pytest.mark.interop

HOME = "/repositories/payments/plain/-/"


@pytest.fixture(scope="module", autouse=True)
def _pushed(site: Site, skopeo: Client, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two small images, and one with a layer that takes a while to list."""
    layout = Layout(tmp_path_factory.mktemp("plain") / "layout")
    layout.tag("old", layout.image("plain"))
    layout.tag("new", layout.image("plain", layers=3))
    entries = archive(*(entry(f"f/{n}", b"") for n in range(90_000)))
    packed = layout.blob(gzip.compress(entries, 1, mtime=0), LAYER)
    config = layout.blob(b'{"os": "linux", "architecture": "amd64"}', CONFIG)
    layout.tag("slow", layout.manifest({"config": config, "layers": [packed]}, IMAGE))
    login = ("--dest-tls-verify=false", f"--dest-creds=owner:{PASSWORD}")
    for tag in ("old", "new", "slow"):
        target = f"docker://{site.host}/payments/plain:{tag}"
        skopeo("copy", "--preserve-digests", *login, f"oci:{layout.at(tag)}", target)


@pytest.fixture
def plain(visit: Visit) -> Watched:
    return visit("owner", java_script_enabled=False)


def test_one_signs_in_and_out(visit: Visit) -> None:
    plain = visit("nobody", java_script_enabled=False)
    sign_in(plain.page, plain.site.url, "guest")
    expect(plain.page.get_by_role("link", name="guest")).to_be_visible()
    plain.page.get_by_role("button", name="Sign out").click()
    plain.open("/settings/profile")
    expect(plain.page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_searching_and_filtering_are_forms(plain: Watched) -> None:
    page = plain.open("/search")
    field = page.get_by_role("main").get_by_role("searchbox")
    field.fill("plain")
    page.get_by_role("main").get_by_role("button", name="Search").click()
    page.get_by_role("link", name="payments/plain").click()
    page.get_by_label("Filter by name").fill("ne")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#tags tbody tr")).to_have_count(1)
    plain.open("/")
    page.get_by_label("Name contains").fill("pla")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#repositories tbody tr")).to_have_count(1)


def test_what_scripts_fetch_into_a_page_is_behind_links(plain: Watched) -> None:
    page = plain.open(f"{HOME}images/old")
    page.get_by_role("link", name="Signatures, SBOMs and attestations").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Attached to it")
    page.go_back()
    page.get_by_role("link", name="What it named before").click()
    expect(page.get_by_role("row")).to_have_count(2)


def test_two_tags_are_compared(plain: Watched) -> None:
    page = plain.open(HOME)
    for tag in ("old", "new"):
        page.get_by_role("checkbox", name=f"Select {tag}").check()
    page.get_by_role("button", name="Compare two selected").click()
    expect(page.get_by_role("row").filter(has_text="added")).to_have_count(1)


def test_a_description_is_previewed_and_saved(plain: Watched) -> None:
    page = plain.open(f"{HOME}settings")
    text = page.get_by_label("What this repository is for")
    text.fill("Plain, but **strong**.")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong")).to_have_text("strong")
    page.get_by_role("button", name="Save").first.click()
    plain.open(HOME)
    expect(page.locator(".prose strong")).to_have_text("strong")


def test_a_tag_is_deleted_after_a_question(plain: Watched) -> None:
    page = plain.open(HOME)
    page.get_by_role("checkbox", name="Select new").check()
    page.get_by_role("button", name="Delete selected").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("Delete this tag?")
    page.get_by_role("button", name="Delete 1 tag").click()
    expect(page.locator("#tags tbody tr").filter(has_text="new")).to_have_count(0)
    expect(page.locator("#tags tbody tr").filter(has_text="old")).to_have_count(1)


def test_a_listing_comes_by_itself(plain: Watched) -> None:
    """The page loads itself again until the listing is made."""
    page = plain.open(f"{HOME}images/slow")
    page.locator("#layer-0").get_by_role("link").last.click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="f/")).to_be_visible(timeout=120_000)


def test_activity_is_there_and_can_be_paused(plain: Watched) -> None:
    page = plain.open("/activity")
    expect(page.locator(".feed li").first).to_be_visible()
    page.get_by_role("link", name="Pause").click()
    expect(page.get_by_text("Paused.")).to_be_visible()
