"""The audit log, for administrators."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import audit_log
from accounts.models import AuditEvent
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Moment, Strict, Text
from api.v1.pagination import PageByAge
from repositories.access import Principal

JSON_LINES = "application/x-ndjson"


class EventShape(serializers.Serializer[AuditEvent]):
    """Who did what to which, from where, by which credential."""

    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    actor = serializers.CharField(help_text="Empty: nobody who had signed in.")
    action = serializers.CharField()
    target = serializers.CharField()
    outcome = serializers.ChoiceField(choices=AuditEvent.Outcome.values)
    address = serializers.CharField(allow_null=True)
    credential = serializers.CharField()
    detail = serializers.DictField(child=serializers.JSONField())


class EventFilter(Strict):
    """Which events."""

    actor = Text(required=False, max_length=128, help_text="A whole name.")
    action = Text(
        required=False, max_length=64, help_text="A whole one, or a kind such as `team.`."
    )
    target = Text(required=False, max_length=400, help_text="The beginning of one.")
    outcome = serializers.ChoiceField(choices=AuditEvent.Outcome.values, required=False)
    since = Moment(required=False, help_text="At this time or after it.")
    until = Moment(required=False, help_text="Before this time.")


class EventQuery(EventFilter, PageByAge):
    """Which events, and which page of them."""


def _events(principal: Principal, query: dict[str, Any]) -> QuerySet[AuditEvent]:
    wanted = {name: value for name, value in query.items() if name not in PageByAge().fields}
    return audit_log.events(principal=principal, **wanted)


class AuditView(Endpoint):
    @operation("Read the audit log", answer=EventShape, query=EventQuery, pages=True)
    def get(self, request: Request) -> Response:
        """The newest first. For administrators."""
        return self.page(_events(self.principal, self.query), EventShape, by="-pk")


class JSONLines(JSONRenderer):
    """For the choice of the content type: the view streams. Problems are JSON as everywhere."""

    media_type = JSON_LINES
    format = "jsonl"


class AuditExportView(Endpoint):
    renderer_classes = [JSONLines, JSONRenderer]

    @operation("Export the audit log", query=EventFilter, media_type=JSON_LINES)
    def get(self, request: Request) -> StreamingHttpResponse:
        """One event a line, the newest first, each as the list has it. For administrators."""
        lines = audit_log.export(
            principal=self.principal, found=_events(self.principal, self.query)
        )
        return StreamingHttpResponse(
            lines,
            content_type=JSON_LINES,
            headers={"Content-Disposition": 'attachment; filename="audit.jsonl"'},
        )
