import json
from pathlib import Path, PurePosixPath

from lifecycle.runtime.oci_config import Prepared, runtime_config
from lifecycle.runtime.spec import ContainerSpec, Mount, Network
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
    joined = Prepared(rootfs=PREPARED.rootfs, mounts=(), network_namespace=Path("/proc/7/ns/net"))
    config = runtime_config(SPEC, IdMap(1000, 1000), joined)
    assert {"type": "network", "path": "/proc/7/ns/net"} in config["linux"]["namespaces"]
    assert _mount_type(config, "/sys") == "none"


def test_the_hosts_network_needs_no_namespace() -> None:
    host = ContainerSpec(**{**SPEC.__dict__, "network": Network.HOST})
    config = runtime_config(host, IdMap(1000, 1000), PREPARED)
    assert "network" not in {entry["type"] for entry in config["linux"]["namespaces"]}


def test_where_no_name_may_be_set_there_is_none() -> None:
    unnamed = Prepared(rootfs=PREPARED.rootfs, mounts=(), named=False)
    assert "hostname" not in runtime_config(SPEC, IdMap(1000, 1000), unnamed)


def test_a_gate_is_a_hook_before_the_start() -> None:
    gated = Prepared(rootfs=PREPARED.rootfs, mounts=(), gate=("/usr/bin/head", "-c", "1", "/g"))
    config = runtime_config(SPEC, IdMap(1000, 1000), gated)
    assert config["hooks"] == {
        "createRuntime": [{"path": "/usr/bin/head", "args": ["/usr/bin/head", "-c", "1", "/g"]}]
    }


def _mount_type(config: dict[str, object], target: str) -> str:
    mounts = config["mounts"]
    assert isinstance(mounts, list)
    (kind,) = [mount["type"] for mount in mounts if mount["destination"] == target]
    assert isinstance(kind, str)
    return kind
