"""`manage.py doctor URL`: try the public address as clients do, and say what to change."""

import argparse
import json
import ssl
import sys
from typing import Any, TextIO, cast

from django.core.management import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape

from registry_site.doctor import reaching
from registry_site.doctor.examination import Wishes, examine
from registry_site.doctor.report import Result, State
from repositories.pace import bytes_of

_MARKS = {
    State.OK: "[green]ok[/green]     ",
    State.WRONG: "[red]wrong[/red]  ",
    State.ADVICE: "[yellow]advice[/yellow] ",
    State.SKIPPED: "[dim]-[/dim]      ",
}
_WIDTH = 100
MOST_PATIENCE = 120


class Command(BaseCommand):
    help = (
        "Try a registry's public address as clients do, from the name to a large upload, and say "
        "of each thing whether it is right, and else what to write into the configuration of the "
        "proxy or of Berth. What is uploaded is cancelled. The exit status is 1 when something is "
        "wrong."
    )
    # It may run on any machine, whatever is there of a registry.
    requires_system_checks = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("url", help="such as https://registry.example.com")
        parser.add_argument("--user", default="", metavar="NAME", help="who signs in")
        secret = parser.add_mutually_exclusive_group()
        secret.add_argument(
            "--password-stdin",
            action="store_true",
            help="read the password, or a token, of --user from standard input",
        )
        secret.add_argument(
            "--token-stdin", action="store_true", help="read an access token from standard input"
        )
        parser.add_argument(
            "--repository",
            default="",
            metavar="NAME",
            help="upload into this one, instead of one that is made for it and deleted again",
        )
        parser.add_argument(
            "--body",
            default="200MB",
            metavar="SIZE",
            help="how much to upload, and cancel (default: 200MB); 0: nothing",
        )
        parser.add_argument(
            "--patience",
            type=int,
            default=65,
            metavar="SECONDS",
            help="how long a proxy has to wait for a slow client and for a slow answer (default: "
            f"65, at most {MOST_PATIENCE}); 0: do not try",
        )
        parser.add_argument(
            "--ca", metavar="FILE", help="certificates of authorities to trust (PEM)"
        )
        parser.add_argument(
            "--insecure",
            action="store_true",
            help="send credentials whatever the certificate is",
        )
        parser.add_argument("--json", action="store_true", help="print JSON, when all is done")

    def handle(self, *args: Any, url: str, json: bool, **options: Any) -> None:
        wishes = _wishes(options)
        console = Console(
            file=cast("TextIO", self.stdout),
            width=None if self.stdout.isatty() else _WIDTH,
            highlight=False,
        )
        results = []
        try:
            for result in examine(url if "://" in url else f"https://{url}", wishes):
                results.append(result)
                if not json:
                    _show(console, result)
        except ValueError as error:
            raise CommandError(f"{url}: {error}") from error
        if json:
            _write(url, results, cast("TextIO", self.stdout))
        wrong = sum(result.is_wrong for result in results)
        if wrong and not json:
            raise CommandError(f"{wrong} of {len(results)} are wrong.")
        if wrong:
            sys.exit(1)
        if not json:
            console.print("Nothing is wrong with what could be tried.")


def _wishes(options: dict[str, Any]) -> Wishes:
    """Raises CommandError."""
    try:
        strict, lax = reaching.contexts(options["ca"])
    except (OSError, ssl.SSLError) as error:
        raise CommandError(f"--ca {options['ca']} cannot be used: {error}.") from error
    try:
        body = 0 if options["body"] == "0" else bytes_of(options["body"])
    except ValueError as error:
        raise CommandError(f"--body: {error}") from error
    if not 0 <= options["patience"] <= MOST_PATIENCE:
        raise CommandError(f"--patience is from 0 to {MOST_PATIENCE} seconds.")
    if bool(options["user"]) != options["password_stdin"]:
        raise CommandError("--user and --password-stdin belong together.")
    secret = ""
    if options["password_stdin"] or options["token_stdin"]:
        secret = sys.stdin.readline().rstrip("\r\n")
        if not secret:
            raise CommandError("Standard input has no secret: echo one into the command.")
    return Wishes(
        strict=strict,
        lax=lax,
        user=options["user"],
        secret=secret,
        repository=options["repository"],
        body=body,
        patience=options["patience"],
        insecure=options["insecure"],
    )


def _show(console: Console, result: Result) -> None:
    said = f"[bold]{escape(result.title)}[/bold]: {_safe(result.text)}"
    console.print(_MARKS[result.state] + said)
    for fix in result.fixes:
        console.print(f"         {_safe(fix.tool)}, {_safe(fix.file)}:", style="dim")
        for line in fix.lines.splitlines():
            console.print(f"           {_safe(line.expandtabs(4))}", soft_wrap=True)


def _safe(text: str) -> str:
    """What servers say is neither markup nor a command for the terminal."""
    return escape("".join(char if char.isprintable() else "\ufffd" for char in text))


def _write(url: str, results: list[Result], file: TextIO) -> None:
    content = {
        "url": url,
        "is_well": not any(result.is_wrong for result in results),
        "results": [
            result._asdict() | {"fixes": [fix._asdict() for fix in result.fixes]}
            for result in results
        ],
    }
    file.write(json.dumps(content, indent=1) + "\n")
