"""A team that writes the corpus of `payloads.py` wherever a client may write something.

Run like `world.py`, beside a server. The last line that `fill` prints is JSON: the pages that show
it, each with the fields whose texts stand on it.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.urls import reverse

from accounts import audit, teams, tokens, trust_rules
from accounts.models import AuditEvent, Team, User
from repositories import administration, usage
from repositories.access import Principal, principal_of
from repositories.manifests import PushedManifest
from repositories.oci import media_types
from repositories.oci.digests import Digest
from repositories.oci.scopes import parse_token_scopes
from tests.browser.payloads import MEDIA_TYPES, NAMES, PAYLOADS, TAGS, texts
from tests.oci import documents
from tests.oci.documents import CONFIG_TYPE, Document, descriptor
from tests.repositories.content import push_blob, push_document
from tests.repositories.layers.archives import archive, entry, gzipped, pax

TEAM = "hostile"
REPOSITORY = f"{TEAM}/config"
# Entries of an index on a page, and the bytes of a text before it is cut.
ENTRIES, CUT = 45, 3500
EMPTY = b"{}"
Pages = dict[str, list[str]]


def fill() -> None:
    """Write everything, and print the pages with their fields."""
    mallory = User.objects.create_superuser("mallory", password="correct horse battery staple")
    principal = principal_of(mallory)
    teams.create_team(principal=principal, name=TEAM)
    pages: Pages = {}
    pages |= _configs(principal)
    pages |= _histories(principal)
    pages |= _platforms(principal)
    pages |= _annotations(principal)
    pages |= _types(principal)
    pages |= _descriptions(principal)
    pages |= _names(principal)
    pages |= _accounts(principal, mallory)
    usage.measure()
    print(json.dumps(pages))


def _address(page: str, reference: str = "", name: str = REPOSITORY) -> str:
    more = {"reference": reference} if reference else {}
    return reverse(page, kwargs={"name": name, **more})


def chunks(lines: Iterable[str]) -> list[str]:
    """The lines in texts that are not cut."""
    found = [""]
    for line in lines:
        if len((found[-1] + line).encode()) > CUT:
            found.append("")
        found[-1] += line + "\n"
    return found


def _push(
    principal: Principal, tag: str, config: Document, *layers: bytes, **fields: object
) -> PushedManifest:
    content = json.dumps({"os": "linux", "architecture": "amd64"} | config).encode()
    for blob in (content, *layers):
        push_blob(principal, blob, repository=REPOSITORY)
    document = documents.image(*layers, config=descriptor(content, CONFIG_TYPE), **fields)
    return push_document(principal, document, repository=REPOSITORY, tags=[tag])


def _configs(principal: Principal) -> Pages:
    """All that a config says of how it starts, and the files of a layer."""
    lists = {
        "Entrypoint": texts("entrypoint"),
        "Cmd": texts("cmd"),
        "Env": [f"X={text}" for text in texts("env")] + texts("env-name"),
        "Labels": dict(zip(texts("label-key"), texts("label"), strict=True)),
        "ExposedPorts": {text: {} for text in texts("port")},
        "Volumes": {text: {} for text in texts("volume")},
        "Healthcheck": {"Test": texts("healthcheck")},
    }
    files = gzipped(_archive())
    image = _push(principal, "all", {"config": lists}, files)
    fields = ["entrypoint", "cmd", "env", "label-key", "label", "port", "volume", "healthcheck"]
    pages = {
        _address("image", "all"): fields,
        _address("image-manifest", "all"): [],
        _address("image-history", "all"): [],
        **_files(str(Digest.of(files)), str(image.digest)),
    }
    single = ("user", "working-dir", "author", "stop-signal")
    for number, parts in enumerate(zip(*(chunks(texts(name)) for name in single), strict=False)):
        user, folder, author, signal = parts
        run = {"User": user, "WorkingDir": folder, "StopSignal": signal}
        _push(principal, f"one-{number}", {"author": author, "config": run})
        pages[_address("image", f"one-{number}")] = [*single]
        compared = f"/compare?before={REPOSITORY}:all&after={REPOSITORY}:one-{number}"
        of_all = ["entrypoint", "cmd", "env", "label", "label-key", "port", "volume"]
        pages[compared] = [*of_all, *(name for name in single if name != "author")]
    return pages


def _archive() -> bytes:
    """A layer whose files are called so, and whose links lead there."""
    entries = [entry("etc/passwd", b"root\n")]
    for number, payload in enumerate(PAYLOADS):
        entries.append(pax(path=f"{payload};file") + entry("x", b"1"))
        link = pax(linkpath=f"{payload};symlink") + entry(f"links/target-{number}", kind=b"2")
        entries.append(link)
    return archive(*entries)


def _files(layer: str, image: str) -> Pages:
    in_layer = reverse("repository-layer", kwargs={"name": REPOSITORY, "digest": layer})
    in_image = reverse("repository-files", kwargs={"name": REPOSITORY, "digest": image})
    pages: Pages = {}
    for address in (in_layer, in_image):
        pages |= {address: [], f"{address}?q=;file": ["file"], f"{address}?q=target-": ["symlink"]}
        pages[f"{address}?folder=links"] = []
    return pages


def _histories(principal: Principal) -> Pages:
    rows: dict[str, list[Document]] = {
        "run": [{"created_by": f"RUN {text}"} for text in texts("run")],
        "created-by": [{"created_by": text} for text in texts("created-by")],
        "comment": [{"comment": text} for text in texts("comment")],
        "history-author": [{"created_by": "RUN x", "author": text} for text in texts("by")],
    }
    pages: Pages = {}
    for name, history in rows.items():
        steps = [{"empty_layer": True} | row for row in history]
        _push(principal, f"history-{name}", {"history": steps})
        pages[_address("image", f"history-{name}")] = (
            [name] if name in ("run", "created-by") else []
        )
    pages[_address("image", "history-comment")] = ["comment"]
    return pages


def _platforms(principal: Principal) -> Pages:
    """An index has an entry for each; a page shows the first fifty."""
    image = _push(principal, "plain", {})
    names = {"os": "os", "architecture": "arch", "variant": "variant", "os.version": "os-version"}
    pages: Pages = {}
    for number, start in enumerate(range(0, len(PAYLOADS), ENTRIES)):
        piece = slice(start, start + ENTRIES)
        columns = [texts(field)[piece] for field in names.values()]
        entries = [
            descriptor(
                b"",
                media_types.OCI_MANIFEST,
                digest=str(image.digest),
                size=1,
                platform=dict(zip(names, values, strict=True)),
            )
            for values in zip(*columns, strict=True)
        ]
        push_document(
            principal,
            documents.index(*entries),
            repository=REPOSITORY,
            tags=[f"platforms-{number}"],
        )
        pages[_address("image", f"platforms-{number}")] = [*names.values()]
    return pages


def _annotations(principal: Principal) -> Pages:
    """Of an image, of a referrer, and the titles of an artifact's files."""
    of = {
        name: dict(zip(texts(f"{name}-key"), texts(name), strict=True))
        for name in ("annotation", "referrer-annotation")
    }
    image = _push(principal, "annotated", {}, annotations=of["annotation"])
    push_blob(principal, EMPTY, repository=REPOSITORY)
    subject = descriptor(b"", media_types.OCI_MANIFEST, digest=str(image.digest), size=1)
    referrer = push_document(
        principal,
        documents.image(
            artifactType="application/vnd.berth-xss",
            subject=subject,
            annotations=of["referrer-annotation"],
        ),
        repository=REPOSITORY,
    )
    files = [
        descriptor(EMPTY, annotations={"org.opencontainers.image.title": text})
        for text in texts("title")
    ]
    push_document(
        principal,
        documents.image(layers=files, artifactType="application/vnd.berth-xss"),
        repository=REPOSITORY,
        tags=["titles"],
    )
    return {
        _address("image", "annotated"): ["annotation", "annotation-key"],
        _address("image-manifest", "annotated"): [],
        _address("image-referrers", "annotated"): [],
        _address("image", str(referrer.digest)): ["referrer-annotation", "referrer-annotation-key"],
        _address("image", "titles"): ["title"],
    }


def _types(principal: Principal) -> Pages:
    """What the grammar of media types leaves, for an artifact, its config and its layer."""
    subject = _push(principal, "typed", {})
    pages: Pages = {_address("image-referrers", "typed"): []}
    for number, media_type in enumerate(MEDIA_TYPES):
        document = documents.image(
            b"{}",
            config=descriptor(EMPTY, media_type),
            layers=[descriptor(EMPTY, media_type)],
            artifactType=media_type,
            subject=descriptor(b"", media_types.OCI_MANIFEST, digest=str(subject.digest), size=1),
        )
        tag = f"type-{number}"
        push_document(principal, document, repository=REPOSITORY, tags=[tag])
        pages[_address("image", tag)] = []
    return pages


def _descriptions(principal: Principal) -> Pages:
    """As paragraphs, as a list, and as the addresses and texts of links and pictures."""
    shapes = {
        "paragraphs": "\n\n".join(texts("readme")),
        "list": "\n".join(f"- {text}" for text in texts("readme")),
        "links": "\n\n".join(
            f"[{text}](<{text}>) ![{text}]({text}) [{text}]: {text}" for text in PAYLOADS
        ),
        "table": "| a | b |\n|---|---|\n"
        + "\n".join(f"| {text} | `{text}` |" for text in PAYLOADS),
    }
    pages: Pages = {}
    for shape, text in shapes.items():
        name = f"{TEAM}/readme-{shape}"
        push_blob(principal, EMPTY, repository=name)
        administration.set_description(principal=principal, name=name, description=text)
        push_document(principal, documents.image(), repository=name, tags=["1"])
        pages[_address("repository", name=name)] = []
        shown = ["readme"] if shape in ("paragraphs", "list") else []
        pages[_address("repository-settings", name=name)] = shown
    return pages


def _names(principal: Principal) -> Pages:
    """Repositories and tags, which have a grammar of their own."""
    for name in NAMES:
        push_blob(principal, EMPTY, repository=f"{TEAM}/{name}")
        push_document(principal, documents.image(), repository=f"{TEAM}/{name}", tags=["1"])
    push_blob(principal, EMPTY, repository=f"{TEAM}/tags")
    push_document(principal, documents.image(), repository=f"{TEAM}/tags", tags=TAGS)
    of_names = [f"/repositories/{TEAM}/{name}/-/" for name in NAMES]
    of_tags = [_address("image", tag, name=f"{TEAM}/tags") for tag in TAGS]
    general = ["/", f"/?team={TEAM}&sort=name", "/activity", "/storage", f"/storage?team={TEAM}"]
    lists = [*general, f"/search?q={TEAM}", f"/repositories/{TEAM}/tags/-/"]
    lists += [f"/repositories/{TEAM}/config/-/{tab}" for tab in ("", "activity", "storage")]
    return {address: [] for address in (*of_names, *of_tags, *lists)}


def _accounts(principal: Principal, mallory: User) -> Pages:
    robot = teams.create_robot(principal=principal, team=TEAM, name="tokens")
    scopes = parse_token_scopes(f"{TEAM}/*:pull")
    for number, payload in enumerate(PAYLOADS):
        tokens.create(owner=mallory, name=f"{payload};token"[:100])
        tokens.create(owner=robot, name=f"{payload};token"[:100])
        description = f"{payload};robot"
        teams.create_robot(
            principal=principal, team=TEAM, name=f"r{number}", description=description
        )
        audit.denied(
            "sign-in",
            actor=f"{payload};actor",
            target=f"{payload};target",
            credential=f"{payload};credential",
        )
    _rules(principal, scopes)
    _audit_details()
    return _account_pages(robot.pk, _emails())


def _rules(principal: Principal, scopes: Sequence[Any]) -> None:
    """As many as a team may have: the claims of one hold several payloads."""
    usable = [text for text in texts("claim") if text.isprintable() and "*" not in text]
    for number, start in enumerate(range(0, len(usable), 9)):
        piece = usable[start : start + 9]
        names = [f"{text[:90]}-name" for text in piece]
        trust_rules.create_trust_rule(
            principal=principal,
            team=TEAM,
            name=f"rule-{number}",
            issuer=f"https://elsewhere.example/{number}",
            audience=piece[0],
            claims={"sub": "x", **dict(zip(names, piece, strict=True))},
            scopes=scopes,
        )


def _audit_details() -> None:
    """Three events whose details have all of them."""
    for start in range(0, len(PAYLOADS), 60):
        piece = texts("detail")[start : start + 60]
        detail: dict[str, object] = {f"{text}-name": text for text in piece}
        audit.record("berth-xss", actor="mallory", detail=detail, outcome=AuditEvent.Outcome.DONE)


def _emails() -> str:
    """What can be an e-mail address: quoted, it may have nearly anything before the @.

    Returns the name of a user who has one.
    """
    name = ""
    for number, text in enumerate(texts("email")):
        address = f'"{text.replace(chr(34), "").replace(" ", "/")}"@example.com'
        try:
            validate_email(address)
        except ValidationError:
            continue
        name = f"mail-{number}"
        user = User(username=name, email=address)
        user.first_name = user.last_name = f"{PAYLOADS[number]};name"
        user.set_unusable_password()
        user.save()
        Team.objects.get(name=TEAM).memberships.create(user=user)
    return name


def _account_pages(robot_id: int, user: str) -> Pages:
    """Lists, whose pages the test turns as far as they go."""
    return {
        "/settings/tokens": ["token"],
        f"/teams/{TEAM}/robots": ["robot"],
        f"/teams/{TEAM}/robots/{robot_id}": ["token"],
        f"/teams/{TEAM}/trust-rules": ["claim"],
        f"/teams/{TEAM}": [],
        f"/teams/{TEAM}/members": [],
        "/manage/tokens": ["token"],
        "/manage/users?q=mail-": ["email"],
        f"/manage/users/{user}": [],
        "/manage/audit": ["actor", "target", "credential", "detail"],
        "/manage/teams": [],
        **{f"/admin/accounts/{model}/": [] for model in ("user", "robot", "accesstoken")},
        **{f"/admin/accounts/{model}/": [] for model in ("auditevent", "trustrule", "team")},
        **{f"/admin/repositories/{model}/": [] for model in ("manifest", "tag", "repository")},
    }
