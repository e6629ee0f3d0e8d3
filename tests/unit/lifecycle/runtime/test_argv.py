from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime import bubblewrap, podman_argv, runc
from lifecycle.runtime.filesystem import Filesystem, sorted_by_depth
from lifecycle.runtime.spec import ContainerSpec, Mount, Network, OverlayMount, Port
from oci.errors import ContainerError

SPEC = ContainerSpec(
    name="app-build",
    rootfs=Path("/store/rootfs"),
    argv=("/cnb/lifecycle/builder", "-app", "/workspace"),
    env={"PATH": "/bin", "TOKEN": "secret", "HTTPS_PROXY": "http://user:secret@proxy"},
    cwd=PurePosixPath("/workspace"),
    user=1001,
    group=1000,
    network=Network.PRIVATE,
    ports=(Port(host=8080, container=80),),
    rlimits={"RLIMIT_NOFILE": 4096},
)
MOUNT = Mount(source=Path("/h/layers"), target=PurePosixPath("/layers"), read_only=True)


def test_runc_logs_its_own_errors_beside_the_bundle() -> None:
    assert runc.run_argv(state=Path("/s"), container=Path("/c/1-app"), name="app") == (
        *("runc", "--root", "/s", "--log", "/c/1-app/runc.log", "--log-format", "json"),
        *("run", "--bundle", "/c/1-app", "app"),
    )


def test_podman_runs_with_its_own_state_and_the_same_isolation() -> None:
    state = podman_argv.PodmanState(folder=Path("/p"), runtime="runc")
    argv = podman_argv.run_argv(
        SPEC,
        state,
        rootfs=SPEC.rootfs,
        volumes=(podman_argv.volume(MOUNT),),
        seccomp=Path("/p/seccomp.json"),
        env_file=Path("/c/env"),
    )
    assert argv == (
        *("podman", "--root", "/p/root", "--runroot", "/p/run", "--tmpdir", "/p/tmp"),
        *("--storage-driver", "vfs", "--default-mounts-file", "/p/mounts.conf"),
        *("--log-level", "error", "--runtime", "runc", "run", "--rm", "--name", "app-build"),
        *("--userns=keep-id:uid=1001,gid=1000", "--user", "1001:1000", "--cap-drop=all"),
        *("--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
        *("--security-opt", "seccomp=/p/seccomp.json"),
        *("--ipc=private", "--pid=private", "--cgroupns=private"),
        *("--uts=private", "--hostname", "locald"),
        "--network=slirp4netns:mtu=65520,allow_host_loopback=false",
        "--publish=127.0.0.1:8080:80",
        *("--no-hosts", "--http-proxy=false", "--unsetenv-all"),
        *("--env-file", "/c/env", "--env", "TOKEN", "--log-driver=none", "--sig-proxy=false"),
        *("--systemd=false", "--ulimit=nofile=4096:4096"),
        *("--volume", "/h/layers:/layers:ro,rbind,rprivate,nosuid,nodev"),
        *("--workdir", "/workspace", "--entrypoint", "", "--rootfs", "/store/rootfs:O"),
        *("/cnb/lifecycle/builder", "-app", "/workspace"),
    )


def test_variables_that_podman_reads_itself_go_through_a_file() -> None:
    assert podman_argv.env_file_text(SPEC.env) == (
        "HTTPS_PROXY=http://user:secret@proxy\nPATH=/bin\n"
    )
    with pytest.raises(ContainerError, match="LD_PRELOAD"):
        podman_argv.env_file_text({"LD_PRELOAD": "a\nb"})


def test_podmans_overlay_has_the_upper_folder_of_the_build() -> None:
    overlay = OverlayMount(
        lower=Path("/src"), scratch=Path("/b/app"), target=PurePosixPath("/workspace")
    )
    assert podman_argv.overlay_volume(overlay) == (
        "/src:/workspace:O,upperdir=/b/app/upper,workdir=/b/app/work"
    )


def test_bubblewraps_arguments_hold_no_value_of_a_variable() -> None:
    assert bubblewrap.run_argv(SPEC, seccomp_fd=5, status_fd=6) == (
        *("prlimit", "--nofile=4096:4096", "--", "bwrap", "--args", "0"),
        *("--seccomp", "5", "--json-status-fd", "6", "--"),
        *("/cnb/lifecycle/builder", "-app", "/workspace"),
    )


def test_bubblewraps_options() -> None:
    files = Filesystem(folder=Path("/c"), rootfs=Path("/m"), mounts=(MOUNT,))
    words = " ".join(bubblewrap.options(SPEC, files, own_proc=True))
    assert words.startswith("--unshare-user --uid 1001 --gid 1000 --unshare-ipc --unshare-uts")
    assert "--cap-drop ALL" in words
    assert "--clearenv --setenv PATH /bin --setenv TOKEN secret" in words
    assert "--bind /m / --proc /proc --dev /dev" in words
    assert "--ro-bind /h/layers /layers" in words
    assert "--unshare-net" not in words  # it is started inside the private network


def test_where_no_name_may_be_set_none_is_asked_for() -> None:
    files = Filesystem(folder=Path("/c"), rootfs=Path("/m"), mounts=())
    assert "--hostname" not in bubblewrap.options(SPEC, files, own_proc=True, named=False)
    argv = podman_argv.run_argv(
        SPEC,
        podman_argv.PodmanState(folder=Path("/p")),
        rootfs=SPEC.rootfs,
        volumes=(),
        seccomp=Path("/p/seccomp.json"),
        env_file=Path("/c/env"),
        named=False,
    )
    assert "--uts=host" in argv
    assert "--hostname" not in argv


def test_outer_targets_are_mounted_first() -> None:
    inner = Mount(source=Path("/i"), target=PurePosixPath("/layers/order.toml"))
    assert sorted_by_depth((inner, MOUNT)) == (MOUNT, inner)
