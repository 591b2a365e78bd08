"""Django's log of requests, without a traceback for each one that the client got wrong."""

import logging


class OneLine(logging.Filter):
    """Makes a warning of one line of what ended in a 4xx: nothing is wrong with the program."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Change the record where that is so; none is left out."""
        status = getattr(record, "status_code", None)
        if isinstance(status, int) and 400 <= status < 500:
            record.exc_info = record.exc_text = None
            record.levelno, record.levelname = logging.WARNING, "WARNING"
        return True
