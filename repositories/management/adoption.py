"""What `adopt` and a first start share: how they are stopped, and the report in a few lines."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from repositories.adoption.reports import Report


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGTERM is what Ctrl-C is: what is under way ends, and can be gone on with."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def summary(report: Report) -> Iterator[str]:
    """The report in a few lines, without what is damaged."""
    if report.was_finished:
        yield f"The tree at {report.root} was taken over before: nothing was done. Its report:"
    would = "would be " if report.is_dry_run else ""
    yield (
        f"{report.repositories} repositories, {report.manifests} manifests and {report.tags} tags "
        f"{would}taken over from {report.root}"
    )
    yield f"{report.blobs} files of blobs, {report.bytes} bytes; 0 bytes copied"
    if report.garbage:
        yield f"{report.garbage} files that no record names {would}left to the garbage collector"
    if report.left:
        yield f"{report.left} links {would}left alone, beside manifests that cannot be used"
    yield (
        f"{len(report.findings)} things are wrong, and were stepped over"
        if report.findings
        else "nothing is damaged"
    )
