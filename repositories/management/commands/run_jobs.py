"""`manage.py run_jobs`: the job loop by itself, for hosts where the server is started otherwise."""

import argparse
import signal
import threading
from typing import Any

from django.core.management import BaseCommand

from repositories import job_loop, jobs


class Command(BaseCommand):
    help = "Run periodic work as it falls due, until told to stop."

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="run what is due now, then end")

    def handle(self, *args: Any, once: bool, **options: Any) -> None:
        if once:
            self.stdout.write(f"{jobs.run_due()} jobs run")
            return
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        job_loop.run_until(stop)
