"""For load balancers and container engines: `/healthz`, is it alive; `/readyz`, can it serve."""

import logging

from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse

from repositories.storage import storage

logger = logging.getLogger(__name__)


def healthz(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers at all."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when the database answers and blobs can be written; else 503, naming what failed."""
    problems = {}
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        logger.error("not ready: the database: %s", error)
        problems["database"] = "cannot be reached; see the log"
    try:
        storage().check()
    except OSError as error:
        logger.error("not ready: the storage: %s", error)
        problems["storage"] = "cannot be written; see the log"
    if problems:
        return JsonResponse({"status": "unavailable", "problems": problems}, status=503)
    return JsonResponse({"status": "ok"})
