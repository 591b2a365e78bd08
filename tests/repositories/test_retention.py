"""Retention: what no rule keeps goes, and what belongs to something that stays never does."""

import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone
from pytest_django import Settings

from accounts.models import AuditEvent, Team
from repositories import (
    deletion,
    jobs,
    limit_settings,
    manifests,
    pulls,
    retention,
    retention_plan,
    retention_previews,
    retention_runs,
    undo,
)
from repositories.access import Principal
from repositories.manifests import PushedManifest
from repositories.models import (
    Deletion,
    Manifest,
    ManifestChild,
    Repository,
    RetentionPolicy,
    RetentionRun,
    Review,
    Tag,
    TagChange,
)
from repositories.oci.digests import Digest
from repositories.oci.errors import ReadOnly
from repositories.retention import policy_of
from repositories.retention_judge import attached_to, attachments_of
from repositories.retention_rules import parse
from repositories.storage.filesystem import FilesystemStorage
from tests.oci import documents
from tests.oci.documents import CONFIG
from tests.repositories.content import APP, described, push_document, push_image
from tests.repositories.retaining import (
    app,
    apply,
    digests,
    freed,
    matching,
    newest,
    pass_days,
    preview,
    set_policy,
    tags,
    told,
    untagged,
)
from tests.repositories.test_garbage import on_disk, stored

pytestmark = pytest.mark.django_db

OTHER = "payments/other"
PULLED = {"rule": "pulled", "days": 30}


def tag_of(pushed: PushedManifest, ending: str = "") -> str:
    """The tag by which something is attached to the image."""
    return f"{str(pushed.digest).replace(':', '-')}{ending}"


def pull(reference: str) -> None:
    found = manifests.read(repository=APP, reference=reference)
    pulls.note(
        repository_id=found.repository_id,
        manifest_id=found.id,
        tag_id=found.tag_id,
        reference=reference,
        digest=found.digest,
        principal_name="reader",
    )
    assert pulls.flush()


class TestWhatGoes:
    def test_tags_that_no_rule_keeps_go_with_their_images(self, writer: Principal) -> None:
        for number in range(5):
            push_image(writer, b"shared", b"only %d" % number, tags=[f"v{number}"])
        push_image(writer, b"shared", tags=["latest"])
        set_policy(newest(2, "v*"), matching("latest"))
        said = preview()
        outcome = apply()

        assert (said.tags, said.manifests, said.tags_staying, said.manifests_staying) == (
            3,
            3,
            3,
            3,
        )
        assert (outcome.tags, outcome.manifests, outcome.changed) == (3, 3, 0)
        assert tags() == {"v3", "v4", "latest"}
        assert said.bytes == len(b"only 0") * 3 == freed()
        assert (preview().tags, apply().tags) == (0, 0)

    def test_an_empty_policy_removes_nothing(self, writer: Principal) -> None:
        push_image(writer, tags=["v1"])
        push_image(writer, b"untagged")
        pass_days(1000)
        set_policy()
        said = preview()

        assert (said.tags, said.manifests, said.bytes, said.tags_staying) == (0, 0, 0, 1)
        assert set(told(said.plan).values()) == {"stays: not-asked"}
        assert apply().tags == 0
        assert len(digests()) == 2

    def test_rules_about_untagged_manifests_touch_no_tag(self, writer: Principal) -> None:
        push_image(writer, tags=["v1"])
        push_image(writer, b"untagged")
        pass_days(8)
        young = push_image(writer, b"young")
        set_policy(untagged(7))
        assert set(told(preview().plan).values()) == {
            "stays: not-asked",
            "stays: tagged",
            "stays: recent",
            "goes: rule 0",
        }
        assert apply().manifests == 1
        assert tags() == {"v1"}
        assert str(young.digest) in digests()

    def test_a_manifest_is_untagged_since_its_last_tag_left(self, writer: Principal) -> None:
        old = push_image(writer, b"1", tags=["latest"])
        pass_days(100)
        push_image(writer, b"2", tags=["latest"])
        pass_days(6)
        set_policy(untagged(7))
        assert told(preview().plan)[str(old.digest)] == "stays: recent"
        assert apply().manifests == 0
        pass_days(2)
        assert told(preview().plan)[str(old.digest)] == "goes: rule 0"
        assert apply().manifests == 1

    def test_untagged_manifests_stay_where_no_rule_is_about_them(self, writer: Principal) -> None:
        old = push_image(writer, b"1")
        pass_days(1000)
        push_image(writer, tags=["v1"])
        set_policy(newest(1))
        assert told(preview().plan)[str(old.digest)] == "stays: not-asked"
        assert apply().manifests == 0

    def test_what_was_pulled_stays_with_or_without_a_tag(self, writer: Principal) -> None:
        used, by_digest, unused = (
            push_image(writer, name, tags=[name.decode()]) for name in (b"used", b"digest", b"not")
        )
        loose = push_image(writer, b"loose")
        push_image(writer, b"unused loose")
        pass_days(60)
        pull("used")
        pull(str(by_digest.digest))
        pull(str(loose.digest))
        set_policy(PULLED, untagged(7))
        said = told(preview().plan)

        assert said["used"] == said["digest"] == said[str(loose.digest)] == "stays: rule 0"
        assert said["not"] == "goes: no-rule"
        apply()
        assert tags() == {"used", "digest"}
        assert digests() == {str(each.digest) for each in (used, by_digest, loose)}
        assert str(unused.digest) not in digests()

    def test_an_image_with_a_tag_that_stays_loses_only_the_other(self, writer: Principal) -> None:
        pushed = push_image(writer, tags=["v1", "old"])
        set_policy(matching("v*"))
        assert told(preview().plan) == {
            "v1": "stays: rule 0",
            "old": "goes: no-rule",
            str(pushed.digest): "stays: tagged",
        }
        assert (preview().bytes, apply().manifests) == (0, 0)
        assert (tags(), digests()) == ({"v1"}, {str(pushed.digest)})

    def test_what_another_repository_has_is_not_freed(self, writer: Principal) -> None:
        push_image(writer, b"layer", tags=["v1"])
        push_image(writer, b"layer", repository=OTHER, tags=["v1"])
        set_policy(matching("none"))
        assert (preview().bytes, apply().tags, freed()) == (0, 1, 0)
        assert Tag.objects.filter(repository__name=OTHER).exists()


class TestWhatFollows:
    def test_what_a_kept_index_lists_stays(self, writer: Principal) -> None:
        one = push_image(writer, b"one", tags=["one"])
        two = push_image(writer, b"two")
        index = push_document(
            writer, documents.index(described(one), described(two)), tags=["multi"]
        )
        pass_days(100)
        set_policy(matching("multi"), untagged(7))
        assert told(preview().plan) == {
            "multi": "stays: rule 0",
            "one": "goes: no-rule",
            str(one.digest): "stays: follows",
            str(two.digest): "stays: follows",
            str(index.digest): "stays: tagged",
        }
        apply()
        assert (tags(), len(digests())) == ({"multi"}, 3)

    def test_an_index_goes_with_what_only_it_lists(self, writer: Principal) -> None:
        one, two = push_image(writer, b"one"), push_image(writer, b"two")
        push_document(writer, documents.index(described(one), described(two)), tags=["old"])
        other = documents.index(described(two), annotations={"a": "b"})
        push_document(writer, other, tags=["new"])
        set_policy(matching("new"))
        said = preview()

        assert told(said.plan)[str(one.digest)] == "goes: follows"
        apply()
        assert tags() == {"new"}
        assert str(one.digest) not in digests()
        assert str(two.digest) in digests()
        assert said.bytes == len(b"one") == freed()

    def test_an_entry_that_was_pulled_outlives_its_index(self, writer: Principal) -> None:
        one, two = push_image(writer, b"one"), push_image(writer, b"two")
        push_document(writer, documents.index(described(one), described(two)), tags=["old"])
        pass_days(60)
        pull(str(one.digest))
        set_policy(PULLED)
        said = preview()
        apply()
        assert digests() == {str(one.digest)}
        assert said.bytes == len(b"two") == freed()

    def test_referrers_follow_their_subject(self, writer: Principal) -> None:
        kept, gone = push_image(writer, b"1", tags=["new"]), push_image(writer, b"2", tags=["old"])
        for image in (kept, gone):
            signature = push_image(writer, b"signature", subject=described(image))
            push_image(writer, b"of the signature", subject=described(signature))
        pass_days(100)
        set_policy(matching("new"), untagged(7))
        apply()
        assert len(digests()) == 3
        subjects = Manifest.objects.exclude(subject="").values_list("subject", flat=True)
        assert str(gone.digest) not in subjects
        assert set(subjects) <= digests()

    def test_a_subject_stays_where_what_refers_to_it_stays(self, writer: Principal) -> None:
        image = push_image(writer, b"image", tags=["old"])
        push_image(writer, b"sbom", subject=described(image), tags=["sbom-old"])
        set_policy(matching("sbom-*"))
        apply()
        assert tags() == {"sbom-old"}
        assert str(image.digest) in digests()

    @pytest.mark.parametrize("ending", [".sig", ".att", ".sbom", ""])
    def test_what_is_attached_by_its_tag_follows_the_image(
        self, writer: Principal, ending: str
    ) -> None:
        kept, gone = push_image(writer, b"1", tags=["new"]), push_image(writer, b"2", tags=["old"])
        for image in (kept, gone):
            push_image(writer, b"of %s" % tag_of(image).encode(), tags=[tag_of(image, ending)])
        set_policy(newest(1, "n*"))
        said = told(preview().plan)

        assert said[tag_of(kept, ending)] == "stays: follows"
        assert said[tag_of(gone, ending)] == "goes: follows"
        apply()
        assert tags() == {"new", tag_of(kept, ending)}

    def test_signatures_take_no_image_s_place(self, writer: Principal) -> None:
        for number in range(3):
            image = push_image(writer, b"%d" % number, tags=[f"v{number}"])
            push_image(writer, b"signature %d" % number, tags=[tag_of(image, ".sig")])
        set_policy(newest(2))
        apply()
        assert {name for name in tags() if name.startswith("v")} == {"v1", "v2"}
        assert len(tags()) == 4

    def test_the_signed_entry_of_an_index_goes_with_its_signature(self, writer: Principal) -> None:
        child = push_image(writer, b"child")
        push_image(writer, b"signature", tags=[tag_of(child, ".sig")])
        push_document(writer, documents.index(described(child)), tags=["multi"])
        set_policy(matching("multi"))
        assert apply().tags == 0
        set_policy(matching("none"))
        apply()
        assert (tags(), digests()) == (set(), set())

    def test_a_signature_of_a_long_digest_follows_the_image(self, writer: Principal) -> None:
        push_image(writer, b"layer", tags=["x"])
        image = documents.image(b"layer")
        digest = Digest.of(documents.encode(image), "sha512")
        push_document(writer, image, digest=digest, tags=["v1"])
        name = f"sha512-{digest.hex[:64]}"
        push_image(writer, b"list", tags=[name])
        set_policy(matching("v1"))
        assert told(preview().plan)[name] == "stays: follows"
        apply()
        assert tags() == {"v1", name}

    def test_a_signature_that_came_before_its_image_waits_a_day_for_it(
        self, writer: Principal
    ) -> None:
        name = attachments_of(str(Digest.of(b"not here yet")))[1]
        push_image(writer, b"signature", tags=[name])
        set_policy(newest(1))
        assert told(preview().plan)[name] == "stays: recent"
        pass_days(2)
        assert told(preview().plan)[name] == "goes: no-rule"
        apply()
        assert tags() == set()


class TestHolding:
    """Who may push relies on what they asked for; see docs/decisions/0015-garbage.md."""

    def test_what_was_pushed_again_is_not_yet_untagged_for_long(self, writer: Principal) -> None:
        push_image(writer, b"child")
        pass_days(100)
        set_policy(untagged(7))
        again = push_image(writer, b"child")
        assert told(preview().plan) == {str(again.digest): "stays: in-use"}
        assert apply().manifests == 0
        pass_days(1.1)
        assert apply().manifests == 1

    def test_what_somebody_who_may_push_asked_for_stays(self, writer: Principal) -> None:
        child = push_image(writer, b"child")
        push_document(writer, documents.index(described(child)), tags=["old"])
        pass_days(100)
        set_policy(matching("new"))
        found = manifests.read(repository=APP, reference=str(child.digest))
        manifests.renew(principal=writer, repository=APP, manifest=found)

        assert "stays: in-use" in told(preview().plan).values()
        assert apply().tags == 0
        push_document(
            writer, documents.index(described(child), annotations={"a": "b"}), tags=["new"]
        )
        pass_days(0.1)
        assert apply().tags == 1
        assert str(child.digest) in digests()


def race(act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> retention_runs.Outcome:
    """Apply the policy, with something done between the plan and the first look again."""
    make = retention_plan.make

    def late(**values: Any) -> retention_plan.Plan:
        plan = make(**values)
        act()
        return plan

    with monkeypatch.context() as patch:
        patch.setattr(retention_plan, "make", late)
        return apply()


class TestLookingAgain:
    @pytest.fixture
    def old(self, writer: Principal) -> PushedManifest:
        image = push_image(writer, b"old", tags=["old"])
        push_image(writer, b"other", tags=["other"])
        set_policy(matching("new"))
        return image

    @pytest.mark.usefixtures("old")
    def test_a_tag_that_was_moved_meanwhile_stays(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome = race(lambda: push_image(writer, b"moved", tags=["old"]), monkeypatch)
        assert (tags(), outcome.tags, outcome.changed) == ({"old"}, 1, 2)
        assert len(digests()) == 2

    @pytest.mark.usefixtures("old")
    def test_a_tag_that_was_pushed_again_meanwhile_stays(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        race(lambda: push_image(writer, b"old", tags=["old"]), monkeypatch)
        assert tags() == {"old"}

    @pytest.mark.parametrize("how", ["tag", "digest"])
    def test_what_was_pulled_meanwhile_stays(
        self, how: str, old: PushedManifest, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        race(lambda: pull("old" if how == "tag" else str(old.digest)), monkeypatch)
        assert tags() == {"old"}

    def test_an_image_that_got_another_tag_meanwhile_stays(
        self, old: PushedManifest, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        race(lambda: push_image(writer, b"old", tags=["new"]), monkeypatch)
        assert str(old.digest) in digests()
        assert tags() == {"old", "new"}

    def test_what_a_new_index_lists_stays(
        self, old: PushedManifest, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        index = documents.index(described(old))
        race(lambda: push_document(writer, index, tags=["new"]), monkeypatch)
        assert str(old.digest) in digests()

    def test_what_was_signed_meanwhile_stays(
        self, old: PushedManifest, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        race(lambda: push_image(writer, b"s", subject=described(old)), monkeypatch)
        assert str(old.digest) in digests()

    def test_what_was_signed_by_a_tag_meanwhile_stays(
        self, old: PushedManifest, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        race(lambda: push_image(writer, b"s", tags=[tag_of(old, ".sig")]), monkeypatch)
        assert tags() == {"old", tag_of(old, ".sig")}

    def test_what_somebody_who_may_push_asks_for_meanwhile_stays(
        self, old: PushedManifest, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = manifests.read(repository=APP, reference=str(old.digest))
        Review.objects.all().delete()
        race(lambda: manifests.renew(principal=writer, repository=APP, manifest=found), monkeypatch)
        assert tags() == {"old"}

    @pytest.mark.usefixtures("old")
    def test_nothing_goes_by_rules_that_were_changed_meanwhile(
        self, maintainer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        outcome = race(
            lambda: retention.set_repository_policy(principal=maintainer, repository=APP, rules=()),
            monkeypatch,
        )
        assert tags() == {"old", "other"}
        assert not outcome.is_finished

    @pytest.mark.usefixtures("old")
    def test_what_is_deleted_meanwhile_is_no_error(
        self, maintainer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        digest = Digest.parse(Manifest.objects.get(tags__name="old").digest)
        race(
            lambda: manifests.delete(principal=maintainer, repository=APP, digest=digest),
            monkeypatch,
        )
        assert tags() == set()


def fill(principal: Principal, lots: random.Random) -> None:
    """Images of a few shared layers in two repositories; indexes, referrers and signatures."""
    layers = [lots.randbytes(lots.randrange(1, 60)) for _ in range(8)]
    pushed: list[PushedManifest] = []
    for number in range(12):
        chosen = lots.sample(layers, lots.randrange(1, 4))
        name = lots.choice([f"v{number}", f"1.{number}.0", f"1.0.{number}-rc.1", f"ci-{number}"])
        names = [name] if lots.random() < 0.7 else []
        fields: dict[str, Any] = {"annotations": {"number": str(lots.random())}}
        if pushed and lots.random() < 0.25:
            fields["subject"] = described(lots.choice(pushed))
        pushed.append(push_image(principal, *chosen, tags=names, **fields))
        if lots.random() < 0.15:
            push_image(principal, *chosen, repository=OTHER, tags=names, **fields)
        if lots.random() < 0.3:
            ending = lots.choice([".sig", ".att", ".sbom", ""])
            tag = tag_of(lots.choice(pushed), ending)
            own = lots.randbytes(lots.randrange(1, 20))
            pushed.append(push_image(principal, own, tags=[tag], **fields))
    for number in range(4):
        children = [described(child) for child in lots.sample(pushed, lots.randrange(1, 4))]
        index = documents.index(*children, annotations={"number": str(lots.random())})
        names = [f"multi-{number}"] if lots.random() < 0.8 else []
        pushed.append(push_document(principal, index, tags=names))


def some_rules(lots: random.Random) -> list[dict[str, Any]]:
    days = lots.randrange(1, 40)
    rules = [
        newest(lots.randrange(1, 5), lots.choice(["*", "v*", "ci-*", "multi-*"])),
        {"rule": "pushed", "days": days, "pattern": lots.choice(["*", "*0"])},
        {"rule": "pulled", "days": days},
        matching(lots.choice(["v*", "multi-*", "*1*"])),
        {"rule": "versions", "count": lots.randrange(1, 3), "line": "major", "days": days},
        untagged(days),
    ]
    return lots.sample(rules, lots.randrange(1, 4))


def age(lots: random.Random) -> None:
    """Give everything an age of its own, and let some of it have been pulled."""
    now = timezone.now()
    for table in (Tag, Manifest):
        for row in table.objects.all():
            row.pushed_at = now - timedelta(days=lots.uniform(2, 60))
            row.pulled_at = (
                now - timedelta(days=lots.uniform(0, 60)) if lots.random() < 0.3 else None
            )
            row.save(update_fields=["pushed_at", "pulled_at"])
    TagChange.objects.update(changed_at=now - timedelta(days=61))
    Review.objects.update(nominated_at=now - timedelta(days=2))


def broken() -> list[str]:
    """What is here and lacks a part that was here when all was pushed."""
    here = digests()
    children = ManifestChild.objects.filter(parent__repository__name=APP)
    lacking = [f"entry {child.digest}" for child in children if child.digest not in here]
    for row in Manifest.objects.filter(repository__name=APP).exclude(subject=""):
        if row.subject not in here:
            lacking.append(f"subject {row.subject}")
    attached = [attached_to(name) for name in tags()]
    return lacking + [f"image {digest}" for digest in attached if digest and digest not in here]


@pytest.mark.parametrize("seed", range(25))
def test_a_hundred_random_runs_free_what_they_said_and_break_nothing(
    seed: int, maintainer: Principal, disk: FilesystemStorage
) -> None:
    """Four runs each, with other rules and new images between them."""
    lots = random.Random(seed)
    for _ in range(4):
        fill(maintainer, lots)
        age(lots)
        assert freed() >= 0  # what no manifest came to name is no part of it
        set_policy(*some_rules(lots))
        signatures = {
            digest: {name for name in attachments_of(digest) if name in tags()}
            for digest in digests()
        }
        referrers = dict(
            Manifest.objects.filter(repository__name=APP)
            .exclude(subject="")
            .values_list("digest", "subject")
        )
        said = preview()
        reasons = told(said.plan)
        stays = {name for name, why in reasons.items() if why.startswith("stays")}
        assert len(reasons) == len(tags()) + len(digests())
        before = sum(path.stat().st_size for path in disk.root.rglob("data"))
        outcome = apply()

        assert (outcome.tags, outcome.manifests, outcome.changed) == (said.tags, said.manifests, 0)
        assert tags() | digests() == stays
        assert freed() == said.bytes
        assert before - sum(path.stat().st_size for path in disk.root.rglob("data")) == said.bytes
        assert on_disk(disk) == stored()
        assert broken() == []
        for digest in digests() & signatures.keys():
            assert signatures[digest] <= tags()
        kept = digests()
        assert all(digest in kept for digest, subject in referrers.items() if subject in kept)


class TestRuns:
    def test_each_repository_has_its_turn_and_one_that_fails_keeps_none_waiting(
        self, writer: Principal, team: Team, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = [f"payments/{letter}" for letter in "abc"]
        for name in names:
            push_image(writer, repository=name, tags=["old", "v1"])
        set_policy(matching("v*"), team=team)
        real = retention_runs.apply

        def fail(*, repository: Repository, **values: Any) -> retention_runs.Outcome:
            if repository.name == "payments/a":
                raise ValueError("broken \0")
            return real(repository=repository, **values)

        monkeypatch.setattr(retention_runs, "apply", fail)
        outcome = retention_runs.run(seconds=60)
        assert (outcome.tags, outcome.failed) == (2, 1)
        assert set(Tag.objects.filter(name="old").values_list("repository__name", flat=True)) == {
            "payments/a"
        }
        run = RetentionRun.objects.get(repository__name="payments/a")
        assert (run.failures, run.finished_at) == (1, None)
        assert retention_runs.run(seconds=60).failed == 0  # it has to wait
        monkeypatch.undo()
        pass_days(1)
        assert retention_runs.run(seconds=60).tags == 1
        run.refresh_from_db()
        assert (run.failures, run.tags) == (0, 1)

    def test_a_run_whose_time_is_over_goes_on_next_time(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention_runs, "BATCH", 4)
        for number in range(10):
            push_image(writer, b"%d" % number, tags=[f"v{number}"])
        set_policy(matching("none"))
        left = []
        for _ in range(5):
            retention_runs.run(seconds=1e-9)
            left.append(len(tags()))
        assert left == [10, 10, 10, 10, 10]  # not even begun
        clock = iter([0.0, 0.5] + [2.0] * 100)
        monkeypatch.setattr("repositories.retention_runs.time.monotonic", lambda: next(clock))
        assert not retention_runs.run(seconds=1).is_finished
        assert len(tags()) == 8
        monkeypatch.undo()
        assert retention_runs.run(seconds=60).tags == 8
        assert RetentionRun.objects.get().tags == 10

    def test_it_looks_again_after_some_hours_or_when_the_policy_has_changed(
        self, writer: Principal, maintainer: Principal
    ) -> None:
        push_image(writer, tags=["old"])
        set_policy(matching("*"))
        assert retention_runs.run(seconds=60).tags == 0
        retention.set_repository_policy(
            principal=maintainer, repository=APP, rules=parse([matching("new")])
        )
        assert retention_runs.run(seconds=60).tags == 0  # it may still be taken back
        RetentionPolicy.objects.update(changed_at=timezone.now() - timedelta(minutes=2))
        RetentionRun.objects.update(finished_at=timezone.now() - timedelta(minutes=3))
        assert retention_runs.run(seconds=60).tags == 1
        push_image(writer, tags=["old"])
        assert retention_runs.run(seconds=60).tags == 0
        pass_days(0.3)
        assert retention_runs.run(seconds=60).tags == 1

    def test_a_repository_s_policy_replaces_its_team_s(self, writer: Principal, team: Team) -> None:
        push_image(writer, tags=["old"])
        push_image(writer, repository=OTHER, tags=["old"])
        set_policy(matching("new"), team=team)
        set_policy()
        assert policy_of(app()).rules == ()
        assert retention_runs.run(seconds=60).tags == 1
        assert tags() == {"old"}

    def test_nothing_goes_where_deleting_is_switched_off(
        self, writer: Principal, settings: Settings
    ) -> None:
        push_image(writer, tags=["old"])
        set_policy(matching("new"))
        settings.DELETE_ENABLED = False
        said = preview()
        assert (said.is_switched_off, said.tags) == (True, 1)
        assert retention_runs.run(seconds=60).tags == 0
        with pytest.raises(PermissionDenied, match="REGISTRY_STORAGE_DELETE_ENABLED"):
            apply()
        assert tags() == {"old"}

    def test_the_audit_log_says_which_rule_removed_what(self, writer: Principal) -> None:
        image = push_image(writer, b"layer", tags=["old"])
        loose = push_image(writer, b"loose")
        pass_days(10)
        set_policy(matching("new"), untagged(7))
        apply()
        events = {
            tuple(event.detail["manifests"]): event.detail
            for event in AuditEvent.objects.filter(action="retention.remove")
        }
        tagged, untagged_event = events[(str(image.digest),)], events[(str(loose.digest),)]
        assert (tagged["reason"], tagged["tags"]) == ("no rule keeps them", ["old"])
        assert tagged["bytes"] == len(b"layer")
        assert untagged_event["reason"] == {"rule": "untagged", "days": 7}
        assert untagged_event["policy"] == "repository"
        each = AuditEvent.objects.filter(action="tag.delete").get()
        assert (each.actor, each.target) == ("retention", f"{APP}:old")
        assert TagChange.objects.filter(name="old").latest("pk").changed_by == "retention"


class TestUndoing:
    def test_all_that_a_run_removed_comes_back_at_once(
        self, writer: Principal, maintainer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention_runs, "BATCH", 3)  # of which the run makes several
        for number in range(5):
            image = push_image(writer, b"%d" % number, tags=[f"v{number}"])
            push_image(writer, b"signature %d" % number, tags=[tag_of(image, ".sig")])
        before = tags(), digests()
        set_policy(newest(1, "v*"))
        retention_runs.run(seconds=60)
        record = Deletion.objects.get()

        assert (record.kind, record.deleted_by) == ("retention", "retention")
        assert record.reason == "rules of the repository"
        assert len(tags()) == 2
        done = undo.undo(principal=maintainer, repository=APP, deletion=record.pk)
        assert (len(done.tags), done.manifests) == (8, 8)
        assert (tags(), digests()) == before

    def test_a_run_that_was_interrupted_goes_on_in_the_same_record(
        self, writer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(retention_runs, "BATCH", 2)
        for number in range(3):
            push_image(writer, b"%d" % number, tags=[f"v{number}"])
        set_policy(matching("none"))
        assert not retention_runs.apply(repository=app(), until=0.0).is_finished
        Deletion.objects.update(deleted_at=timezone.now() - timedelta(minutes=10))
        RetentionRun.objects.update(began_at=timezone.now() - timedelta(minutes=11))
        assert apply().is_finished
        assert Deletion.objects.get().tags.count() == 3
        push_image(writer, b"later", tags=["later"])
        apply()
        assert Deletion.objects.count() == 2

    def test_whoever_undoes_a_run_has_a_day_to_change_the_rules(
        self, writer: Principal, maintainer: Principal
    ) -> None:
        push_image(writer, tags=["old"])
        set_policy(matching("new"))
        assert retention_runs.run(seconds=60).tags == 1
        undo.undo(principal=maintainer, repository=APP, deletion=Deletion.objects.get().pk)
        pass_days(0.9)
        assert retention_runs.run(seconds=60).tags == 0
        pass_days(0.2)
        assert retention_runs.run(seconds=60).tags == 1

    def test_a_policy_comes_back_with_its_repository(
        self, writer: Principal, maintainer: Principal
    ) -> None:
        push_image(writer, tags=["v1"])
        set_policy(newest(3))
        done = deletion.delete_repository(principal=maintainer, repository=APP)
        assert not RetentionPolicy.objects.exists()
        assert done.deletion is not None
        undo.undo_repository(principal=maintainer, team="payments", deletion=done.deletion)
        assert policy_of(app()).rules == parse([newest(3)])


class TestProtectedTags:
    def test_they_stay_whatever_the_rules_say(
        self, writer: Principal, maintainer: Principal
    ) -> None:
        image = push_image(writer, b"1", tags=["v1", "old"])
        signed = push_image(writer, b"2", tags=["v2"])
        push_image(writer, b"signature", tags=[tag_of(signed, ".sig")])
        gone = push_image(writer, b"3", tags=["v3"])

        limit_settings.set_immutable_tags(principal=maintainer, name=APP, patterns=["v1", "*.sig"])
        plan = retention_plan.make(repository=app(), rules=parse([matching("none")]))
        said = told(plan)
        assert said["v1"] == said[tag_of(signed, ".sig")] == "stays: protected"
        assert said["old"] == said["v2"] == "goes: no-rule"
        assert said[str(image.digest)] == "stays: tagged"
        assert said[str(signed.digest)] == "stays: follows"
        assert plan.going_manifests == {Manifest.objects.get(digest=str(gone.digest)).pk}

    def test_one_that_becomes_immutable_meanwhile_stays(
        self, writer: Principal, maintainer: Principal, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        push_image(writer, b"1", tags=["old"])
        set_policy(matching("none"))
        make = retention_plan.make

        def late(**values: Any) -> retention_plan.Plan:
            plan = make(**values)
            limit_settings.set_immutable_tags(principal=maintainer, name=APP, patterns=["o*"])
            return plan

        monkeypatch.setattr(retention_plan, "make", late)
        outcome = apply()
        assert (outcome.tags, outcome.changed, tags()) == (0, 2, {"old"})

    def test_an_archived_repository_and_a_read_only_registry_lose_nothing(
        self, writer: Principal, maintainer: Principal, administrator: Principal
    ) -> None:
        push_image(writer, b"1", tags=["old"])
        set_policy(matching("none"))
        limit_settings.set_archived(principal=maintainer, name=APP, archived=True)
        assert list(retention_runs._due()) == []
        with pytest.raises(ReadOnly):
            apply()
        limit_settings.set_archived(principal=maintainer, name=APP, archived=False)
        limit_settings.set_read_only(principal=administrator, on=True)
        assert jobs.apply_retention().endswith("the registry is read-only")
        with pytest.raises(ReadOnly):
            apply()
        assert tags() == {"old"}
        limit_settings.set_read_only(principal=administrator, on=False)
        assert apply().tags == 1


class TestWho:
    @pytest.mark.parametrize("who", ["reader", "writer", "nobody"])
    def test_only_maintainers_set_a_repository_s_policy(
        self, who: str, maintainer: Principal, request: pytest.FixtureRequest
    ) -> None:
        push_image(maintainer, tags=["v1"])
        principal: Principal = request.getfixturevalue(who)
        for act in (
            retention.repository_policy,
            retention.remove_repository_policy,
            retention_previews.preview_repository,
        ):
            with pytest.raises((PermissionDenied, Repository.DoesNotExist)):
                act(principal=principal, repository=APP)
        with pytest.raises((PermissionDenied, Repository.DoesNotExist)):
            retention.set_repository_policy(principal=principal, repository=APP, rules=())
        retention.set_repository_policy(principal=maintainer, repository=APP, rules=())
        assert AuditEvent.objects.filter(action="retention.set-policy").count() == 1

    @pytest.mark.parametrize("who", ["maintainer", "stranger"])
    def test_only_owners_set_a_team_s_policy(
        self, who: str, owner: Principal, request: pytest.FixtureRequest
    ) -> None:
        principal: Principal = request.getfixturevalue(who)
        for act in (retention.team_policy, retention.remove_team_policy):
            with pytest.raises((PermissionDenied, Team.DoesNotExist)):
                act(principal=principal, team="payments")
        with pytest.raises((PermissionDenied, Team.DoesNotExist)):
            retention_previews.preview_team(principal=principal, team="payments", most=1)
        with pytest.raises((PermissionDenied, Team.DoesNotExist)):
            retention.set_team_policy(principal=principal, team="payments", rules=())
        set_ = retention.set_team_policy(principal=owner, team="payments", rules=parse([newest(3)]))
        assert (set_.is_teams, set_.changed_by) == (True, "owner")
        retention.remove_team_policy(principal=owner, team="payments")
        assert not retention.team_policy(principal=owner, team="payments").is_set


def test_a_team_s_preview_counts_what_its_repositories_share_once(
    owner: Principal, team: Team
) -> None:
    push_image(owner, b"shared", b"1", tags=["old"])
    push_image(owner, b"shared", b"22", repository=OTHER, tags=["old"])
    push_image(owner, b"own", repository="payments/own", tags=["old"])
    set_policy(repository="payments/own")
    rules = parse([matching("new")])
    said = retention_previews.preview_team(principal=owner, team="payments", most=10, rules=rules)

    assert [found.repository.name for found in said.repositories] == [APP, OTHER]
    assert [found.bytes for found in said.repositories] == [1, 2]
    assert said.bytes == len(b"shared" + b"1" + b"22" + CONFIG) - len(CONFIG)
    first = retention_previews.preview_team(principal=owner, team="payments", most=1, rules=rules)
    assert (len(first.repositories), first.has_more, said.has_more) == (1, True, False)
