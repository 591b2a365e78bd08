"""Retention policies of repositories and teams, and what they would remove."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.v1.endpoint import Endpoint, operation
from api.v1.fields import LINE, Flag, Strict, Text, Whole
from repositories import patterns, retention, retention_previews
from repositories.models import RetentionRun
from repositories.oci.names import MAX_TAG_BYTES
from repositories.retention import Policy
from repositories.retention_judge import Because
from repositories.retention_previews import Entry, Preview, TeamPreview
from repositories.retention_rules import MAX_COUNT, MAX_DAYS, MAX_RULES, Kind, Line, Rules, parse

MAX_ENTRIES = 1_000
MAX_REPOSITORIES = 20


class RuleField(Strict):
    """One rule. Which fields it needs and may have depends on `rule`: see docs/retention.md."""

    rule = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    count = Whole(required=False, min_value=1, max_value=MAX_COUNT)
    days = Whole(required=False, min_value=1, max_value=MAX_DAYS)
    pattern = Text(
        required=False,
        pattern=patterns.ALL,
        max_length=patterns.MAX_LENGTH,
        help_text="Such as v*; `*` for any characters, `?` for one, `[0-9]` for one of these.",
    )
    line = serializers.ChoiceField(choices=[line.value for line in Line], required=False)


class PolicyBody(Strict):
    """What stays; without rules everything does."""

    rules = serializers.ListField(child=RuleField(), max_length=MAX_RULES)


class RulesBody(Strict):
    """The rules to try; without, those in force."""

    rules = serializers.ListField(child=RuleField(), max_length=MAX_RULES, required=False)


class PreviewBody(RulesBody):
    """And which of the tags and manifests to tell."""

    stays = Flag(required=False, help_text="Only those that stay, or that go; without it, both.")
    after = Text(
        required=False,
        pattern=LINE,
        max_length=MAX_TAG_BYTES + 8,
        help_text="The `next` of the answer before.",
    )
    limit = Whole(required=False, min_value=1, max_value=MAX_ENTRIES)


class RuleShape(serializers.Serializer[Any]):
    """A rule. What it does not have is left out."""

    rule = serializers.ChoiceField(choices=[kind.value for kind in Kind])
    count = serializers.IntegerField(required=False)
    days = serializers.IntegerField(required=False)
    pattern = serializers.CharField(required=False)
    line = serializers.ChoiceField(choices=[line.value for line in Line], required=False)


class RunShape(serializers.Serializer[RetentionRun]):
    """When the rules were last applied."""

    finished_at = serializers.DateTimeField(allow_null=True)
    due_at = serializers.DateTimeField(help_text="When they are applied next, at the earliest.")
    tags = serializers.IntegerField(help_text="How many have been removed, ever.")
    manifests = serializers.IntegerField(help_text="How many have been removed, ever.")
    is_failing = serializers.BooleanField(help_text="The last try failed: see the log.")


class RulesShown(serializers.ListField):
    """The rules, in their order."""

    child = RuleShape()

    def to_representation(self, data: Any) -> list[Any]:
        return [rule.as_json() for rule in data]


class PolicyShape(serializers.Serializer[Policy]):
    """The policy that is in force."""

    rules = RulesShown()
    is_set = serializers.BooleanField(help_text="False: there is none, and everything stays.")
    is_teams = serializers.BooleanField(help_text="Of the team; a repository's own replaces it.")
    changed_at = serializers.DateTimeField(allow_null=True)
    changed_by = serializers.CharField()


class RepositoryPolicyShape(PolicyShape):
    """The policy that is in force in a repository, and when it was last applied."""

    run = RunShape(allow_null=True)


class JudgedShape(serializers.Serializer[Entry]):
    """A tag or a manifest, and why it stays or goes."""

    tag = serializers.CharField(help_text="Empty for a manifest.")
    digest = serializers.CharField(help_text="Of the manifest, or of what the tag names.")
    stays = serializers.BooleanField()
    because = serializers.ChoiceField(choices=[because.value for because in Because])
    rule = serializers.IntegerField(
        source="verdict.rule", allow_null=True, help_text="Its place among the rules, from 0."
    )


class SumsShape(serializers.Serializer[Preview]):
    """What would go."""

    repository = serializers.CharField(source="repository.name")
    tags = serializers.IntegerField(help_text="How many go.")
    manifests = serializers.IntegerField(help_text="How many go.")
    tags_staying = serializers.IntegerField()
    manifests_staying = serializers.IntegerField()
    blobs = serializers.IntegerField(help_text="How many blobs nothing else needs.")
    bytes = serializers.IntegerField(help_text="Of those blobs: what the collector then frees.")
    is_switched_off = serializers.BooleanField(
        help_text="Deleting is switched off on this server, so nothing goes."
    )


class PreviewShape(serializers.Serializer[Any]):
    """What would go, and why: tags by name, then manifests by digest."""

    sums = SumsShape()
    entries = JudgedShape(many=True)
    next = serializers.CharField(allow_null=True, help_text="To send as `after` for more.")


class TeamPreviewShape(serializers.Serializer[TeamPreview]):
    """What would go from a team's repositories that have no policy of their own."""

    repositories = SumsShape(many=True, help_text=f"The first {MAX_REPOSITORIES} by name.")
    has_more = serializers.BooleanField()
    blobs = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="Of all together, which may share blobs.")
    is_switched_off = serializers.BooleanField()


def _rules(body: dict[str, Any]) -> Rules | None:
    """Raises ValidationError."""
    return parse([dict(rule) for rule in body["rules"]]) if "rules" in body else None


class RetentionView(Endpoint):
    def _answer(self, repository: str) -> Response:
        policy = retention.repository_policy(principal=self.principal, repository=repository)
        run = RetentionRun.objects.filter(repository__name=repository).first()
        return self.answer({**policy._asdict(), "run": run}, RepositoryPolicyShape)

    @operation("Show the retention policy of a repository", answer=RepositoryPolicyShape)
    def get(self, request: Request, repository: str) -> Response:
        """Its own, or its team's. For maintainers."""
        return self._answer(repository)

    @operation(
        "Set the retention policy of a repository", answer=RepositoryPolicyShape, body=PolicyBody
    )
    def put(self, request: Request, repository: str) -> Response:
        """It replaces the team's; without rules the repository keeps everything. It is applied
        after a minute. For maintainers."""
        retention.set_repository_policy(
            principal=self.principal, repository=repository, rules=_rules(self.body) or ()
        )
        return self._answer(repository)

    @operation("Remove the retention policy of a repository", status=204)
    def delete(self, request: Request, repository: str) -> Response:
        """The team's is in force then, if it has one. For maintainers."""
        retention.remove_repository_policy(principal=self.principal, repository=repository)
        return Response(status=204)


class RetentionPreviewView(Endpoint):
    @operation("Say what retention rules would remove", answer=PreviewShape, body=PreviewBody)
    def post(self, request: Request, repository: str) -> Response:
        """Changes nothing. Of each tag and manifest, which rule keeps or removes it. For
        maintainers."""
        found = retention_previews.preview_repository(
            principal=self.principal, repository=repository, rules=_rules(self.body)
        )
        entries, after = retention_previews.entries(
            found.plan,
            stays=self.body.get("stays"),
            after=self.body.get("after", ""),
            limit=self.body.get("limit", 100),
        )
        answer = {"sums": found, "entries": entries, "next": after or None}
        return self.answer(answer, PreviewShape)


class TeamRetentionView(Endpoint):
    @operation("Show the retention policy of a team", answer=PolicyShape)
    def get(self, request: Request, team: str) -> Response:
        """For its owners."""
        return self.answer(retention.team_policy(principal=self.principal, team=team), PolicyShape)

    @operation("Set the retention policy of a team", answer=PolicyShape, body=PolicyBody)
    def put(self, request: Request, team: str) -> Response:
        """For all its repositories that have none of their own. For its owners."""
        rules = _rules(self.body) or ()
        policy = retention.set_team_policy(principal=self.principal, team=team, rules=rules)
        return self.answer(policy, PolicyShape)

    @operation("Remove the retention policy of a team", status=204)
    def delete(self, request: Request, team: str) -> Response:
        """For its owners."""
        retention.remove_team_policy(principal=self.principal, team=team)
        return Response(status=204)


class TeamRetentionPreviewView(Endpoint):
    @operation(
        "Say what retention rules would remove from a team",
        answer=TeamPreviewShape,
        body=RulesBody,
    )
    def post(self, request: Request, team: str) -> Response:
        """Changes nothing. For its owners."""
        found = retention_previews.preview_team(
            principal=self.principal, team=team, most=MAX_REPOSITORIES, rules=_rules(self.body)
        )
        return self.answer(found, TeamPreviewShape)
