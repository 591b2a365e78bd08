"""Tags (end-8), the catalog and referrers (end-12): what is listed, page by page."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from pytest_django import Settings

from repositories import referrers
from repositories.access import Principal
from repositories.oci import media_types
from repositories.oci.digests import Digest
from tests.api.doors import Answer, Caller
from tests.oci.documents import descriptor, index
from tests.repositories.content import APP, push_document

TAGS = f"/v2/{APP}/tags/list"
NAMES = ["0", "1.0", "A", "Z", "_", "a", "a-b", "a.b", "b"]
REPOSITORIES = [f"payments/{name}" for name in ("a", "a-b", "a.b", "a/b", "a0", "b")]
KEYS = {TAGS: "tags", "/v2/_catalog": "repositories"}
NO_NUMBERS = ["", "-1", "+5", "1_000", "5.0", "x", "0x10", "%D9%A1", "%C2%B2", "1%20", "9" * 31]


@pytest.fixture
def tags(writer: Principal) -> list[str]:
    push_document(writer, index(), tags=NAMES[::-1])
    return NAMES


@pytest.fixture
def repositories(writer: Principal) -> list[str]:
    for name in REPOSITORIES[::-1]:
        push_document(writer, index(), repository=name)
    return REPOSITORIES


def next_page(answer: Answer) -> str:
    """Where the next page is; empty when there is none."""
    if "Link" not in answer.headers:
        return ""
    match = re.fullmatch(r'<(/v2/[^<>\s]+)>; rel="next"', answer.headers["Link"])
    assert match is not None
    return match[1]


@pytest.mark.usefixtures("tags", "repositories")
@pytest.mark.parametrize("path", KEYS)
class TestPaging:
    def everything(self, path: str) -> list[str]:
        return NAMES if path == TAGS else sorted([*REPOSITORIES, APP], key=str.encode)

    def test_the_whole_list_has_no_link(self, path: str, call: Caller, reader: Principal) -> None:
        answer = call("GET", path, by=reader)

        assert answer.status == 200
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json()[KEYS[path]] == self.everything(path)
        assert next_page(answer) == ""

    def test_head_is_get_without_the_body(self, path: str, call: Caller, reader: Principal) -> None:
        get, head = (call(method, f"{path}?n=2", by=reader) for method in ("GET", "HEAD"))

        assert (head.status, dict(head.headers)) == (get.status, dict(get.headers))

    @pytest.mark.parametrize("size", [1, 3, 7, 10**29])
    def test_links_lead_through_all_of_it(
        self, path: str, size: int, call: Caller, reader: Principal
    ) -> None:
        seen: list[str] = []
        target = f"{path}?n={size}"
        while target:
            answer = call("GET", target, by=reader)
            page = answer.json()[KEYS[path]]
            assert 0 < len(page) <= size
            seen += page
            target = next_page(answer)
            assert not target or parse_qs(urlsplit(target).query)["last"] == [page[-1]]

        assert seen == self.everything(path)

    def test_a_last_page_that_is_full_promises_no_other(
        self, path: str, call: Caller, reader: Principal
    ) -> None:
        answer = call("GET", f"{path}?n={len(self.everything(path))}", by=reader)

        assert next_page(answer) == ""

    def test_none_can_be_asked_for(self, path: str, call: Caller, reader: Principal) -> None:
        answer = call("GET", f"{path}?n=0", by=reader)

        assert (answer.status, answer.json()[KEYS[path]], next_page(answer)) == (200, [], "")

    def test_what_is_no_number_is_refused(self, path: str, call: Caller, reader: Principal) -> None:
        for number in NO_NUMBERS:
            answer = call("GET", f"{path}?n={number}", by=reader)
            assert (number, answer.status) == (number, 400)
            assert answer.code == "PAGINATION_NUMBER_INVALID"

    def test_a_position_need_not_name_anything(
        self, path: str, call: Caller, reader: Principal
    ) -> None:
        for last in ("", "%20", "absent", "zzz", "%C3%A9", "%3Cscript%3E", "..%2F"):
            answer = call("GET", f"{path}?last={last}", by=reader)
            assert (last, answer.status) == (last, 200)
            assert set(answer.json()[KEYS[path]]) <= set(self.everything(path))

    def test_a_huge_number_is_clamped_to_the_setting(
        self, path: str, call: Caller, reader: Principal, settings: Settings
    ) -> None:
        settings.TAGS_MAX_TAGS = settings.CATALOG_MAX_ENTRIES = 2
        for query in ("", "?n=2", "?n=3", f"?n={10**18}"):
            answer = call("GET", path + query, by=reader)
            assert answer.json()[KEYS[path]] == self.everything(path)[:2]
            assert "n=2" in next_page(answer)


def test_the_list_of_tags_says_whose_they_are(
    call: Caller, reader: Principal, tags: list[str]
) -> None:
    assert call("GET", TAGS, by=reader).json() == {"name": APP, "tags": tags}


def test_the_catalog_gives_a_hundred_unless_asked_for_more(call: Caller, writer: Principal) -> None:
    for number in range(101):
        push_document(writer, index(), repository=f"payments/app{number:03}")
    by_default = call("GET", "/v2/_catalog", by=writer)
    all_of_it = call("GET", "/v2/_catalog?n=1000", by=writer)

    assert len(by_default.json()["repositories"]) == 100
    assert next_page(by_default) == "/v2/_catalog?n=100&last=payments%2Fapp099"
    assert len(all_of_it.json()["repositories"]) == 101


def test_private_names_are_in_no_list_and_no_link(
    call: Caller, writer: Principal, stranger: Principal
) -> None:
    """S9: a canary between two names that everybody sees."""
    for name in ("stranger/a", "stranger/z"):
        push_document(stranger, index(), repository=name)
    push_document(writer, index(), repository="payments/canary")
    for query in ("", "?n=1", "?last=payments/canar", "?n=1&last=o"):
        answer = call("GET", f"/v2/_catalog{query}", by=stranger)
        assert b"canary" not in answer.body
        assert "canary" not in answer.headers.get("Link", "")


class TestReferrers:
    SUBJECT = Digest.of(b"subject")
    PATH = f"/v2/{APP}/referrers/{SUBJECT}"

    def refer(self, principal: Principal, artifact_type: str, number: int = 0) -> str:
        subject = descriptor(b"subject", media_types.OCI_MANIFEST)
        fields = {"subject": subject, "artifactType": artifact_type}
        document = index(annotations={"number": str(number)}, **fields)
        return str(push_document(principal, document).digest)

    def test_they_come_as_an_index(self, call: Caller, writer: Principal) -> None:
        digest = self.refer(writer, "application/vnd.example.sbom")
        answer = call("GET", self.PATH, by=writer)
        document = answer.json()

        assert answer.status == 200
        assert answer.headers["Content-Type"] == media_types.OCI_INDEX
        assert "OCI-Filters-Applied" not in answer.headers
        assert document["schemaVersion"] == 2
        assert document["mediaType"] == media_types.OCI_INDEX
        assert [entry["digest"] for entry in document["manifests"]] == [digest]

    def test_of_what_nothing_refers_to_the_index_is_empty(
        self, call: Caller, administrator: Principal
    ) -> None:
        """No 404, also without the repository: a client would keep the list in a tag."""
        answer = call("GET", self.PATH, by=administrator)

        assert (answer.status, answer.json()["manifests"]) == (200, [])

    def test_a_filter_says_that_it_was_applied(self, call: Caller, writer: Principal) -> None:
        self.refer(writer, "application/vnd.example.sbom")
        wanted = self.refer(writer, "application/vnd.example+sig")
        query = "artifactType=application%2Fvnd.example%2Bsig"
        answer = call("GET", f"{self.PATH}?{query}", by=writer)

        assert answer.headers["OCI-Filters-Applied"] == "artifactType"
        assert [entry["digest"] for entry in answer.json()["manifests"]] == [wanted]

    def test_links_lead_through_all_of_them_and_keep_the_filter(
        self, call: Caller, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(referrers, "MAX_ENTRIES", 2)
        wanted = sorted(self.refer(writer, "a/b+c", number) for number in range(5))
        self.refer(writer, "a/other")
        seen: list[str] = []
        target = f"{self.PATH}?artifactType=a/b%2Bc"
        while target:
            answer = call("GET", target, by=writer)
            seen += [entry["digest"] for entry in answer.json()["manifests"]]
            target = next_page(answer)

        assert seen == wanted

    @pytest.mark.parametrize("digest", ["latest", "sha256:x", "", f"{SUBJECT}%0a"])
    def test_what_is_no_digest_is_refused(
        self, digest: str, call: Caller, administrator: Principal
    ) -> None:
        answer = call("GET", f"/v2/{APP}/referrers/{digest}", by=administrator)

        assert (answer.status, answer.code) == (400, "DIGEST_INVALID")
