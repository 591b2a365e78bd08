"""The loop that runs jobs as they fall due: see `jobs`."""

import logging
import random
import threading

from django.db import Error as DatabaseError
from django.db import close_old_connections, connection

from repositories import jobs

INTERVAL_SECONDS = 30.0

logger = logging.getLogger(__name__)


def run_until(stop: threading.Event) -> None:
    """Look for due work every half a minute until `stop` is set; a lost database is waited for."""
    while not stop.is_set():
        close_old_connections()
        try:
            jobs.run_due()
        except DatabaseError as error:
            logger.error("the job loop cannot use the database, and tries again: %s", error)
            connection.close()
        # Several hosts should not all look at the same moment.
        stop.wait(INTERVAL_SECONDS * random.uniform(0.8, 1.2))  # noqa: S311
