"""In which order the doctor looks, and what need not be tried when something before it is wrong."""

import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from registry_site.doctor import answers, reaching, transfers
from registry_site.doctor.caller import CREDENTIALS, NONE, Caller
from registry_site.doctor.report import Check, Result
from registry_site.doctor.wire import Answer, Failure, Site

_LARGE = 200_000_000


@dataclass(frozen=True, slots=True)
class Wishes:
    """How to look. `body`: bytes of the upload; `patience`: seconds that whatever stands between
    has to wait, 0 not to try; `insecure`: go on whatever the certificate is; `early`: within how
    many seconds an answer is early."""

    strict: ssl.SSLContext
    lax: ssl.SSLContext
    user: str = ""
    secret: str = ""
    repository: str = ""
    body: int = _LARGE
    patience: int = 65
    insecure: bool = False
    early: float = answers.EARLY_SECONDS


def examine(url: str, wishes: Wishes) -> Iterator[Result]:
    """Everything, as it comes. Raises ValueError for what is no address."""
    site = Site(url, context=wishes.strict)
    for look in (reaching.name, reaching.connection):
        result = look(site)
        yield result
        if result.is_wrong:
            return
    result = reaching.certificate(site, strict=wishes.strict, lax=wishes.lax)
    yield result
    is_safe = not result.is_wrong
    if not is_safe:
        site.context = wishes.lax
    try:
        first = site.ask("GET", "/v2/")
    except Failure as error:
        yield answers.BASE.wrong(f"There is no answer: {error}.")
        return
    result = answers.base(first, site)
    yield result
    if result.is_wrong:
        return
    yield from _without_credentials(site, first, wishes)
    if not is_safe and wishes.secret and not wishes.insecure:
        yield CREDENTIALS.skipped(
            "credentials are not sent where the certificate is wrong, but with --insecure"
        )
        return
    yield from _with_credentials(site, first, wishes)


def _without_credentials(site: Site, first: Answer, wishes: Wishes) -> Iterator[Result]:
    yield answers.clock(first)
    size = wishes.body or _LARGE
    looks: tuple[tuple[Check, Callable[[], Iterable[Result]]], ...] = (
        (answers.REALM, lambda: [answers.realm(first, site)]),
        (answers.AUTHORIZATION, lambda: [answers.authorization(first, site)]),
        (answers.SLASHES, lambda: [answers.slashes(site)]),
        (answers.NAMES, lambda: [answers.paths(site)]),
        (answers.COMPRESSION, lambda: answers.unchanged(site)),
        (answers.RANGE, lambda: [answers.ranges(site)]),
        (answers.SIZE, lambda: answers.bodies(site, size, wishes.early)),
    )
    for check, look in looks:
        try:
            yield from look()
        except Failure as error:
            yield check.wrong(f"The connection was cut, or nothing came: {error}.")


def _with_credentials(site: Site, first: Answer, wishes: Wishes) -> Iterator[Result]:
    caller = Caller(site, user=wishes.user, secret=wishes.secret)
    caller.led_by(answers.challenge_of(first))
    if wishes.secret:
        result = caller.sign_in()
        yield result
        if result.is_wrong:
            return
    elif first.status != 200:
        yield CREDENTIALS.skipped(f"uploads, pulls, time-outs: {NONE}")
        return
    yield from transfers.pull(site, caller)
    if caller.is_somebody:
        yield from transfers.seen(site, caller)
    try:
        uploads = transfers.Uploads(caller, wishes.repository)
        yield from transfers.upload(site, uploads, wishes.body)
        yield from _waiting(site, caller, uploads, wishes.patience)
        yield from uploads.clean_up()
    except Failure as error:
        yield transfers.UPLOAD.wrong(f"The connection was cut: {error}.")


def _waiting(
    site: Site, caller: Caller, uploads: transfers.Uploads, seconds: int
) -> Iterator[Result]:
    """Both at once: it takes long enough."""
    if not seconds:
        return
    with ThreadPoolExecutor(2) as pool:
        request = pool.submit(transfers.slow_request, uploads, seconds)
        answer = pool.submit(transfers.slow_answer, site, caller, seconds)
        yield request.result()
        yield answer.result()
