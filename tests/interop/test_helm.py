"""helm: a chart is pushed, shown, pulled and installed from nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

CHART = """\
apiVersion: v2
name: berth-test
description: A chart with one settings map.
version: 1.2.3+build.4
"""
TEMPLATE = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "{{ .Release.Name }}"}
data: {greeting: "{{ .Values.greeting }}"}
"""


@pytest.fixture
def helm(tmp_path: Path) -> Client:
    """helm, which needs no cluster for charts."""
    return Client("helm", tmp_path / "helm")


@pytest.fixture
def chart(helm: Client) -> Path:
    """A packaged chart."""
    folder = helm.home / "berth-test"
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text(CHART)
    (folder / "values.yaml").write_text("greeting: hello\n")
    (folder / "templates" / "map.yaml").write_text(TEMPLATE)
    helm("package", folder)
    return next(helm.home.glob("*.tgz"))


def test_a_chart_is_pushed_and_pulled(
    helm: Client, chart: Path, registry: Registry, repository: str, tmp_path: Path
) -> None:
    where = f"oci://{registry.host}/{repository}"
    helm("push", "--plain-http", chart, where)
    # A tag has no "+": helm writes "_" instead, and turns it back when it reads.
    assert registry.tags(f"{repository}/berth-test") == ["1.2.3_build.4"]
    graph = registry.graph(f"{repository}/berth-test", "1.2.3_build.4")
    assert digest_of(chart.read_bytes()) in graph

    (tmp_path / "back").mkdir()
    version = ("--version", "1.2.3+build.4", "--plain-http")
    helm("pull", f"{where}/berth-test", *version, "--destination", tmp_path / "back")
    assert next((tmp_path / "back").iterdir()).read_bytes() == chart.read_bytes()
    assert "description: A chart with" in helm("show", "chart", f"{where}/berth-test", *version)
    rendered = helm("template", "release", f"{where}/berth-test", *version)
    assert 'greeting: "hello"' in rendered.replace("{", "").replace("}", "")
