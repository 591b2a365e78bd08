"""Where `serve` listens."""

import errno
import socket
import threading
from collections.abc import Iterator

import pytest

from registry_site import serving
from registry_site.serving import Address, wait_for_port

GOOD = {
    "127.0.0.1:5000": (("127.0.0.1", 5000), True, "127.0.0.1:5000"),
    "127.8.8.8:1": (("127.8.8.8", 1), True, "127.8.8.8:1"),
    "localhost:65535": (("localhost", 65535), True, "localhost:65535"),
    "[::1]:5000": (("::1", 5000), True, "[::1]:5000"),
    ":5000": (("0.0.0.0", 5000), False, "127.0.0.1:5000"),
    "0.0.0.0:5000": (("0.0.0.0", 5000), False, "127.0.0.1:5000"),
    "[::]:5000": (("::", 5000), False, "[::]:5000"),
    "192.0.2.1:80": (("192.0.2.1", 80), False, "192.0.2.1:80"),
    "[2001:db8::1]:443": (("2001:db8::1", 443), False, "[2001:db8::1]:443"),
    "registry.example.com:443": (("registry.example.com", 443), False, "registry.example.com:443"),
    # Names that begin like loopback and are not.
    "127.0.0.1.example.com:80": (("127.0.0.1.example.com", 80), False, "127.0.0.1.example.com:80"),
    "localhost.example.com:80": (("localhost.example.com", 80), False, "localhost.example.com:80"),
    "0:5000": (("0", 5000), False, "0:5000"),
}
BAD = ["", ":", "5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "a:99999"]
BAD += ["::1:5000", "[::1]", "[::1:5000", "::1]:5000", "a:b", "a:-1", "a:+5", "a:\u0661", "a:5\n"]
BAD += ["http://127.0.0.1:5000", "127.0.0.1:5000/", "a b:5000", "[x]:5000", "a:5000:5000"]


@pytest.mark.parametrize("text", GOOD)
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    address = Address.parse(text)
    expected, is_loopback, reachable = GOOD[text]

    assert address == expected
    assert address.is_loopback is is_loopback
    assert address.reachable == reachable
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize("text", BAD, ids=ascii)
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:5000"):
        Address.parse(text)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A socket that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_an_address_that_nobody_listens_on_is_free(taken: socket.socket) -> None:
    address = Address(*taken.getsockname())
    taken.close()
    wait_for_port(address)
    wait_for_port(address)

    with socket.create_server(address):
        pass  # and it was left so


def test_an_address_that_somebody_listens_on_is_not(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PORT_SECONDS", 0.0)
    with pytest.raises(OSError) as caught:
        wait_for_port(Address(*taken.getsockname()))
    assert caught.value.errno == errno.EADDRINUSE


def test_a_predecessor_has_a_moment_to_let_go(
    taken: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "_PORT_SECONDS", 30.0)
    end = threading.Timer(0.1, taken.close)
    end.start()
    wait_for_port(Address(*taken.getsockname()))

    assert taken.fileno() == -1
    end.join()


def test_an_address_of_another_machine_is_said_to_be_none_at_once() -> None:
    with pytest.raises(OSError) as caught:
        wait_for_port(Address("192.0.2.1", 5000))
    assert caught.value.errno == errno.EADDRNOTAVAIL
