"""What `serve` does with another registry's tree before it listens: adopt it, or follow it."""

import logging
import time

from django.conf import settings
from django.core.management import CommandError

from accounts.management.local import OPERATOR
from repositories.adoption import adopting, following
from repositories.adoption.reports import AdoptionError, Progress
from repositories.management.adoption import stoppable, summary

_EVERY_SECONDS = 5.0

logger = logging.getLogger(__name__)


class _Logged(Progress):
    """A line in the log now and then."""

    def __init__(self) -> None:
        self._what, self._total, self._done = "", 0, 0
        self._told_at = time.monotonic()

    def begin(self, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        logger.info("%s: %d to go", what.lower(), total)

    def advance(self) -> None:
        self._done += 1
        if time.monotonic() - self._told_at > _EVERY_SECONDS:
            self._told_at = time.monotonic()
            logger.info("%s: %d of %d", self._what.lower(), self._done, self._total)


def begin(*, is_open: bool) -> None:
    """Make the rows of a tree, where the settings or a tree in an empty registry's storage ask.

    Raises CommandError with what is in the way.
    """
    try:
        with stoppable():
            if settings.SHADOW:
                logger.info("showing what is in %s, read-only", settings.SHADOW)
                logger.info("%s", following.follow(is_open=is_open))
            elif settings.ADOPT and adopting.is_called_for():
                _adopt(is_open=is_open)
    except KeyboardInterrupt:
        raise CommandError("Stopped while a tree was taken over: the next start goes on.") from None
    except AdoptionError as error:
        advice = "" if settings.SHADOW else " REGISTRY_ADOPT=false leaves the tree alone."
        raise CommandError(f"{error}{advice}") from error
    except OSError as error:
        raise CommandError(f"A file of the tree cannot be used: {error}.") from error


def _adopt(*, is_open: bool) -> None:
    logger.info(
        "the storage holds a tree of Docker's registry, and the database no repository: taking "
        "it over, once (REGISTRY_ADOPT=false would not)"
    )
    report = adopting.adopt(
        principal=OPERATOR,
        visibility=adopting.default_visibility(is_open=is_open),
        is_alone=True,
        progress=_Logged(),
    )
    for line in summary(report):
        logger.info("%s", line)
    if report.findings:
        logger.warning("manage.py adopt lists what is wrong in the tree")
