from pathlib import Path

import pytest

from lifecycle.runtime.network import hosts_file, require_tun, resolv_conf, slirp4netns_argv
from lifecycle.runtime.spec import Network
from oci.errors import HostError

HOST = "# made by hand\nnameserver 192.0.2.1\nsearch example.com\noptions ndots:2\n"


def test_a_private_network_asks_slirp4netns_and_keeps_the_search_list() -> None:
    assert resolv_conf(Network.PRIVATE, HOST) == (
        "search example.com\noptions ndots:2\nnameserver 10.0.2.3\n"
    )


def test_the_hosts_network_has_the_hosts_resolvers() -> None:
    assert resolv_conf(Network.HOST, HOST) == HOST


def test_no_network_has_no_resolver() -> None:
    assert resolv_conf(Network.NONE, HOST) == ""


def test_hosts_names_only_the_container() -> None:
    assert hosts_file("locald") == "127.0.0.1\tlocalhost locald\n::1\tlocalhost locald\n"


def test_slirp4netns_keeps_off_the_hosts_loopback_and_ends_with_its_input() -> None:
    assert slirp4netns_argv(network_namespace="/proc/7/ns/net", ready_fd=9) == (
        *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback"),
        *("--enable-seccomp", "--ready-fd=9", "--exit-fd=0", "--api-socket=api"),
        *("--netns-type=path", "/proc/7/ns/net", "tap0"),
    )


def test_a_missing_tun_device_is_told_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be opened") as caught:
        require_tun(tmp_path / "tun")
    assert "chmod 0666 /dev/net/tun" in caught.value.hint
    assert "--network none" in caught.value.hint
