"""The commands that fetch what a repository has, ready to be copied."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from django.utils.translation import gettext as _

from accounts.web.server import Server
from repositories.oci.artifacts import Kind
from repositories.oci.digests import is_digest

_IMAGES = frozenset({Kind.IMAGE, Kind.INDEX})
_MAX_LABEL = 63


class Snippet(NamedTuple):
    """A tool, and what one types there."""

    tool: str
    text: str


def address(server: Server, name: str, reference: str) -> str:
    """`host/name:tag` or `host/name@digest`."""
    return f"{server.host}/{name}{'@' if is_digest(reference) else ':'}{reference}"


def of(*, server: Server, name: str, reference: str, kind: Kind) -> Sequence[Snippet]:
    """How to fetch it: with the tools for images, or those that its kind has."""
    where = address(server, name, reference)
    # What is served without TLS is asked for by most tools only when they are told so.
    plain = server.url.startswith("http://")
    if kind in _IMAGES:
        return _of_image(where, name, plain)
    option = " --plain-http" if plain else ""
    oras = Snippet("ORAS", f"oras pull{option} {where}")
    if kind is Kind.HELM_CHART:
        return (Snippet("Helm", _helm(server, name, reference, option)), oras)
    if kind is Kind.SINGULARITY:
        http = " --no-https" if plain else ""
        return (Snippet("Apptainer", f"apptainer pull{http} oras://{where}"), oras)
    copy = "oras copy --to-oci-layout" + (" --from-plain-http" if plain else "")
    layout = f"{copy} {where} {label_of(name)}"
    return (oras, Snippet(_("With its manifest"), layout))


def _of_image(where: str, name: str, plain: bool) -> Sequence[Snippet]:
    unverified = " --tls-verify=false" if plain else ""
    source = " --src-tls-verify=false" if plain else ""
    label = label_of(name)
    return (
        Snippet("Docker", f"docker pull {where}"),
        Snippet("Podman", f"podman pull{unverified} {where}"),
        Snippet("Skopeo", f"skopeo copy{source} docker://{where} oci:{label}"),
        Snippet("Kubernetes", f"containers:\n  - name: {label}\n    image: {where}"),
        Snippet("Compose", f"services:\n  {label}:\n    image: {where}"),
    )


def _helm(server: Server, name: str, reference: str, option: str) -> str:
    chart = f"oci://{server.host}/{name}"
    if is_digest(reference):
        return f"helm pull{option} {chart}@{reference}"
    # Helm writes `_` where a version has `+`, which tags may not have.
    return f"helm pull{option} {chart} --version {reference.replace('_', '+')}"


def label_of(name: str) -> str:
    """The last component of a repository's name as a DNS label, which containers are named by."""
    last = name.rpartition("/")[2]
    return re.sub(r"[._-]+", "-", last)[:_MAX_LABEL].strip("-")
