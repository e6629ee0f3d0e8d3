import json
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from lifecycle.runtime.oci_config import Prepared, runtime_config
from lifecycle.runtime.spec import ContainerSpec, Mount, Network
from lifecycle.runtime.sysfs import INTERFACE_PATHS
from oci.idmap import IdMap

GOLDEN = Path(__file__).parent / "golden_config.json"

SPEC = ContainerSpec(
    name="app-detect",
    rootfs=Path("/store/rootfs"),
    argv=("/cnb/lifecycle/detector", "-app", "/workspace"),
    env={"PATH": "/bin", "CNB_PLATFORM_API": "0.14"},
    cwd=PurePosixPath("/workspace"),
    user=1000,
    group=1000,
    rlimits={"RLIMIT_NOFILE": 4096},
)
PREPARED = Prepared(
    rootfs=Path("/scratch/mounts/1/merged"),
    mounts=(
        Mount(source=Path("/scratch/layers"), target=PurePosixPath("/layers")),
        Mount(source=Path("/scratch/platform"), target=PurePosixPath("/platform"), read_only=True),
    ),
)


def test_the_whole_configuration_is_the_golden_one() -> None:
    config = runtime_config(SPEC, IdMap(1000, 1000), PREPARED)
    assert config["linux"].pop("seccomp")["defaultAction"] == "SCMP_ACT_ALLOW"
    assert config == json.loads(GOLDEN.read_text())


def test_no_network_is_a_new_namespace_and_a_new_sysfs() -> None:
    config = runtime_config(SPEC, IdMap(1000, 1000), PREPARED)
    assert {"type": "network"} in config["linux"]["namespaces"]
    assert _mount_type(config, "/sys") == "sysfs"


def test_a_private_network_is_joined() -> None:
    joined = replace(PREPARED, network_namespace=Path("/proc/7/ns/net"), sysfs=Path("/s/sys"))
    config = runtime_config(SPEC, IdMap(1000, 1000), joined)
    assert {"type": "network", "path": "/proc/7/ns/net"} in config["linux"]["namespaces"]
    assert (_mount_type(config, "/sys"), _source(config, "/sys")) == ("none", "/s/sys")
    assert "/sys/class/net" not in config["linux"]["maskedPaths"]


@pytest.mark.parametrize(
    "prepared",
    [
        replace(PREPARED, network_namespace=Path("/proc/7/ns/net")),
        replace(PREPARED, new_sysfs=False),
    ],
    ids=["private", "none, in a container"],
)
def test_without_a_sysfs_of_its_own_the_interfaces_of_the_host_are_hidden(
    prepared: Prepared,
) -> None:
    config = runtime_config(SPEC, IdMap(1000, 1000), prepared)
    assert (_mount_type(config, "/sys"), _source(config, "/sys")) == ("none", "/sys")
    assert set(INTERFACE_PATHS) < set(config["linux"]["maskedPaths"])


def test_the_hosts_network_needs_no_namespace_and_is_the_hosts() -> None:
    config = runtime_config(replace(SPEC, network=Network.HOST), IdMap(1000, 1000), PREPARED)
    assert "network" not in {entry["type"] for entry in config["linux"]["namespaces"]}
    assert _source(config, "/sys") == "/sys"
    assert "/sys/class/net" not in config["linux"]["maskedPaths"]


def test_where_no_name_may_be_set_there_is_none() -> None:
    unnamed = replace(PREPARED, named=False)
    assert "hostname" not in runtime_config(SPEC, IdMap(1000, 1000), unnamed)


def test_a_gate_is_a_hook_before_the_start() -> None:
    gated = replace(PREPARED, gate=("/usr/bin/head", "-c", "1", "/g"))
    config = runtime_config(SPEC, IdMap(1000, 1000), gated)
    assert config["hooks"] == {
        "createRuntime": [{"path": "/usr/bin/head", "args": ["/usr/bin/head", "-c", "1", "/g"]}]
    }


def _source(config: dict[str, Any], target: str) -> str:
    (source,) = [m["source"] for m in config["mounts"] if m["destination"] == target]
    return str(source)


def _mount_type(config: dict[str, object], target: str) -> str:
    mounts = config["mounts"]
    assert isinstance(mounts, list)
    (kind,) = [mount["type"] for mount in mounts if mount["destination"] == target]
    assert isinstance(kind, str)
    return kind
