"""Trust rules: whose CI jobs may act for a team without a stored secret."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import trust_rules
from accounts.models import TrustRule
from api.v1.endpoint import Endpoint, operation
from api.v1.fields import Flag, Name, ScopeLines, Scopes, Strict, Text
from api.v1.pagination import PageByName


class TrustRuleShape(serializers.Serializer[TrustRule]):
    """A CI job whose OIDC token matches may act for the team, within the scopes."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    issuer = serializers.CharField()
    audience = serializers.CharField()
    claims = serializers.DictField(child=serializers.CharField())
    scopes = ScopeLines()
    is_active = serializers.BooleanField()
    created_at = serializers.DateTimeField()


class NewTrustRule(Strict):
    """A rule to make; its full name begins with the team's."""

    name = Name(max_length=40)
    issuer = Text(max_length=300, help_text="The issuer's address, as `iss` in its tokens.")
    audience = Text(max_length=200, help_text="What `aud` in the tokens has to be.")
    claims = serializers.DictField(
        child=Text(max_length=500),
        help_text="What other claims have to be: a value, or a beginning followed by `*`.",
    )
    scopes = Scopes(help_text="Such as `team/*:pull,push`; within the team.")


class TrustRuleChanges(Strict):
    """What to change."""

    is_active = Flag()


class TrustRulesView(Endpoint):
    @operation("List trust rules", answer=TrustRuleShape, query=PageByName, pages=True)
    def get(self, request: Request, team: str) -> Response:
        """The team's rules, by name. For owners."""
        found = trust_rules.trust_rules(principal=self.principal, team=team)
        return self.page(found, TrustRuleShape, by="name")

    @operation("Create a trust rule", answer=TrustRuleShape, body=NewTrustRule, status=201)
    def post(self, request: Request, team: str) -> Response:
        """For owners. The first rule with an issuer is made by an administrator."""
        rule = trust_rules.create_trust_rule(principal=self.principal, team=team, **self.body)
        return self.answer(rule, TrustRuleShape, status=201)


class TrustRuleView(Endpoint):
    def _rule(self, team: str, rule: int) -> TrustRule:
        return trust_rules.trust_rules(principal=self.principal, team=team).get(pk=rule)

    @operation("Show a trust rule", answer=TrustRuleShape)
    def get(self, request: Request, team: str, rule: int) -> Response:
        """For owners."""
        return self.answer(self._rule(team, rule), TrustRuleShape)

    @operation("Switch a trust rule off or on", answer=TrustRuleShape, body=TrustRuleChanges)
    def patch(self, request: Request, team: str, rule: int) -> Response:
        """For owners."""
        trust_rules.set_trust_rule_active(
            principal=self.principal, team=team, rule_id=rule, active=self.body["is_active"]
        )
        return self.answer(self._rule(team, rule), TrustRuleShape)

    @operation("Delete a trust rule", status=204)
    def delete(self, request: Request, team: str, rule: int) -> Response:
        """For owners."""
        trust_rules.delete_trust_rule(principal=self.principal, team=team, rule_id=rule)
        return Response(status=204)
