"""Who else has a layer, as far as one may know."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Team
from repositories import sharing
from repositories.access import Principal
from repositories.models import Repository
from repositories.oci.digests import Digest
from repositories.sharing import SharedWith
from tests.repositories.content import APP, push_blob

pytestmark = pytest.mark.django_db

BASE = str(Digest.of(b"base"))


def shared(principal: Principal, *digests: str) -> dict[str, SharedWith]:
    repository = Repository.objects.get(name=APP)
    return dict(
        sharing.of_layers(principal=principal, repository=repository, digests=digests or [BASE])
    )


@pytest.fixture(params=[sharing.FEW, 0], ids=["few are visible", "many are visible"])
def _both_ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "FEW", request.param)


@pytest.mark.usefixtures("_both_ways")
def test_only_what_one_may_see_is_named(
    writer: Principal, stranger: Principal, administrator: Principal, nobody: Principal
) -> None:
    for name in (APP, "payments/other", "payments/internal"):
        push_blob(writer, b"base", repository=name)
    push_blob(administrator, b"base", repository="vault/secret")
    push_blob(administrator, b"else", repository="payments/else")
    Repository.objects.filter(name="payments/internal").update(visibility="internal")

    ours = ("payments/internal", "payments/other")
    assert shared(writer)[BASE].names == ours
    assert shared(stranger)[BASE].names == ("payments/internal",)
    assert shared(administrator)[BASE].names == (*ours, "vault/secret")
    assert shared(nobody)[BASE].names == ()


@pytest.mark.usefixtures("_both_ways")
def test_what_one_may_not_see_does_not_show_in_the_number(
    administrator: Principal, stranger: Principal
) -> None:
    push_blob(administrator, b"base", repository=APP)
    for number in range(15):
        push_blob(administrator, b"base", repository=f"vault/r{number:02}")
    assert shared(stranger)[BASE] == SharedWith((), has_more=False)
    found = shared(administrator)[BASE]
    assert (len(found.names), found.has_more) == (10, True)
    assert list(found.names) == sorted(set(found.names))


def test_a_layer_that_this_repository_lacks_is_not_looked_up(writer: Principal) -> None:
    push_blob(writer, b"other", repository=APP)
    push_blob(writer, b"base", repository="payments/other")
    assert shared(writer) == {}


@pytest.mark.usefixtures("_both_ways")
def test_all_layers_are_three_queries(writer: Principal, team: Team) -> None:
    digests = []
    for number in range(12):
        content = b"layer %d" % number
        digests.append(str(push_blob(writer, content)))
        push_blob(writer, content, repository=f"payments/r{number}")
    with CaptureQueriesContext(connection) as queries:
        found = shared(writer, *digests)
    assert len(queries) == 4  # that of the repository itself among them
    assert [found[digest].names for digest in digests] == [
        (f"payments/r{number}",) for number in range(12)
    ]


def test_whoever_sees_much_is_told_where_the_looking_ended(
    administrator: Principal, stranger: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sharing, "FEW", 0)
    push_blob(administrator, b"base", repository=APP)
    for number in range(5):
        push_blob(administrator, b"base", repository=f"vault/r{number}")
    push_blob(administrator, b"base", repository="open/last")
    Repository.objects.filter(name="open/last").update(visibility="internal")
    monkeypatch.setattr(sharing, "MAX_LINKS", 7)
    assert shared(stranger)[BASE] == SharedWith(("open/last",), has_more=False)
    monkeypatch.setattr(sharing, "MAX_LINKS", 6)
    assert shared(stranger)[BASE] == SharedWith((), has_more=False, is_partial=True)
    # Who may see everything finds the first ones at once.
    monkeypatch.setattr(sharing, "MAX_LINKS", 0)
    assert len(shared(administrator)[BASE].names) == 6
