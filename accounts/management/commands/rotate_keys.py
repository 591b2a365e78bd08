"""`manage.py rotate_keys`: a new key for the token service."""

import argparse
from typing import Any

from accounts import signing, signing_keys
from accounts.management.local import OPERATOR, LocalCommand


class Command(LocalCommand):
    help = (
        "Make a new signing key and print its id. The others are trusted for some minutes more, "
        "for the sake of the tokens that are out. `--certificate` alone only prints."
    )

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument(
            "--now",
            action="store_true",
            help="distrust the other keys at once: for one that was stolen, or a new SECRET_KEY",
        )
        parser.add_argument(
            "--certificate",
            action="store_true",
            help="print the certificates in use, the rootcertbundle of other registries; "
            "with --now, those after the change",
        )

    def run(self, *, now: bool, certificate: bool, **_: Any) -> None:
        if now or not certificate:
            key = signing_keys.rotate(principal=OPERATOR, now=now)
        self.stdout.write(signing.certificates() if certificate else key.kid)
