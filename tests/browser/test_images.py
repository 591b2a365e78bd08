"""What people do with images, from the first push on; the images come from a real client."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.accounts.web.conftest import PASSWORD as PEOPLES_PASSWORD
from tests.browser.conftest import Site, Visit, Watched, sign_in
from tests.browser.pages import barriers
from tests.interop.images import Layout
from tests.interop.tools import PASSWORD, USER, Client
from tests.live import LiveServer

pytestmark = pytest.mark.interop

REPOSITORY = "payments/shop"


@pytest.fixture(scope="module")
def pushed(site: Site, skopeo: Client, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two versions for three platforms each, and a signature; returns the first one's digest."""
    layout = Layout(tmp_path_factory.mktemp("shop") / "layout")
    first = layout.index("first")
    for tag, descriptor in (("1.0", first), ("1.1", layout.index("second"))):
        layout.tag(tag, descriptor)
        push(skopeo, layout, tag, f"{site.host}/{REPOSITORY}:{tag}", user="owner")
    signature = layout.manifest(
        {
            "artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json",
            "config": layout.blob(b"{}", "application/vnd.oci.empty.v1+json"),
            "layers": [layout.blob(b"signed", "application/octet-stream")],
            "subject": first,
        },
        "application/vnd.oci.image.manifest.v1+json",
    )
    layout.tag("signature", signature)
    push(skopeo, layout, "signature", f"{site.host}/{REPOSITORY}:signature", user="owner")
    digest: str = first["digest"]
    return digest


def push(client: Client, layout: Layout, tag: str, target: str, *, user: str) -> None:
    password = PASSWORD if user == USER else PEOPLES_PASSWORD
    login = ("--dest-tls-verify=false", f"--dest-creds={user}:{password}")
    client(
        "copy", "--all", "--preserve-digests", *login, f"oci:{layout.at(tag)}", f"docker://{target}"
    )


class TestTheFirstPush:
    @pytest.fixture
    def empty(self, tmp_path: Path) -> Iterator[LiveServer]:
        """A server that nobody has pushed to, and its first user."""
        with LiveServer(tmp_path / "data", open_access=False) as server:
            who = ("--username", USER, "--email", "keeper@example.org")
            server.manage(
                "createsuperuser", "--noinput", *who, env={"DJANGO_SUPERUSER_PASSWORD": PASSWORD}
            )
            yield server

    def test_an_empty_home_says_how_and_then_shows_it(
        self, chromium: Browser, empty: LiveServer, skopeo: Client, tmp_path: Path
    ) -> None:
        context = chromium.new_context(locale="en-US")
        page = context.new_page()
        sign_in(page, empty.url, USER, PASSWORD)
        commands = page.locator("pre").first.inner_text().splitlines()
        assert commands[0] == f"docker login {empty.host}"
        target = commands[-1].removeprefix("docker push ")
        assert target == f"{empty.host}/hello-world"

        layout = Layout(tmp_path / "layout")
        layout.tag("latest", layout.image("hello"))
        push(skopeo, layout, "latest", f"{target}:latest", user=USER)
        page.reload()
        row = page.get_by_role("row").filter(has_text="hello-world")
        expect(row).to_contain_text(re.compile("just now|ago"))
        expect(page.get_by_text("This is a container registry")).to_have_count(0)
        row.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("hello-world")
        expect(page.get_by_role("row").filter(has_text="latest")).to_contain_text("by keeper")
        context.close()


@pytest.mark.usefixtures("pushed")
class TestLookingAround:
    @pytest.fixture
    def reader(self, visit: Visit) -> Iterator[Watched]:
        """Somebody with a mouse and scripts; nothing may be said in the console all the way."""
        found = visit("owner")
        yield found
        assert found.complaints == []

    def test_from_the_first_page_to_what_is_attached(self, reader: Watched) -> None:
        page = reader.open("/")
        page.get_by_role("searchbox", name="Search repositories").last.press_sequentially("shop")
        page.locator("#results").get_by_role("link", name=REPOSITORY, exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("shop")
        page.get_by_role("row").filter(has_text="1.0").get_by_role("link", name="1.0").click()
        self._switches_platforms(page)
        self._shows_how_the_tag_moved(page)
        expect(page.locator("#referrers").get_by_role("link").first).to_be_visible()
        page.get_by_role("link", name="Read the JSON").click()
        shown = json.loads(page.locator("pre").inner_text())
        assert [entry["platform"]["architecture"] for entry in shown["manifests"]] == [
            "amd64",
            "arm64",
            "s390x",
        ]

    def _switches_platforms(self, page: Page) -> None:
        chosen = page.locator("tr[aria-current=true]")
        expect(chosen).to_contain_text("linux/amd64")
        page.get_by_role("link", name="linux/s390x").click()
        expect(page).to_have_url(re.compile(r"platform=linux%2Fs390x"))
        expect(chosen).to_contain_text("linux/s390x")
        expect(page.locator("#config")).to_contain_text("first-s390x")
        expect(page.locator("#dockerfile")).to_contain_text("layer 1 of first-s390x")

    def _shows_how_the_tag_moved(self, page: Page) -> None:
        """A script fetches it into the page."""
        history = page.locator("#history")
        expect(history.get_by_role("row")).to_have_count(2)
        expect(history).to_contain_text("owner")

    def test_what_is_attached_leads_to_the_signature_and_back(
        self, reader: Watched, pushed: str
    ) -> None:
        page = reader.open(f"/repositories/{REPOSITORY}/-/images/1.0")
        page.locator("#referrers").get_by_role("link", name="Signature (Cosign)").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("Signature (Cosign)")
        page.get_by_role("link", name=pushed).click()
        expect(page.locator("#facts + dl + dl")).to_contain_text(pushed)

    def test_two_tags_are_compared(self, reader: Watched) -> None:
        page = reader.open(f"/repositories/{REPOSITORY}/-/")
        page.get_by_role("checkbox", name="Select 1.0").check()
        page.get_by_role("checkbox", name="Select 1.1").check()
        page.get_by_role("button", name="Compare two selected").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Compare two images")
        row = page.get_by_role("row").filter(has_text="Label: seed")
        expect(row).to_contain_text("first-amd64")
        expect(row).to_contain_text("second-amd64")
        before = page.get_by_label("Before").input_value()
        page.get_by_role("link", name="Swap").click()
        expect(page.get_by_label("After")).to_have_value(before)
        assert barriers(page) == []

    def test_search_finds_as_one_types(self, reader: Watched, pushed: str) -> None:
        page = reader.open("/search")
        field = page.get_by_role("main").get_by_role("searchbox")
        field.press_sequentially("shop", delay=20)
        expect(page.locator("#found-repositories + ul")).to_contain_text(REPOSITORY)
        field.fill("1.")
        expect(page.locator("#found-tags + ul")).to_contain_text(f"{REPOSITORY}:1.0")
        field.fill(pushed[7:17])
        expect(page.locator("#found-digests + ul")).to_contain_text(pushed)
        expect(page).to_have_url(re.compile(rf"/search\?q={pushed[7:17]}$"))
        expect(field).to_be_focused()

    def test_tags_are_filtered_and_ordered_in_their_place(self, reader: Watched) -> None:
        page = reader.open(f"/repositories/{REPOSITORY}/-/")
        page.get_by_label("Filter by name").press_sequentially("1.1")
        rows = page.locator("#tags tbody tr")
        expect(rows).to_have_count(1)
        expect(page).to_have_url(re.compile(r"q=1\.1"))
        page.go_back()
        expect(page.locator("#tags tbody tr")).to_have_count(3)
        page.locator("#tags").get_by_role("link", name="Tag").first.click()
        expect(page.locator("#tags th[aria-sort]")).to_have_attribute("aria-sort", "ascending")
        expect(page.locator("#tags tbody th").first).to_contain_text("1.0")
