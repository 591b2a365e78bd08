"""`manage.py serve`: the whole registry as one command."""

import argparse
import logging
import os
import runpy
import secrets
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import BaseCommand, CommandError, call_command
from rich.console import Console

from accounts import people
from accounts.management.local import OPERATOR
from accounts.models import User
from registry_site import distribution, env, taking_over
from registry_site.serving import CONFIGURATION, Address, Supervisor, wait_for_port

ADMINISTRATOR = "admin"

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Migrate the database, then run the server and the job loop until told to stop."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--bind",
            default=env.text("REGISTRY_HTTP_ADDR", "127.0.0.1:5000"),
            metavar="ADDR:PORT",
            help="where to listen (default: REGISTRY_HTTP_ADDR, else 127.0.0.1:5000)",
        )
        parser.add_argument(
            "--open",
            action="store_true",
            help="let everybody on this machine pull, push and delete without signing in",
        )
        parser.epilog = (
            "Every command takes --data DIR (or REGISTRY_DATA): where everything is kept; and "
            "--config FILE (serve: FILE alone, too): a configuration file as Docker's registry has "
            "it. --shadow ROOT (or REGISTRY_SHADOW) shows the tree of another registry, read-only, "
            "with rows in DIR."
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
            runpy.run_path(str(CONFIGURATION))  # what the server would stop at stops us here
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        for note in distribution.notes():
            logger.warning("%s (%s) has no effect: %s", *note)
        try:
            wait_for_port(address)
        except OSError as error:
            raise CommandError(
                f"{address} cannot be listened on: {error.strerror}. Choose another with --bind."
            ) from error
        call_command("migrate", interactive=False, verbosity=options["verbosity"] - 1)
        taking_over.begin(is_open=open)
        console = Console(soft_wrap=True, highlight=False)
        supervisor = Supervisor(address, is_open=open)
        _make_chosen_administrator(console)
        supervisor.on_ready = lambda: _greet(console, address, is_open=open)
        raise SystemExit(supervisor.run())


def _greet(console: Console, address: Address, *, is_open: bool) -> None:
    """Say where the registry is and what to type next."""
    scheme = "https" if settings.IS_TLS else "http"
    here = settings.PUBLIC_URL or f"{scheme}://{address.reachable}"
    host = here.split("://", 1)[1]
    console.print(
        f"\n[bold]Berth[/bold] is at [bold]{here}[/bold]; its data is in {settings.DATA_FOLDER}"
    )
    if settings.SHADOW:
        console.print(f"It shows what {settings.SHADOW} holds, and takes no pushes.\n")
        if not is_open:
            _introduce_administrator(console)
        return
    if is_open:
        console.print("Open mode: whoever reaches it may pull, push and delete. Try:\n")
    else:
        _introduce_administrator(console)
        _say_who_may(console, host)
    console.print(f"  docker tag hello-world {host}/hello-world")
    console.print(f"  docker push {host}/hello-world")
    console.print(f"  docker pull {host}/hello-world\n")


def _say_who_may(console: Console, host: str) -> None:
    if settings.ANONYMOUS_ACCESS == "push":
        console.print("Whoever reaches it may pull and push without signing in. Try:\n")
        return
    if settings.ANONYMOUS_ACCESS == "none":
        console.print(
            "Everybody has to sign in. Docker's registry lets everybody pull and push; so does "
            "this one with REGISTRY_ANONYMOUS_ACCESS=push. For a container that is:\n\n"
            "  docker run -e REGISTRY_ANONYMOUS_ACCESS=push …\n"
        )
    console.print(f"Sign in, then push an image:\n\n  docker login {host}")


def _make_chosen_administrator(console: Console) -> None:
    """Make the first user with the password of REGISTRY_ADMIN_PASSWORD, before anybody can ask.

    It is taken out of the environment, so that no process of the server's carries it along.
    Raises CommandError for a password that is too weak.
    """
    password = env.text("REGISTRY_ADMIN_PASSWORD")
    os.environ.pop("REGISTRY_ADMIN_PASSWORD", None)
    if password and not User.objects.exists():
        try:
            _make_administrator(password)
        except ValidationError as error:
            raise CommandError("REGISTRY_ADMIN_PASSWORD: " + " ".join(error.messages)) from error
        console.print(f"The user {ADMINISTRATOR} was made, with REGISTRY_ADMIN_PASSWORD.")


def _introduce_administrator(console: Console) -> None:
    """Make the first user, with a password that is shown once and stored nowhere."""
    if User.objects.exists():
        return
    password = secrets.token_urlsafe(18)
    try:
        _make_administrator(password)
    except ValidationError as error:
        console.print(f"There is no user yet ({' '.join(error.messages)}). Make one with:\n")
        console.print("  manage.py create_user NAME --admin\n")
    else:
        console.print("There were no users yet, so this administrator was made:\n")
        console.print(f"  user:      [bold]{ADMINISTRATOR}[/bold]")
        console.print(f"  password:  [bold]{password}[/bold]  (it is not shown again)\n")


def _make_administrator(password: str) -> None:
    """Raises ValidationError: for a weak password, or when a server beside this one was first."""
    people.create_user(principal=OPERATOR, name=ADMINISTRATOR, password=password, is_admin=True)
