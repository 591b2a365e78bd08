"""Many clients at once: each does its whole part, and what goes wrong is counted."""

from functools import partial

import pytest

from benchmarks.bearer import pull, push
from benchmarks.content import Blob
from benchmarks.fleet import clients, rows
from benchmarks.fleet.__main__ import Fleet
from benchmarks.fleet.clients import Times, build, node, verify
from benchmarks.fleet.crowd import CrowdFailed, together
from benchmarks.fleet.images import Image, Images
from benchmarks.results import Participant, Result
from benchmarks.servers import Server
from benchmarks.steps import blob_path, push_blob, put_manifest


@pytest.fixture(scope="module")
def image() -> Image:
    return Image(Blob.of(b"{}"), tuple(Blob.of(b"layer %d" % n * 1000) for n in range(10)))


@pytest.fixture
def base(locked: Server, image: Image, monkeypatch: pytest.MonkeyPatch) -> Image:
    """The image of the nodes, in a repository that this test has for itself."""
    monkeypatch.setattr(clients, "BASE", "fleet/of-test")
    with locked.connect(push(clients.BASE)) as connection:
        for blob in image.blobs:
            push_blob(connection, clients.BASE, blob)
        put_manifest(connection, clients.BASE, clients.TAG, image.manifest)
    return image


def kinds(times: Times) -> dict[str, int]:
    sent = [kind for kind, _ in times.requests]
    return {kind: sent.count(kind) for kind in sent}


def test_a_node_asks_for_everything_once(locked: Server, base: Image) -> None:
    times = Times()
    node(locked, base, times)
    expected = {"token": 1, "HEAD manifest": 1, "GET manifest": 1, "GET config": 1}
    assert kinds(times) == expected | {"GET layer": 10}


def test_a_build_mounts_what_the_base_has_and_uploads_the_rest(locked: Server, base: Image) -> None:
    made = Image(Blob.of(b'{"a":1}'), (*base.layers[:7], Blob.of(b"own"), Blob.of(b"more")))
    times = Times()
    build(locked, "fleet/built", made, base, times)
    expected = {"token": 1, "HEAD blob": 10, "mount": 7, "upload": 3, "PUT manifest": 1}
    assert kinds(times) == expected
    verify(locked, "fleet/built", made)


def test_clients_run_at_once_and_make_a_figure_for_each_row(locked: Server, base: Image) -> None:
    watch = locked.watch()
    crowd = together([partial(node, locked, base) for _ in range(9)], watch)
    assert len(crowd.times) == 9
    assert rows.errors(crowd) == []
    assert crowd.cpu > 0
    # At once: the last began before the first had ended.
    assert max(t.began for t in crowd.times) < max(t.ended for t in crowd.times)
    figures = rows.figures(rows.PULL, crowd, watch, locked.idle)
    assert {*figures, "pull-errors"} == {line.key for line in rows.lines(rows.PULL, 9)}
    assert figures["pull-one-p50"] <= figures["pull-one-p99"] <= figures["pull-all"] * 1000
    assert watch.cpu > 0


def test_what_goes_wrong_for_one_is_counted(locked: Server, base: Image) -> None:
    other = Image(base.config, (*base.layers[:9], Blob.of(b"never pushed")))
    crowd = together([partial(node, locked, each) for each in (base, other, base)], locked.watch())
    assert len(rows.errors(crowd)) == 1
    assert "WrongAnswer" in rows.errors(crowd)[0]


def test_our_own_mistake_is_no_error_of_a_server(locked: Server) -> None:
    def broken(times: Times) -> None:
        raise AssertionError

    with pytest.raises(CrowdFailed, match="died"):
        together([broken], locked.watch())


def test_a_whole_run_and_the_failure_of_one(
    locked: Server, image: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "BASE", "fleet/of-run")
    result = Result("", "", 2, {}, [Participant(locked.key, "Berth")])
    fleet = Fleet(result, nodes=4, builds=3)
    fleet.run([locked])
    assert not result.failed
    by_key = {line.key: line.cells[locked.key] for line in result.lines}
    assert by_key["pull-errors"].values == by_key["push-errors"].values == [0, 0]
    assert all(len(cell.values) == 2 for cell in by_key.values())
    assert by_key["push-all"].median_cpu

    # Nobody has pushed what the nodes of this run ask for.
    monkeypatch.setattr(clients, "BASE", "fleet/of-second-run")
    spoilt = Result("", "", 1, {}, [Participant(locked.key, "Berth")])
    fleet = Fleet(spoilt, nodes=4, builds=1)
    monkeypatch.setattr(Fleet, "_loaded", bool)
    fleet.run([locked])
    assert spoilt.failed
    line = next(line for line in spoilt.lines if line.key == "pull-errors")
    assert line.cells[locked.key].values == [4]


def test_builds_share_a_base_and_one_new_layer() -> None:
    images = Images()
    first, second = images.builds(2)
    shared = set(first.layers) & set(second.layers)
    assert len(shared - set(images.base.layers)) == 1
    assert len(shared & set(images.base.layers)) == 7
    assert len(first.layers) == len(images.base.layers) == 10


@pytest.mark.parametrize(("part", "expected"), [(50, 50.5), (99, 99.01)])
def test_percentiles_lie_between_values(part: int, expected: float) -> None:
    assert rows.percentile([float(n) for n in range(1, 101)], part) == pytest.approx(expected)
    assert rows.percentile([3.0], part) == 3.0


def test_a_layer_with_other_bytes_is_noticed(locked: Server, base: Image) -> None:
    path = locked.find_blob and locked.find_blob(locked.place, clients.BASE, base.layers[3].digest)
    assert path
    right = path.read_bytes()
    path.write_bytes(b"x" * len(right))
    try:
        node(locked, base, Times())  # has the right length: no pull that is timed hashes it
        with pytest.raises(Exception, match="not those of"):
            verify(locked, clients.BASE, base)
    finally:
        path.write_bytes(right)
    with locked.connect(pull(clients.BASE)) as connection:
        assert connection.request("HEAD", blob_path(clients.BASE, base.layers[3].digest)).status
