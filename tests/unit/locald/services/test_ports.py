"""Which port, and is anybody there."""

import socket
import threading
from collections.abc import Iterator

import pytest

from lifecycle.runtime.spec import Port
from locald.services.ports import announced, answers, choose_port, require_free
from oci.errors import BusyError, UsageError


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def free_port() -> int:
    return require_free(0)


def chosen(
    env: dict[str, str] | None = None,
    flag: int | None = None,
    service: int | None = None,
    container: int | None = None,
    *,
    shared: bool = False,
) -> Port:
    return choose_port(
        env or {}, flag=flag, service=service, container=container, shared_network=shared
    )


def test_flag_then_environment_then_service() -> None:
    one, two, three = free_port(), free_port(), free_port()
    assert chosen({"PORT": str(two)}, one, three) == Port(host=one, container=two)
    assert chosen({"PORT": str(two)}, None, three) == Port(host=two, container=two)
    assert chosen(service=three) == Port(host=three, container=three)
    assert chosen(service=three, container=80) == Port(host=three, container=80)


def test_on_a_shared_network_both_are_one() -> None:
    one, two = free_port(), free_port()
    assert chosen(flag=one, container=80, shared=True) == Port(host=one, container=one)
    assert chosen({"PORT": str(two)}, one, shared=True) == Port(host=two, container=two)


def test_zero_is_any_free_port() -> None:
    port = chosen(flag=0)
    assert port.host == port.container > 1023


@pytest.mark.parametrize("text", ["", "http", "0", "65536", "-1", "²"])
def test_a_port_variable_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="no port number"):
        chosen({"PORT": text})


def test_a_taken_port_is_named(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    with pytest.raises(BusyError, match=str(port)) as raised:
        require_free(port)
    assert "--port" in raised.value.hint


def test_nobody_answers_on_a_free_port() -> None:
    assert not answers(free_port())


def test_a_server_that_waits_for_us_answers(listener: socket.socket) -> None:
    assert answers(listener.getsockname()[1])


def test_a_forwarder_that_hangs_up_does_not_answer(listener: socket.socket) -> None:
    def hang_up() -> None:
        listener.accept()[0].close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    assert not answers(listener.getsockname()[1])
    thread.join()


def test_the_address_is_told_once(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    told: list[str] = []
    heard = threading.Event()

    def tell(text: str) -> None:
        told.append(text)
        heard.set()

    with announced(Port(host=port, container=80), tell, stopping=threading.Event()):
        assert heard.wait(timeout=10)
    assert told == [f"http://localhost:{port}"]


def test_nothing_is_told_once_it_is_stopping(listener: socket.socket) -> None:
    told: list[str] = []
    stopping = threading.Event()
    stopping.set()
    port = Port(host=listener.getsockname()[1], container=80)
    with announced(port, told.append, stopping=stopping):
        pass
    assert told == []
