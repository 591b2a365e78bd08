"""Periodic work: claimed by one, tried again after a failure, taken over from the dead."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import OperationalError
from django.utils import timezone
from pytest_django import Settings

from repositories import job_loop, jobs, stale_uploads
from repositories.jobs import Periodic
from repositories.models import Job

Define = Callable[..., list[str]]


@pytest.fixture
def define(monkeypatch: pytest.MonkeyPatch) -> Define:
    """Replace the periodic work by these; gives the list that their runs are written into."""
    runs: list[str] = []

    def define(**work: Callable[[], str]) -> list[str]:
        def recorded(name: str, run: Callable[[], str]) -> Callable[[], str]:
            def record() -> str:
                runs.append(name)
                return run()

            return record

        monkeypatch.setattr(
            jobs,
            "periodic",
            lambda: [
                Periodic(name, timedelta(hours=1), recorded(name, run))
                for name, run in work.items()
            ],
        )
        return runs

    return define


def fail() -> str:
    raise RuntimeError("no luck")


@pytest.mark.django_db
class TestRunDue:
    def test_new_work_is_due_at_once_and_then_after_its_interval(self, define: Define) -> None:
        runs = define(sweep=lambda: "swept 3")

        assert (jobs.run_due(), jobs.run_due()) == (1, 0)
        assert runs == ["sweep"]
        job = Job.objects.get()
        assert (job.name, job.result, job.error, job.claimed_until) == (
            "sweep",
            "swept 3",
            "",
            None,
        )
        assert job.finished_at is not None
        assert job.due_at - job.finished_at == timedelta(hours=1)

    def test_work_that_has_fallen_due_is_run_again(self, define: Define) -> None:
        runs = define(sweep=lambda: "")
        jobs.run_due()
        Job.objects.update(due_at=timezone.now())
        jobs.run_due()

        assert runs == ["sweep", "sweep"]

    def test_work_that_takes_long_rests_for_longer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clock = iter([100.0, 107.0])
        work = Periodic("measure", timedelta(minutes=1), lambda: "", rest=100)
        monkeypatch.setattr(jobs, "periodic", lambda: [work])
        with monkeypatch.context() as patch:
            patch.setattr("time.monotonic", lambda: next(clock))
            jobs.run_due()
        job = Job.objects.get()
        assert job.finished_at is not None
        assert job.due_at - job.finished_at == timedelta(seconds=700)

    def test_who_comes_while_another_is_at_it_does_nothing(self, define: Define) -> None:
        others: list[int] = []

        def work() -> str:
            others.append(jobs.run_due())  # another process looks just now
            return ""

        runs = define(sweep=work)
        assert jobs.run_due() == 1
        assert (runs, others) == (["sweep"], [0])

    def test_work_that_fails_is_tried_again_soon_and_says_why(self, define: Define) -> None:
        runs = define(sweep=fail)
        jobs.run_due()
        job = Job.objects.get()

        assert job.error == "RuntimeError('no luck')"
        assert job.result == ""
        assert job.claimed_until is None
        assert timedelta(0) < job.due_at - timezone.now() <= jobs.RETRY_AFTER
        Job.objects.update(due_at=timezone.now())
        define(sweep=lambda: "swept")
        jobs.run_due()
        assert (Job.objects.get().error, Job.objects.get().result) == ("", "swept")
        assert runs == ["sweep", "sweep"]

    def test_work_that_fails_does_not_keep_the_others_from_running(self, define: Define) -> None:
        runs = define(first=fail, second=lambda: "")

        assert jobs.run_due() == 2
        assert runs == ["first", "second"]

    def test_a_claim_that_stands_is_respected(self, define: Define) -> None:
        runs = define(sweep=lambda: "")
        Job.objects.create(name="sweep", claimed_until=timezone.now() + timedelta(seconds=60))

        assert jobs.run_due() == 0
        assert runs == []

    def test_an_abandoned_claim_is_taken_over(self, define: Define) -> None:
        runs = define(sweep=lambda: "")
        Job.objects.create(name="sweep", claimed_until=timezone.now() - timedelta(seconds=1))

        assert jobs.run_due() == 1
        assert runs == ["sweep"]


@pytest.mark.django_db
class TestPurging:
    def test_stale_uploads_are_purged_as_the_settings_say(
        self, settings: Settings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        calls: list[tuple[timedelta, bool]] = []

        def purge(*, age: timedelta, dry_run: bool) -> int:
            calls.append((age, dry_run))
            return 7

        monkeypatch.setattr(stale_uploads, "purge", purge)
        settings.UPLOAD_PURGING_AGE = 3600.0
        settings.UPLOAD_PURGING_INTERVAL = 60.0
        settings.UPLOAD_PURGING_DRY_RUN = True
        jobs.run_due()
        job = Job.objects.get(name="purge-uploads")

        assert calls == [(timedelta(hours=1), True)]
        assert (job.name, job.result) == ("purge-uploads", "7 stale uploads found")
        assert job.finished_at is not None
        assert job.due_at - job.finished_at == timedelta(minutes=1)

    def test_purging_can_be_switched_off(self, settings: Settings) -> None:
        settings.UPLOAD_PURGING_ENABLED = False

        assert jobs.run_due() > 0
        assert not Job.objects.filter(name="purge-uploads").exists()

    def test_the_command_runs_what_is_due(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("run_jobs", once=True)

        assert capsys.readouterr().out == f"{len(jobs.periodic())} jobs run\n"


@pytest.mark.django_db(transaction=True)
class TestLoop:
    @pytest.fixture
    def stop(self, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
        monkeypatch.setattr(job_loop, "INTERVAL_SECONDS", 0.0)
        return threading.Event()

    def test_it_looks_again_and_again_until_it_is_stopped(
        self, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[int] = []

        def look() -> int:
            looks.append(1)
            if len(looks) == 3:
                stop.set()
            return 0

        monkeypatch.setattr(jobs, "run_due", look)
        job_loop.run_until(stop)
        assert len(looks) == 3

    def test_it_outlives_a_lost_database(
        self, stop: threading.Event, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        looks: list[int] = []

        def look() -> int:
            looks.append(1)
            if len(looks) < 3:
                raise OperationalError("the database is starting up")
            stop.set()
            return 0

        monkeypatch.setattr(jobs, "run_due", look)
        job_loop.run_until(stop)
        assert len(looks) == 3

    def test_a_stop_ends_its_sleep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stop, looked = threading.Event(), threading.Event()
        monkeypatch.setattr(job_loop, "INTERVAL_SECONDS", 3600.0)
        monkeypatch.setattr(jobs, "run_due", looked.set)
        loop = threading.Thread(target=job_loop.run_until, args=(stop,), daemon=True)
        loop.start()
        assert looked.wait(30)
        stop.set()
        loop.join(30)
        assert not loop.is_alive()

    def test_it_does_not_begin_when_it_is_stopped_already(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stop = threading.Event()
        stop.set()
        monkeypatch.setattr(jobs, "run_due", lambda: pytest.fail("it began"))
        job_loop.run_until(stop)
