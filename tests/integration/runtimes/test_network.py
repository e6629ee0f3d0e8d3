"""Whom a container can reach, the same for every runtime."""

import os
import socket
import time
from dataclasses import replace

import pytest

from lifecycle.runtime.spec import (
    ContainerSpec,
    Network,
    Port,
    Sandbox,
)
from oci.errors import ContainerError, HostError
from tests.support.containers import exit_code, output, shell


def test_none_has_only_the_loopback(sandbox: Sandbox, spec: ContainerSpec) -> None:
    lines = output(sandbox, shell(spec, "ls /proc/sys/net/ipv4/conf; ip -o addr show lo"))
    assert set(lines[:-2]) | {"all", "default", "lo"} >= {"lo"}
    names = {line for line in lines if " " not in line}
    assert names - {"all", "default"} == {"lo"}
    assert any("127.0.0.1/8" in line for line in lines)


def test_private_reaches_out_but_not_the_hosts_loopback(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    name = f"locald-test-{os.getpid()}"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        port = listener.getsockname()[1]
        abstract.bind(f"\0{name}")
        abstract.listen()
        script = (
            "ip -o addr show tap0; ip route; cat /etc/hosts; cat /proc/net/unix; "
            f"for host in 127.0.0.1 ::1 10.0.2.2 10.0.2.3; do "
            f"nc -w 2 $host {port} -e /bin/true 2>/dev/null && echo reached $host; done; true"
        )
        text = "\n".join(output(sandbox, shell(replace(spec, network=Network.PRIVATE), script)))
    assert "10.0.2.100/24" in text
    assert "default via 10.0.2.2 dev tap0" in text
    assert "127.0.0.1\tlocalhost" in text
    assert name not in text
    assert "reached" not in text


def test_sysfs_tells_of_no_interface_but_its_own(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "find /sys/class/net /sys/devices -path '*/net/*' -prune | sed 's,.*/,,'"
    none = set(output(sandbox, shell(spec, script)))
    assert none <= {"lo"}
    private = set(output(sandbox, shell(replace(spec, network=Network.PRIVATE), script)))
    assert private == {"lo", "tap0"}
    host = set(output(sandbox, shell(replace(spec, network=Network.HOST), script)))
    assert host == {name for _, name in socket.if_nameindex()}


def test_sysfs_is_read_only(sandbox: Sandbox, spec: ContainerSpec) -> None:
    for network in (Network.NONE, Network.PRIVATE):
        script = "awk '$2 == \"/sys\" {print $4}' /proc/mounts; touch /sys/x 2>&1"
        lines = output(sandbox, shell(replace(spec, network=network), f"{script}; true"))
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(lines[0].split(","))
        assert "touch" in lines[-1]


def test_host_network_is_the_hosts(sandbox: Sandbox, spec: ContainerSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        script = f"nc -w 2 127.0.0.1 {port} -e /bin/true"
        output(sandbox, shell(replace(spec, network=Network.HOST), script))


def test_a_published_port_reaches_the_container(sandbox: Sandbox, spec: ContainerSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    answers: list[bytes] = []

    def connect(*_: object) -> None:
        deadline = time.monotonic() + 10
        while not answers and time.monotonic() < deadline:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=2) as client:
                    if data := client.recv(100):
                        answers.append(data)
            except OSError:
                time.sleep(0.1)

    web = replace(spec, network=Network.PRIVATE, ports=(Port(host=port, container=8080),))
    script = "echo ready; echo pong | nc -l -p 8080"
    assert sandbox.run(shell(web, script), on_line=connect) == 0
    assert answers == [b"pong\n"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=2)


def test_a_taken_port_is_told(sandbox: Sandbox, spec: ContainerSpec) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        web = replace(spec, network=Network.PRIVATE, ports=(Port(host=port, container=80),))
        with pytest.raises((HostError, ContainerError)):
            exit_code(sandbox, web)
