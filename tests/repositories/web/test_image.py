"""The pages of an image: what it is made of, for which platform, and what is attached to it."""

import json

import pytest
from pytest_django import DjangoAssertNumQueries

from repositories.models import Repository
from repositories.oci import media_types
from tests.accounts.web.conftest import World
from tests.oci.documents import CONFIG, descriptor
from tests.repositories.content import described
from tests.repositories.web.images import NAME, XSS, push, push_artifact, push_list

IMAGES = f"/repositories/{NAME}/-/images"
RUN = {
    "config": {
        "Entrypoint": ["/tini", "--"],
        "Env": [f"NAME={XSS}"],
        "Labels": {XSS: XSS},
        "User": XSS,
        "ExposedPorts": {"8000/tcp": {}},
    },
    "author": XSS,
    "history": [{"created_by": f"RUN {XSS}"}, {"created_by": "CMD x", "empty_layer": True}],
}


def test_an_image_tells_what_it_is_made_of(world: World) -> None:
    push(world, "v1", b"x" * 3072, config=RUN)
    text = world.client("reader").get(f"{IMAGES}/v1").content.decode()
    for expected in ("/tini", "8000/tcp", "3.00 KiB", "linux/amd64", "<b>RUN</b>", "<b>CMD</b>"):
        assert expected in text
    assert f"docker pull testserver/{NAME}:v1" in text


def test_what_an_image_says_is_text(world: World) -> None:
    push(world, "v1", b"x", config=RUN)
    push_artifact(world, "odd", b"y", annotations={XSS: XSS}, artifactType="text/x-odd")
    client = world.client("reader")
    for path in ("v1", "v1/history", "v1/referrers", "v1/manifest", "odd", "odd/manifest"):
        assert "<script>alert" not in client.get(f"{IMAGES}/{path}").content.decode(), path


def test_an_index_shows_the_image_of_a_platform(world: World) -> None:
    amd = push(world, "", b"amd")
    arm = push(world, "", b"arm", config={"architecture": "arm64"})
    push_list(world, "list", amd, arm)
    client = world.client("reader")
    answer = client.get(f"{IMAGES}/list")
    assert answer.context["image"].manifest.digest == str(amd.digest)
    answer = client.get(f"{IMAGES}/list", {"platform": "linux/arm64"})
    assert answer.context["image"].manifest.digest == str(arm.digest)
    assert client.get(f"{IMAGES}/list", {"platform": "plan9/x"}).status_code == 404


def test_layers_name_only_the_repositories_that_one_may_see(world: World) -> None:
    for name in ("payments/worker", "secret/app"):
        push(world, "v1", b"base", name=name)
    push(world, "v1", b"base")
    Repository.objects.filter(name="payments/worker").update(visibility="internal")
    text = world.client("guest").get(f"{IMAGES}/v1").content.decode()
    assert "payments/worker" in text
    assert "secret/app" not in text


def test_referrers_stand_below_what_they_refer_to(world: World) -> None:
    image = push(world, "v1", b"x")
    sbom = push_artifact(
        world, "", b"sbom", artifactType="application/spdx+json", subject=described(image)
    )
    push_artifact(
        world,
        "",
        b"signature",
        artifactType="application/vnd.cncf.notary.signature",
        subject=described(sbom),
    )
    text = world.client("reader").get(f"{IMAGES}/v1/referrers").content.decode()
    assert text.index("SBOM (SPDX)") < text.index("Signature (Notation)")
    assert 'class="deep-2"' in text


def test_a_tag_tells_its_history_and_its_siblings(world: World) -> None:
    first = push(world, "latest", b"1")
    second = push(world, "latest", b"2")
    push(world, "v2", b"2")
    client = world.client("reader")
    answer = client.get(f"{IMAGES}/latest/history")
    digests = [row.digest for row in answer.context["page"].rows]
    assert digests == [str(second.digest), str(first.digest)]
    assert answer.context["other_tags"] == ["v2"]
    by_digest = client.get(f"{IMAGES}/{second.digest}/history")
    assert by_digest.context["other_tags"] == ["latest", "v2"]


def test_the_manifest_is_downloaded_byte_for_byte_and_never_shown_as_a_page(world: World) -> None:
    image = push(world, "v1", b"x")
    answer = world.client("reader").get(f"{IMAGES}/v1/manifest.json")
    assert answer.headers["Content-Disposition"].startswith("attachment;")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    stored = Repository.objects.get(name=NAME).manifests.get(digest=str(image.digest))
    assert answer.content == bytes(stored.payload)
    assert json.loads(answer.content)["layers"]


def test_a_chart_is_a_chart_and_says_how_to_get_it(world: World) -> None:
    helm = "application/vnd.cncf.helm.config.v1+json"
    push_artifact(world, "1.0_rc", b"chart", config=descriptor(CONFIG, helm))
    text = world.client("reader").get(f"{IMAGES}/1.0_rc").content.decode()
    assert "Helm chart" in text
    assert f"helm pull --plain-http oci://testserver/{NAME} --version 1.0+rc" in text
    assert "Dockerfile" not in text
    assert "docker pull" not in text


def test_files_have_their_names(world: World) -> None:
    content = b"1,2,3"
    file = descriptor(
        content, "text/csv", annotations={"org.opencontainers.image.title": "report.csv"}
    )
    push_artifact(
        world, "report", content, layers=[file], config=descriptor(CONFIG, media_types.EMPTY_CONFIG)
    )
    text = world.client("reader").get(f"{IMAGES}/report").content.decode()
    assert "report.csv" in text
    assert f"oras pull --plain-http testserver/{NAME}:report" in text


# A list reads the image that is shown beside its entries; what is attached has five levels.
@pytest.mark.parametrize(
    ("path", "most"),
    [("v1", 8), ("list", 9), ("v1/history", 5), ("v1/referrers", 6), ("v1/manifest", 3)],
)
def test_a_page_takes_few_queries_however_much_there_is(
    world: World, django_assert_max_num_queries: DjangoAssertNumQueries, path: str, most: int
) -> None:
    image = push(world, "v1", *(bytes([n]) for n in range(40)))
    push_list(world, "list", image, push(world, "", b"arm"))
    for n in range(30):
        push(world, f"other-{n}", bytes([n]))
        push_artifact(world, "", bytes([n]), subject=described(image), artifactType="text/x")
    client = world.client("reader")
    with django_assert_max_num_queries(most):
        answer = client.get(f"{IMAGES}/{path}")
    assert answer.status_code == 200
    assert len(answer.content) < 150_000


@pytest.mark.parametrize(
    "path", ["none", "sha256:" + "0" * 64, "none/manifest", "none/manifest.json", "none/referrers"]
)
def test_what_is_not_here_is_not_found(world: World, path: str) -> None:
    assert world.client("reader").get(f"{IMAGES}/{path}").status_code == 404
