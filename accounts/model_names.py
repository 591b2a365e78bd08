"""What models and their fields are called in the reader's language.

The admin site shows these names, and Django's own refusals do ("… with this Name already exists").
They stand here and not in the models because Django would write every one of them into a migration.
"""

from collections.abc import Iterable

from django.db.models import Model
from django.utils.translation import gettext_lazy as _

# By the model: the name for one, and for several.
MODELS = {
    "accounts.user": (_("user"), _("users")),
    "accounts.team": (_("team"), _("teams")),
    "accounts.membership": (_("membership"), _("memberships")),
    "accounts.robot": (_("robot"), _("robots")),
    "accounts.invitation": (_("invitation"), _("invitations")),
    "accounts.accesstoken": (_("access token"), _("access tokens")),
    "accounts.signingkey": (_("signing key"), _("signing keys")),
    "accounts.signinfailure": (_("sign in failure"), _("sign in failures")),
    "accounts.trustrule": (_("trust rule"), _("trust rules")),
    "accounts.auditevent": (_("audit event"), _("audit events")),
    "accounts.browsersession": (_("browser session"), _("browser sessions")),
    "repositories.repository": (_("repository"), _("repositories")),
    "repositories.repositorygrant": (_("repository grant"), _("repository grants")),
    "repositories.manifest": (_("manifest"), _("manifests")),
    "repositories.manifestblob": (_("manifest blob"), _("manifest blobs")),
    "repositories.manifestchild": (_("manifest child"), _("manifest children")),
    "repositories.tag": (_("tag"), _("tags")),
    "repositories.tagchange": (_("tag change"), _("tag changes")),
    "repositories.blob": (_("blob"), _("blobs")),
    "repositories.bloblink": (_("blob link"), _("blob links")),
    "repositories.upload": (_("upload"), _("uploads")),
    "repositories.deletion": (_("delete"), _("deletes")),
    "repositories.deletedmanifest": (_("deleted manifest"), _("deleted manifests")),
    "repositories.deletedtag": (_("deleted tag"), _("deleted tags")),
    "repositories.scrubpass": (_("pass of the scrub"), _("passes of the scrub")),
    "repositories.scrubfinding": (_("finding of the scrub"), _("findings of the scrub")),
    "repositories.job": (_("job"), _("jobs")),
    "repositories.host": (_("host"), _("hosts")),
    "repositories.pull": (_("pull"), _("pulls")),
    "repositories.repositoryusage": (_("storage of a repository"), _("storage of repositories")),
    "repositories.teamusage": (_("storage of a team"), _("storage of teams")),
    "repositories.retentionpolicy": (_("retention policy"), _("retention policies")),
    "repositories.retentionrun": (_("retention run"), _("retention runs")),
    "repositories.storagesample": (_("storage of a day"), _("storage of days")),
}
# By the field, in whatever model.
FIELDS = {
    "action": _("action"),
    "actor": _("actor"),
    "address": _("address"),
    "algorithm": _("algorithm"),
    "artifact_type": _("artifact type"),
    "at": _("at"),
    "audience": _("audience"),
    "blob": _("blob"),
    "blobs": _("blobs"),
    "bytes": _("bytes"),
    "certificate": _("certificate"),
    "changed_at": _("changed at"),
    "changed_by": _("changed by"),
    "claimed_until": _("claimed until"),
    "claims": _("claims"),
    "count": _("count"),
    "created_at": _("created at"),
    "created_by": _("created by"),
    "credential": _("credential"),
    "damaged_at": _("damaged at"),
    "day": _("day"),
    "description": _("description"),
    "detail": _("detail"),
    "digest": _("digest"),
    "due_at": _("due at"),
    "error": _("error"),
    "expires_at": _("expires at"),
    "finished_at": _("finished at"),
    "hint": _("hint"),
    "id": _("ID"),
    "is_active": _("is active"),
    "is_settled": _("is settled"),
    "issuer": _("issuer"),
    "key": _("key"),
    "kid": _("key ID"),
    "kind": _("kind"),
    "last_at": _("last at"),
    "last_used_at": _("last used at"),
    "last_used_from": _("last used from"),
    "manifest": _("manifest"),
    "manifests": _("manifests"),
    "measured_at": _("measured at"),
    "media_type": _("media type"),
    "name": _("name"),
    "outcome": _("outcome"),
    "public": _("public key"),
    "pull_count": _("pull count"),
    "pulled_at": _("pulled at"),
    "pulled_by": _("pulled by"),
    "pushed_at": _("pushed at"),
    "pushed_by": _("pushed by"),
    "repository": _("repository"),
    "result": _("result"),
    "retires_at": _("retires at"),
    "robot": _("robot"),
    "role": _("role"),
    "scopes": _("scopes"),
    "seen_at": _("seen at"),
    "size": _("size"),
    "source": _("source"),
    "started_at": _("started at"),
    "started_by": _("started by"),
    "subject": _("subject"),
    "tag": _("tag"),
    "target": _("target"),
    "team": _("team"),
    "unique_bytes": _("unique bytes"),
    "unlinked_bytes": _("unlinked bytes"),
    "unused_bytes": _("unused bytes"),
    "used_at": _("used at"),
    "used_by": _("used by"),
    "user": _("user"),
    "username": _("user name"),
    "visibility": _("visibility"),
}


def apply(models: Iterable[type[Model]]) -> None:
    """Give the models of an application and their fields these names."""
    for model in models:
        options = model._meta  # noqa: SLF001  (public, whatever its name looks like)
        one, several = MODELS.get(options.label_lower, (options.verbose_name, None))
        options.verbose_name = one
        options.verbose_name_plural = several or options.verbose_name_plural
        for field in options.local_fields:
            field.verbose_name = FIELDS.get(field.name, field.verbose_name)
