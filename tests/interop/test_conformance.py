"""The OCI distribution-spec's own suites, against a live server.

The suite of the specification's main branch is required: `.ci/install` builds it. The one of v1.1.1
is a test binary, compiled from a checkout of the specification (`go test -c` in its conformance
folder); it runs where BERTH_CONFORMANCE_V1 names such a binary.
"""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.interop.tools import Client, Registry, digest_of

pytestmark = [pytest.mark.interop, pytest.mark.both_databases, pytest.mark.timeout(180)]

# A run that stops early, or tests nothing, must not pass for a good one: what the suites count when
# all is well, rounded down.
CHECKS = {"1.1": 850, "dev": 970}
CHECKS_V1 = 70
SKIPPED_AT_MOST = 2


class Report:
    """A JUnit report: how many checks passed and were skipped, and which failed."""

    def __init__(self, path: Path) -> None:
        root = ET.parse(path).getroot()
        (suite,) = root.iter("testsuite")
        total, failures, errors, self.skipped = (
            int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")
        )
        self.broken = failures + errors
        self.passed = total - self.broken - self.skipped
        well = ("passed", "skipped", "disabled")
        self.failed = [
            case.get("name", "?")
            for case in root.iter("testcase")
            if case.get("status") not in well
        ]

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.broken} failed, {self.skipped} skipped"


@pytest.mark.parametrize("version", ["1.1", "dev"])
def test_the_suite_of_main(
    registry: Registry, repository: str, tmp_path: Path, version: str
) -> None:
    settings = {
        "OCI_VERSION": version,
        "OCI_TLS": "disabled",
        "OCI_REGISTRY": registry.host,
        "OCI_REPO1": f"{repository}/one",
        "OCI_REPO2": f"{repository}/two",
        "OCI_RESULTS_DIR": str(tmp_path / "results"),
    }
    status = Client("conformance", tmp_path, env=settings).attempt()
    report = Report(tmp_path / "results" / "junit.xml")
    print(f"conformance {version}: {report}")
    assert not report.failed, "\n".join(report.failed)
    assert (status, report.broken) == (0, 0)
    assert report.passed >= CHECKS[version], report
    assert report.skipped <= SKIPPED_AT_MOST, report


def mounts_without_from(registry: Registry, repository: str) -> bool:
    """Whether the server looks for a blob itself when a mount names no source repository."""
    content = b"to be mounted"
    digest = digest_of(content)
    place = registry.request("POST", f"{repository}/a/blobs/uploads/").headers["Location"]
    place = registry.absolute(place)
    done = registry.session.put(place, params={"digest": digest}, data=content, timeout=30)
    assert done.status_code == 201
    path = f"{repository}/b/blobs/uploads/"
    return registry.request("POST", path, params={"mount": digest}).status_code == 201


def test_the_suite_of_v1(registry: Registry, repository: str, tmp_path: Path) -> None:
    binary = os.environ.get("BERTH_CONFORMANCE_V1")
    if not binary:
        pytest.skip("BERTH_CONFORMANCE_V1 names no compiled conformance.test of v1.1.1")
    automatic = "1" if mounts_without_from(registry, repository) else "0"
    for number, choice in enumerate((None, automatic)):
        settings = {
            "OCI_ROOT_URL": registry.url,
            "OCI_NAMESPACE": f"{repository}/{number}/one",
            "OCI_CROSSMOUNT_NAMESPACE": f"{repository}/{number}/two",
            "OCI_DELETE_MANIFEST_BEFORE_BLOBS": "1",
            "OCI_REPORT_DIR": str(tmp_path / f"v1-{number}"),
        }
        names = ("PULL", "PUSH", "CONTENT_DISCOVERY", "CONTENT_MANAGEMENT")
        settings |= {f"OCI_TEST_{name}": "1" for name in names}
        if choice is not None:
            settings["OCI_AUTOMATIC_CROSSMOUNT"] = choice
        status = Client(binary, tmp_path, env=settings).attempt()
        report = Report(tmp_path / f"v1-{number}" / "junit.xml")
        print(f"conformance v1.1.1, OCI_AUTOMATIC_CROSSMOUNT={choice}: {report}")
        assert not report.failed, "\n".join(report.failed)
        assert (status, report.broken) == (0, 0)
        assert report.passed >= CHECKS_V1, report
