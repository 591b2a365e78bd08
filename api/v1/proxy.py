"""What this server is told of the request itself, and what a proxy before it tells wrong."""

import time
from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import proxy
from accounts.permissions import require_admin
from accounts.proxy_facts import Facts, facts_of, origin_of
from accounts.proxy_lines import Fix
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Number, Strict, Text
from repositories import database

MOST_SECONDS = 120


class FixShape(serializers.Serializer[Fix]):
    """Lines for the configuration of a tool."""

    tool = serializers.CharField()
    file = serializers.CharField()
    lines = serializers.CharField()


class ProxyFindingShape(serializers.Serializer[proxy.Finding]):
    """Something to change."""

    id = serializers.CharField()
    level = serializers.ChoiceField(choices=[level.value for level in proxy.Level])
    title = serializers.CharField()
    text = serializers.CharField()
    fixes = FixShape(many=True)


class ProxyShape(serializers.Serializer[Any]):
    """One request, as it came through whatever stands between."""

    peer = serializers.CharField(help_text="Who connected: the proxy, or the client itself.")
    is_trusted = serializers.BooleanField(help_text="Whether what it says counts.")
    client = serializers.CharField(help_text="Where the request is taken to come from.")
    base = serializers.CharField(help_text="What the addresses that clients are told begin with.")
    findings = ProxyFindingShape(many=True)


class ProxyQuery(Strict):
    used = Text(
        required=False,
        max_length=300,
        help_text="The beginning of the address that was called: https://registry.example.com.",
    )
    wait = Number(
        most=MOST_SECONDS,
        required=False,
        help_text="Answer after so many seconds: whether a proxy waits for an answer as long.",
    )


class ProxyView(Endpoint):
    @operation("Look at the proxy", answer=ProxyShape, query=ProxyQuery)
    def get(self, request: Request) -> Response:
        """What the page for it shows, and `manage.py doctor` asks. For administrators."""
        require_admin(self.principal)
        if seconds := self.query.get("wait"):
            database.release()
            time.sleep(seconds)
        facts = facts_of(request.META, browser=origin_of(self.query.get("used", "")))
        return self.answer(_shown(facts), ProxyShape)


def _shown(facts: Facts) -> dict[str, Any]:
    return {
        "peer": facts.peer,
        "is_trusted": facts.is_trusted,
        "client": facts.client,
        "base": facts.base,
        "findings": proxy.findings(facts),
    }
