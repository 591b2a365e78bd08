"""What is inside layers: waited for, walked through, searched; and the tree of all of them."""

import gzip
import re

import pytest
from playwright.sync_api import expect

from tests.accounts.web.conftest import PASSWORD
from tests.browser.conftest import Site, Visit, Watched
from tests.interop.images import CONFIG, IMAGE, LAYER, Layout
from tests.interop.tools import Client
from tests.repositories.layers.archives import archive, entry

pytestmark = pytest.mark.interop

REPOSITORY = "payments/files"
# So many take longer to list than a page waits for.
MANY = 90_000


@pytest.fixture(scope="module")
def layers(site: Site, skopeo: Client, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """An image whose second layer replaces and deletes files of its large first one."""
    layout = Layout(tmp_path_factory.mktemp("files") / "layout")
    first = [entry(f"data/part-{n // 1000}/item-{n}", b"") for n in range(MANY)]
    first += [entry("etc/hosts", b"old\n"), entry("etc/passwd", b"root\n")]
    second = [
        entry("etc/.wh.hosts"),
        entry("etc/passwd", b"root\nuser\n"),
        entry("srv/app.py", b"1"),
    ]
    packed = [
        layout.blob(gzip.compress(archive(*entries), 1, mtime=0), LAYER)
        for entries in (first, second)
    ]
    config = layout.blob(b'{"os": "linux", "architecture": "amd64"}', CONFIG)
    layout.tag("1", layout.manifest({"config": config, "layers": packed}, IMAGE))
    login = ("--dest-tls-verify=false", f"--dest-creds=owner:{PASSWORD}")
    target = f"docker://{site.host}/{REPOSITORY}:1"
    skopeo("copy", "--preserve-digests", *login, f"oci:{layout.at('1')}", target)
    return [str(descriptor["digest"]) for descriptor in packed]


@pytest.fixture
def reader(visit: Visit) -> Watched:
    return visit("owner")


def test_a_large_layer_shows_its_progress_and_then_its_files(
    reader: Watched, layers: list[str]
) -> None:
    page = reader.open(f"/repositories/{REPOSITORY}/-/images/1")
    page.locator("#layer-0").get_by_role("link").last.click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Listing the files of")
    expect(page.get_by_role("row").filter(has_text="data/")).to_be_visible(timeout=120_000)
    expect(page.get_by_role("progressbar")).to_have_count(0)
    assert reader.complaints == []


@pytest.mark.usefixtures("layers")
class TestTheListing:
    """Each works on the layer or the image of the page before, whose listing is made by now."""

    def open(self, reader: Watched, digest: str, kind: str = "layers") -> None:
        reader.open(f"/repositories/{REPOSITORY}/-/{kind}/{digest}/")
        expect(reader.page.get_by_role("searchbox", name="Find by name")).to_be_visible(
            timeout=120_000
        )

    def test_folders_lead_down_and_up(self, reader: Watched, layers: list[str]) -> None:
        self.open(reader, layers[0])
        page = reader.page
        page.get_by_role("link", name="data/").click()
        page.get_by_role("link", name="part-7/", exact=True).click()
        expect(page.get_by_text("1000 files")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="item-7000")).to_be_visible()
        page.get_by_role("link", name="Next page").click()
        expect(page.get_by_role("row").filter(has_text="item-7000")).to_have_count(0)
        folders = page.get_by_role("navigation", name="Folder")
        expect(folders.get_by_role("link", name="part-7")).to_have_attribute("aria-current", "page")
        folders.get_by_role("link", name="All files").click()
        expect(page.get_by_role("row").filter(has_text="etc/")).to_be_visible()

    def test_names_are_searched_in_all_folders(self, reader: Watched, layers: list[str]) -> None:
        self.open(reader, layers[0])
        page = reader.page
        page.get_by_role("searchbox", name="Find by name").fill("item-4321")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("q=item-4321"))
        expect(page.get_by_text("11 found.")).to_be_visible()
        expect(page.get_by_role("row").filter(has_text="data/part-43/item-43210")).to_be_visible()

    def test_what_a_layer_deletes_is_told(self, reader: Watched, layers: list[str]) -> None:
        self.open(reader, layers[1])
        page = reader.page
        page.get_by_role("link", name="etc/").click()
        expect(page.get_by_role("row").filter(has_text="hosts")).to_contain_text("deleted")

    def test_the_tree_of_all_layers_tells_where_files_are_from(self, reader: Watched) -> None:
        page = reader.open(f"/repositories/{REPOSITORY}/-/images/1")
        page.get_by_role("link", name="Browse all files").click()
        page.get_by_role("link", name="etc/").click(timeout=120_000)
        rows = page.locator("table.log tbody tr")
        expect(rows.filter(has_text="hosts")).to_have_count(0)
        passwd = rows.filter(has_text="passwd")
        expect(passwd).to_contain_text("10 bytes")
        expect(page.locator("dl.facts")).to_contain_text("9 bytes")  # the old hosts and passwd
        expect(passwd.locator("[data-label=Layer]")).to_have_text("2")
