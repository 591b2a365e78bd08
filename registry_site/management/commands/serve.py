"""`manage.py serve`: the whole registry as one command."""

import argparse
import os
import secrets
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management import BaseCommand, CommandError, call_command
from rich.console import Console

from registry_site.serving import Address, Supervisor, wait_for_port


class Command(BaseCommand):
    help = "Migrate the database, then run the server and the job loop until told to stop."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--bind",
            default=os.environ.get("REGISTRY_HTTP_ADDR") or "127.0.0.1:5000",
            metavar="ADDR:PORT",
            help="where to listen (default: REGISTRY_HTTP_ADDR, else 127.0.0.1:5000)",
        )
        parser.add_argument(
            "--open",
            action="store_true",
            help="let everybody on this machine pull, push and delete without signing in",
        )
        parser.epilog = (
            "Every command takes --data DIR (or REGISTRY_DATA): where everything is kept."
        )

    def handle(self, *args: Any, bind: str, open: bool, **options: Any) -> None:
        try:
            address = Address.parse(bind)
        except ValueError as error:
            raise CommandError(str(error)) from error
        if open and not address.is_loopback and settings.ANONYMOUS_ACCESS == "none":
            raise CommandError(
                f"--open would let everybody who reaches {address} do everything. Bind to "
                "127.0.0.1, or say that you mean it with REGISTRY_ANONYMOUS_ACCESS=push."
            )
        try:
            wait_for_port(address)
        except OSError as error:
            raise CommandError(
                f"{address} cannot be listened on: {error.strerror}. Choose another with --bind."
            ) from error
        call_command("migrate", interactive=False, verbosity=options["verbosity"] - 1)
        console = Console(soft_wrap=True, highlight=False)
        supervisor = Supervisor(address, is_open=open)
        supervisor.on_ready = lambda: _greet(console, address, is_open=open)
        raise SystemExit(supervisor.run())


def _greet(console: Console, address: Address, *, is_open: bool) -> None:
    """Say where the registry is and what to type next."""
    here = settings.PUBLIC_URL or f"http://{address.reachable}"
    host = here.split("://", 1)[1]
    console.print(
        f"\n[bold]Berth[/bold] is at [bold]{here}[/bold]; its data is in {settings.DATA_FOLDER}"
    )
    if is_open:
        console.print("Open mode: whoever reaches it may pull, push and delete. Try:\n")
    else:
        _introduce_administrator(console)
        console.print(f"Sign in, then push an image:\n\n  docker login {host}")
    console.print(f"  docker tag hello-world {host}/hello-world")
    console.print(f"  docker push {host}/hello-world")
    console.print(f"  docker pull {host}/hello-world\n")


def _introduce_administrator(console: Console) -> None:
    """Make the first user, with a password that is shown once and stored nowhere."""
    users = get_user_model().objects
    if users.exists():
        return
    password = secrets.token_urlsafe(18)
    users.create_superuser("admin", password=password)
    console.print(
        "There were no users yet, so this one was made. The password is not shown again:\n"
    )
    console.print(f"  user:      [bold]admin[/bold]\n  password:  [bold]{password}[/bold]\n")
