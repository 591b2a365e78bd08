"""The pages of the web UI, and the lists of the management API."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from accounts.models import AccessToken, AuditEvent
from benchmarks.many.asking import WHO, Browser, Program
from benchmarks.many.fill import MANY, digest_of
from benchmarks.many.measuring import Case
from benchmarks.many.others import REFERRED_TO, THOUSAND

_HERE = f"/repositories/{MANY}/-"
_NOTHING = "nothing-has-this"
_DIGEST = digest_of("tag 500")[:15]

# Titles and addresses; `{…}` are names and ids that depend on how many rows there are.
_PAGES = (
    ("`/`", "/"),
    ("`/?sort=name`", "/?sort=name"),
    ("`/?sort=name`, middle", "/?sort=name&after={middle}"),
    ("`/?sort=name`, last", "/?sort=name&after={last}"),
    ("`/?text=`, a few", "/?text=app-0009"),
    ("`/?text=`, none", f"/?text={_NOTHING}"),
    ("`/?team=`", "/?team=team-001"),
    ("`/search?q=`, a name", "/search?q=app-0009"),
    ("`/search?q=`, a tag", "/search?q=t0005"),
    ("`/search?q=`, a digest", f"/search?q={_DIGEST}"),
    ("`/search?q=`, none", f"/search?q={_NOTHING}"),
    ("`/activity`", "/activity"),
    ("`/storage`", "/storage"),
    ("`/storage?team=`", "/storage?team=many"),
    ("a repository", f"{_HERE}/"),
    ("a repository, by name, middle", f"{_HERE}/?sort=name&after={{tag}}"),
    ("a repository, last pulled", f"{_HERE}/?sort=pulled"),
    ("a repository, longest unused", f"{_HERE}/?sort=unused"),
    ("a repository, filtered by tag", f"{_HERE}/?q=t0005"),
    ("a repository, filtered by tag, none", f"{_HERE}/?q={_NOTHING}"),
    ("a repository, its activity", f"{_HERE}/activity"),
    ("a repository, its storage", f"{_HERE}/storage"),
    ("an image", f"{_HERE}/images/amd64"),
    ("an index", f"{_HERE}/images/index"),
    ("an image with very many referrers", f"{_HERE}/images/{REFERRED_TO}"),
    ("its referrers", f"{_HERE}/images/{REFERRED_TO}/referrers"),
    ("an image, its history", f"{_HERE}/images/amd64/history"),
    ("an image, its manifest", f"{_HERE}/images/amd64/manifest"),
    ("two images", f"/compare?before={MANY}:amd64&after={MANY}:{REFERRED_TO}"),
    ("an index and an image", f"/compare?before={MANY}:index&after={MANY}:{REFERRED_TO}"),
    ("own tokens", "/settings/tokens"),
    ("own teams", "/teams"),
    ("a team", "/teams/many"),
    ("a team, its members", "/teams/many/members"),
    ("a team, its members, middle", "/teams/many/members?after={person}"),
)
_ADMIN_PAGES = (
    ("a team, its robots", "/teams/many/robots"),
    ("a team, its robots, middle", "/teams/many/robots?after={robot}"),
    ("all users", "/manage/users"),
    ("all users, middle", "/manage/users?after={person}"),
    ("all users, a few", "/manage/users?q=son-0009"),
    ("all users, none", f"/manage/users?q={_NOTHING}"),
    ("a user", "/manage/users/member"),
    ("all teams", "/manage/teams"),
    ("all teams, middle", "/manage/teams?after={crew}"),
    ("all teams, a few", "/manage/teams?q=rew-0009"),
    ("all teams, none", f"/manage/teams?q={_NOTHING}"),
    ("all tokens", "/manage/tokens"),
    ("all tokens, middle", "/manage/tokens?after={token}"),
    ("all tokens, a few", "/manage/tokens?q=son-0009"),
    ("all tokens, none", f"/manage/tokens?q={_NOTHING}"),
    ("the audit log", "/manage/audit"),
    ("the audit log, middle", "/manage/audit?after={event}"),
    ("the audit log, by actor", "/manage/audit?actor=member"),
    ("the audit log, by kind of action", "/manage/audit?action=team."),
    ("the audit log, by kind, none", "/manage/audit?action=robot."),
    ("the audit log, by target", "/manage/audit?target=team-009/app-0009"),
    ("the audit log, refusals", "/manage/audit?outcome=denied"),
    ("the scrub", "/manage/scrub"),
)
_LISTS = (
    ("`teams`", "teams"),
    ("`teams/…/members`", "teams/many/members"),
    ("`teams/…/members`, middle", "teams/many/members?cursor={person}"),
    ("`tokens`", "tokens"),
    ("`repositories`", "repositories"),
    ("`repositories`, middle", "repositories?cursor={middle}"),
    ("`repositories`, last", "repositories?cursor={last}"),
    ("`repositories?search=`", "repositories?search=app-0009"),
    ("`repositories?team=`", "repositories?team=team-001"),
    ("`repositories/…`, of many tags", f"repositories/{MANY}"),
    ("`repositories/…/-/tags`", f"repositories/{MANY}/-/tags"),
    ("`repositories/…/-/tags`, middle", f"repositories/{MANY}/-/tags?cursor={{tag}}"),
    ("`repositories/…/-/tags`, last", f"repositories/{MANY}/-/tags?cursor={{last_tag}}"),
    ("`…/tags/…/changes`", f"repositories/{MANY}/-/tags/amd64/changes"),
    ("`…/images/…`", f"repositories/{MANY}/-/images/amd64"),
    ("`…/images/…/referrers`, very many", f"repositories/{MANY}/-/images/{REFERRED_TO}/referrers"),
    ("`…/retention`", f"repositories/{THOUSAND}/-/retention"),
    ("`search`", "search?q=app-0009"),
    ("`activity`", "activity"),
    ("`activity`, of one repository", f"activity?repository={MANY}"),
    ("`uploads`", "uploads"),
    ("`uploads`, of one repository", f"uploads?repository={MANY}"),
    ("`usage`, of a team", "usage?team=many"),
    ("`usage/repositories`", "usage/repositories"),
    ("`usage/teams`", "usage/teams"),
)
_ADMIN_LISTS = (
    ("`users`", "users"),
    ("`users`, middle", "users?cursor={person}"),
    ("`users?search=`, a few", "users?search=son-0009"),
    ("`users?search=`, none", f"users?search={_NOTHING}"),
    ("`teams?search=`, none", f"teams?search={_NOTHING}"),
    ("`teams/…/robots`", "teams/many/robots"),
    ("`tokens`, middle", "tokens?cursor={token}"),
    ("`tokens?owner=`", "tokens?owner=member"),
    ("`usage`", "usage"),
    ("`audit`", "audit"),
    ("`audit`, of a day long ago", "audit?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z"),
)


def cases(size: int) -> Iterator[Case]:
    """Every page and list, as each of WHO."""
    names = _names(size)
    for group, asker, everyone, admins in (
        ("page", Browser, _PAGES, _ADMIN_PAGES),
        ("api", Program, _LISTS, _ADMIN_LISTS),
    ):
        for who in WHO:
            one = asker(who)
            for title, address in everyone + (admins if who == "admin" else ()):
                yield Case(group, title, who, one.get(address.format(**names)))


def asked(addresses: Sequence[str]) -> Iterator[Case]:
    """These pages, as each of WHO."""
    for who in WHO:
        browser = Browser(who)
        for address in addresses:
            yield Case("page", f"`{address}`", who, browser.get(address))


def _names(size: int) -> dict[str, object]:
    half = size // 2
    tokens = AccessToken.objects.order_by("pk").values_list("pk", flat=True)
    events = AuditEvent.objects.order_by("pk").values_list("pk", flat=True)
    # In the order of names the repositories of the tenth team of twenty are in the middle.
    return {
        "middle": quote(f"team-010/app-{half // 20 * 20 + 10:06}"),
        "last": quote(f"team-019/app-{size - 1500 if size > 1500 else 0:06}"),
        "tag": f"t{half:06}",
        "last_tag": f"t{size - 40:06}",
        "person": f"person-{half:06}",
        "crew": f"crew-{half:06}",
        "robot": f"robot-many-{half:06}",
        "token": tokens[tokens.count() // 2],
        "event": events[events.count() // 2],
    }
