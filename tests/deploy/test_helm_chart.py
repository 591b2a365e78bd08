"""The chart of `deploy/helm`: Kubernetes knows each field that it renders, Berth each setting."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from registry_site import __version__
from registry_site.env import CONFIGURATION_PATH
from tests.interop.tools import Client
from tests.live import ROOT, inherited

pytestmark = pytest.mark.timeout(120)

CHART = ROOT / "deploy" / "helm"
# The oldest that the chart takes, one between, and the newest that there are schemas of.
KUBERNETES = ("1.25", "1.31", kubernetes_validate.latest_version())
POSTGRES = {"existingSecret": "berth-database"}
SEVERAL = {
    "replicas": 3,
    "database": POSTGRES,
    "persistence": {"accessModes": ["ReadWriteMany"], "storageClass": "nfs"},
}
INGRESS = {"ingress": {"enabled": True, "className": "nginx", "tlsSecret": "registry-tls"}}
EVERYTHING = {
    **SEVERAL,
    **INGRESS,
    "image": {"repository": "registry.example.com/berth", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "pull"}],
    "trustedProxies": ["10.0.0.0/8", "fd00::/8"],
    "config": {"version": 0.1, "log": {"level": "debug"}, "garbage": {"untagged": 30}},
    "env": {"REGISTRY_SCRUB_RATE": "5MB/s", "REGISTRY_TAGS_MAXTAGS": 100_000},
    "secrets": {"REGISTRY_ADMIN_PASSWORD": "canary-of-the-chart"},
    "existingSecret": "berth-more",
    "networkPolicy": {"enabled": True, "from": [{"podSelector": {"matchLabels": {"app": "in"}}}]},
    "service": {"type": "LoadBalancer", "port": 443, "annotations": {"a": "b"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"a": "b"},
    "priorityClassName": "high",
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "registry", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
    ],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/certs", "readOnly": True}],
}
TLS = {"certificate": "/certs/tls.crt", "key": "/certs/tls.key"}
MATRIX: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "PostgreSQL": {"database": POSTGRES},
    "PostgreSQL, address in values": {"secrets": {"DATABASE_URL": "postgres://berth@db/berth"}},
    "several": SEVERAL,
    "Ingress": INGRESS,
    "HTTPS": {"config": {"http": {"addr": "[::]:5000", "tls": TLS}}},
    "a claim of yours": {"persistence": {"existingClaim": "blobs", "keep": False}},
    "stopped": {"replicas": 0},
    "everything": EVERYTHING,
}


class Release(dict[str, Any]):
    """What the chart makes of values, by kind; each kind is there once at most."""

    @property
    def pod(self) -> dict[str, Any]:
        return dict(self["Deployment"]["spec"]["template"]["spec"])

    @property
    def container(self) -> dict[str, Any]:
        (container,) = self.pod["containers"]
        return dict(container)

    @property
    def environment(self) -> dict[str, str]:
        """What stands in the pod itself; references to secrets left out."""
        named = {one["name"]: one.get("value") for one in self.container["env"]}
        assert len(named) == len(self.container["env"])
        return {name: value for name, value in named.items() if value is not None}


@pytest.fixture(scope="module")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client("helm", tmp_path_factory.mktemp("helm"))


def write(helm: Client, values: Mapping[str, Any]) -> Path:
    path = helm.home / "values.yaml"
    path.write_text(yaml.safe_dump(dict(values)))
    return path


def render(helm: Client, values: Mapping[str, Any]) -> Release:
    text = helm("template", "r", CHART, "--values", write(helm, values))
    documents = [document for document in yaml.safe_load_all(text) if document]
    found = Release({document["kind"]: document for document in documents})
    assert len(found) == len(documents)
    return found


@pytest.mark.parametrize("values", MATRIX.values(), ids=MATRIX)
def test_kubernetes_knows_every_field_of_what_it_renders(
    helm: Client, values: dict[str, Any]
) -> None:
    release = render(helm, values)
    assert {"Deployment", "Service"} <= release.keys()
    for document in release.values():
        for version in KUBERNETES:
            kubernetes_validate.validate(document, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_would_be_found(helm: Client) -> None:
    service = render(helm, {})["Service"]
    service["spec"]["ports"][0]["targetport"] = "registry"
    with pytest.raises(kubernetes_validate.ValidationError, match="targetport"):
        kubernetes_validate.validate(service, KUBERNETES[0], strict=True)


@pytest.mark.parametrize("values", [{}, EVERYTHING], ids=["as it comes", "everything"])
def test_helm_finds_nothing_to_complain_of(helm: Client, values: dict[str, Any]) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", CHART, "--values", write(helm, values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"replicas": 2}, "SQLite is for one replica"),
        ({"replicas": 2, "database": POSTGRES}, "ReadWriteMany"),
        ({"replicas": 2, "persistence": {"accessModes": ["ReadWriteMany"]}}, "SQLite is for one"),
        ({"database": POSTGRES, "env": {"DATABASE_URL": "postgres://db/b"}}, "keep one"),
        ({"env": {"REGISTRY_HTTP_ADDR": ":80"}}, "service.port"),
        ({"config": {"http": {"addr": ":443"}}}, "service.port"),
        ({"env": {"REGISTRY_DATA": "/data"}}, "/var/lib/registry"),
        ({"config": {"http": {"draintimeout": "10s"}}}, "drainSeconds"),
        ({"env": {"REGISTRY_HTTP_DRAINTIMEOUT": "10s"}}, "drainSeconds"),
        ({"config": {"http": {"tls": {**TLS, "clientcas": ["/ca"]}}}}, "if-given"),
        ({"replica": 2}, "'replica' not allowed"),
        ({"persistence": {"size": "much"}}, "/persistence/size"),
        ({"persistence": {"accessModes": ["ReadOnlyMany"]}}, "/persistence/accessModes"),
        ({"publicUrl": "registry.example.com"}, "/publicUrl"),
        ({"env": {"NO NAME": "x"}}, "NO NAME"),
        ({"env": {"REGISTRY_LOG_FIELDS": {"a": "b"}}}, "/env/REGISTRY_LOG_FIELDS"),
    ],
)
def test_what_would_not_work_is_refused_with_what_to_do(
    helm: Client, values: dict[str, Any], said: str
) -> None:
    assert said in helm.refused("template", "r", CHART, "--values", write(helm, values))


def test_the_pod_may_do_as_little_as_it_needs(helm: Client) -> None:
    pod = render(helm, {}).pod
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    for container in (*pod["initContainers"], *pod["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        places = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert places == {"/var/lib/registry", "/tmp"}


def test_kubernetes_injects_no_addresses_that_look_like_settings(helm: Client) -> None:
    assert render(helm, {}).pod["enableServiceLinks"] is False


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({}, "Recreate"),
        ({"database": POSTGRES}, "Recreate"),
        ({"persistence": {"accessModes": ["ReadWriteMany"]}}, "Recreate"),
        (SEVERAL, "RollingUpdate"),
    ],
)
def test_two_pods_never_have_sqlite_or_a_volume_for_one(
    helm: Client, values: dict[str, Any], kind: str
) -> None:
    assert render(helm, values)["Deployment"]["spec"]["strategy"]["type"] == kind


def test_a_budget_is_there_for_several_only(helm: Client) -> None:
    """For one it could only say that its node is never drained."""
    assert "PodDisruptionBudget" not in render(helm, {})
    assert render(helm, SEVERAL)["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1


def test_a_stop_has_time_for_transfers(helm: Client) -> None:
    release = render(helm, {"drainSeconds": 1000})
    assert release.environment["REGISTRY_HTTP_DRAINTIMEOUT"] == "1000s"
    (pause,) = release.container["lifecycle"]["preStop"]["exec"]["command"][1:]
    assert release.pod["terminationGracePeriodSeconds"] > 1000 + int(pause)


@pytest.mark.parametrize(("config", "scheme"), [({}, "HTTP"), ({"http": {"tls": TLS}}, "HTTPS")])
def test_it_is_asked_as_it_speaks(helm: Client, config: dict[str, Any], scheme: str) -> None:
    container = render(helm, {"config": config}).container
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("readiness", "liveness")}
    assert asked["readiness"] == {"path": "/readyz", "port": "registry", "scheme": scheme}
    assert asked["liveness"] == {"path": "/healthz", "port": "registry", "scheme": scheme}


def test_the_database_is_made_ready_before_anything_is_probed(helm: Client) -> None:
    release = render(helm, EVERYTHING)
    (first,) = release.pod["initContainers"]
    for name in ("image", "env", "envFrom", "volumeMounts"):
        assert first[name] == release.container[name]
    assert (first["args"], release.container["args"]) == (["migrate"], ["serve"])


def test_secrets_stand_in_the_secret_alone(helm: Client) -> None:
    release = render(helm, EVERYTHING)
    secret = release.pop("Secret")
    assert "canary" in secret["stringData"]["REGISTRY_ADMIN_PASSWORD"]
    assert "canary" not in json.dumps(release)
    sources = [source["secretRef"]["name"] for source in release.container["envFrom"]]
    assert sources == [secret["metadata"]["name"], "berth-more"]
    (database,) = [one for one in release.container["env"] if one["name"] == "DATABASE_URL"]
    assert database["valueFrom"]["secretKeyRef"] == {
        "name": "berth-database",
        "key": "DATABASE_URL",
    }


@pytest.mark.parametrize("changed", ["config", "secrets"])
def test_changed_settings_make_new_pods(helm: Client, changed: str) -> None:
    def annotations(**values: Any) -> dict[str, Any]:
        deployment = render(helm, values)["Deployment"]
        return dict(deployment["spec"]["template"]["metadata"]["annotations"])

    assert annotations() == annotations()
    assert annotations() != annotations(**{changed: {"REGISTRY_ADMIN_PASSWORD": "a"}})


def test_the_claim_outlives_the_release_unless_told_otherwise(helm: Client) -> None:
    kept = render(helm, {})["PersistentVolumeClaim"]
    assert kept["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    lost = render(helm, {"persistence": {"keep": False}})["PersistentVolumeClaim"]
    assert not lost["metadata"].get("annotations")


def test_everything_leads_to_the_pods(helm: Client) -> None:
    release = render(helm, EVERYTHING)
    labels = release["Deployment"]["spec"]["template"]["metadata"]["labels"]
    for selector in (
        release["Deployment"]["spec"]["selector"]["matchLabels"],
        release["Service"]["spec"]["selector"],
        release["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        release["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert selector.items() <= labels.items()
    (rule,) = release["Ingress"]["spec"]["rules"]
    service = rule["http"]["paths"][0]["backend"]["service"]
    (port,) = release["Service"]["spec"]["ports"]
    assert service["name"] == release["Service"]["metadata"]["name"]
    assert service["port"] == {"name": port["name"]}
    assert port["targetPort"] == release.container["ports"][0]["name"]


def test_berth_knows_every_setting_that_the_pod_gets(helm: Client, tmp_path: Path) -> None:
    release = render(helm, EVERYTHING)
    file = tmp_path / "config.yml"
    file.write_text(release["ConfigMap"]["data"]["config.yml"])
    ours = {"REGISTRY_DATA": str(tmp_path), CONFIGURATION_PATH: str(file)}
    done = subprocess.run(
        [sys.executable, "-m", "registry_site.registry", "show_config", "--json"],
        cwd=ROOT,
        env=inherited() | release.environment | ours,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    shown = json.loads(done.stdout)
    assert shown["without_effect"] == []
    values = {entry["name"]: entry["value"] for entry in shown["settings"]}
    expected = {
        "REGISTRY_HTTP_ADDR": ":5000",
        "REGISTRY_HTTP_HOST": "https://registry.example.com",
        "REGISTRY_HTTP_TRUSTEDPROXIES": "10.0.0.0/8,fd00::/8",
        "REGISTRY_HTTP_DRAINTIMEOUT": "300s",
        "REGISTRY_LOG_LEVEL": "debug",
        "REGISTRY_GARBAGE_UNTAGGED": "30",
        "REGISTRY_SCRUB_RATE": "5MB/s",
        "REGISTRY_TAGS_MAXTAGS": "100000",
    }
    assert expected.items() <= values.items()


def test_the_values_of_the_docs_are_values(helm: Client) -> None:
    chapter = (ROOT / "docs" / "deploy.md").read_text().partition("\n## Kubernetes\n")[2]
    found = re.findall(r"^```yaml\n(.*?)^```", chapter, re.MULTILINE | re.DOTALL)
    first, besides = map(yaml.safe_load, found)
    assert render(helm, first)["Ingress"]["spec"]["rules"][0]["host"] == "registry.example.com"
    assert render(helm, first | besides)["Deployment"]["spec"]["replicas"] == 3


def test_the_chart_is_of_this_version_of_berth() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == __version__


def test_people_are_told_how_to_get_in(helm: Client) -> None:
    def notes(values: dict[str, Any]) -> str:
        options = ("--dry-run=client", "--hide-secret", "--namespace", "n")
        path = write(helm, values)
        return helm("install", "r", CHART, *options, "--values", path).partition("NOTES:")[2]

    assert "logs --namespace n deployment/r-berth" in notes({})
    assert "port-forward --namespace n service/r-berth 5000:5000" in notes({})
    told = notes(INGRESS)
    assert "docker login registry.example.com" in told
    assert "trustedProxies" in told
    assert "grep password" not in notes(EVERYTHING)
