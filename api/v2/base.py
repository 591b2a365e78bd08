"""end-1: does this server speak the specification, and does it take my credentials?"""

from django.conf import settings

from api.v2.request import Request
from api.v2.response import Response, json_response


def get(request: Request) -> Response:
    """200 for whoever may use the registry at all; the wrapper has answered everybody else.

    Nobody else is told the version, by which strangers would look for what they can do.
    """
    return json_response({}, headers={"X-Berth-Version": settings.VERSION})
