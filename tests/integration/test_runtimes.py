"""What a container is, asked from inside, the same for every runtime."""

import hashlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.bubblewrap import BubblewrapRuntime
from lifecycle.runtime.podman import PodmanRuntime
from lifecycle.runtime.runc import RuncRuntime
from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    Mount,
    Network,
    OverlayMount,
    Port,
    RuntimeName,
    Sandbox,
)
from oci.errors import ContainerError, HostError, ImageError, Interrupted
from oci.process import CommandRunner, Stream
from tests.support.rootfs import give_to_root, make_rootfs, remove_rootfs

REPOSITORY = Path(__file__).parents[2]
WORKSPACE = PurePosixPath("/workspace")
# What some runtimes add to the environment on their own; nothing in it is the host's.
ADDED_BY_RUNTIMES = {"HOSTNAME", "PWD"}

TreeState = dict[str, tuple[int, int, int, str]]


@pytest.fixture(scope="session")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Path]]:
    """One root filesystem for the map of all ids (False), one for that of a single id (True)."""
    folder = tmp_path_factory.mktemp("roots")
    runner = CommandRunner()
    all_ids, single = make_rootfs(folder / "all"), make_rootfs(folder / "single")
    give_to_root(all_ids, runner)
    yield {False: all_ids, True: single}
    remove_rootfs(all_ids, runner)


@pytest.fixture(params=list(RuntimeName))
def runtime(request: pytest.FixtureRequest) -> ContainerRuntime:
    runner = CommandRunner()
    match RuntimeName(request.param):
        case RuntimeName.RUNC:
            return RuncRuntime(runner)
        case RuntimeName.PODMAN:
            return PodmanRuntime(runner)
        case RuntimeName.BUBBLEWRAP:
            return BubblewrapRuntime(runner)


@pytest.fixture
def rootfs(runtime: ContainerRuntime, roots: dict[bool, Path]) -> Path:
    return roots[runtime.id_map(1000, 1000).single]


@pytest.fixture
def sandbox(runtime: ContainerRuntime, tmp_path: Path) -> Iterator[Sandbox]:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with runtime.open(scratch) as opened:
        yield opened


@pytest.fixture
def spec(rootfs: Path) -> ContainerSpec:
    return ContainerSpec(
        name=f"locald-test-{os.getpid()}-{time.monotonic_ns()}",
        rootfs=rootfs,
        argv=("/bin/true",),
        env={"PATH": "/bin", "HOME": "/home/cnb"},
        cwd=PurePosixPath("/"),
        user=1000,
        group=1000,
    )


def shell(spec: ContainerSpec, script: str) -> ContainerSpec:
    return replace(spec, argv=("/bin/sh", "-c", script))


def output(sandbox: Sandbox, spec: ContainerSpec) -> list[str]:
    """Standard output's lines of a container that must succeed."""
    lines: list[tuple[Stream, str]] = []
    code = sandbox.run(spec, on_line=lambda stream, line: lines.append((stream, line)))
    assert code == 0, lines
    return [line for stream, line in lines if stream is Stream.STDOUT]


def exit_code(sandbox: Sandbox, spec: ContainerSpec) -> int:
    return sandbox.run(spec, on_line=lambda *_: None)


def tree_state(folder: Path) -> TreeState:
    state: TreeState = {}
    for path in (folder, *sorted(folder.rglob("*"))):
        status = path.lstat()
        kind = stat.S_IFMT(status.st_mode)
        content = path.read_bytes() if kind == stat.S_IFREG else b""
        link = os.fsencode(path.readlink()) if kind == stat.S_IFLNK else b""
        digest = hashlib.sha256(content + link).hexdigest()
        state[str(path)] = (status.st_mode, status.st_uid, status.st_mtime_ns, digest)
    return state


# ---- who it is ------------------------------------------------------------------------------


def test_the_program_is_the_asked_user_without_any_power(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    lines = output(sandbox, shell(spec, "id -u; id -g; hostname; cat /proc/self/status"))
    assert lines[:3] == ["1000", "1000", "locald"]
    status = dict(line.split(":\t", 1) for line in lines[3:] if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_no_supplementary_group_of_the_host_is_kept(sandbox: Sandbox, spec: ContainerSpec) -> None:
    (line,) = output(sandbox, shell(spec, "grep ^Groups: /proc/self/status"))
    assert set(line.removeprefix("Groups:").split()) <= {"1000", "65534"}
    assert "65534" not in line


def test_files_belong_to_the_invoking_user(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    layers.mkdir()
    mount = Mount(source=layers, target=PurePosixPath("/layers"))
    output(sandbox, shell(replace(spec, mounts=(mount,)), "mkdir /layers/a; echo x > /layers/a/b"))
    assert {path.stat().st_uid for path in layers.rglob("*")} == {os.getuid()}
    assert {path.stat().st_gid for path in layers.rglob("*")} == {os.getgid()}


def test_only_its_own_processes_are_there(sandbox: Sandbox, spec: ContainerSpec) -> None:
    (line,) = output(sandbox, shell(spec, "echo $$"))
    assert line == "1"


def test_namespaces_cannot_be_made_inside(sandbox: Sandbox, spec: ContainerSpec) -> None:
    for option in ("-U", "-m", "-n"):
        assert exit_code(sandbox, shell(spec, f"unshare {option} true 2>/dev/null")) != 0


def test_the_environment_is_exactly_the_given_one(
    sandbox: Sandbox, spec: ContainerSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOCALD_CANARY", "HTTP_PROXY", "https_proxy", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "http://user:canary@proxy.invalid")
    env = {
        "PATH": "/bin:/made/up",
        "HOME": "/home/cnb",
        "CNB_PLATFORM_API": "0.13",
        "EMPTY": "",
        "LINES": "first\nsecond",
        "ODD": " 'quoted' \"twice\" = $HOME \\ # é ",
        "NO_PROXY": "localhost,.example.com",
        "XDG_RUNTIME_DIR": "/inside",
        "CONTAINERS_CONF": "/inside/containers.conf",
    }
    lines = output(sandbox, replace(spec, env=env, argv=("/bin/cat", "/proc/self/environ")))
    entries = "\n".join(lines).rstrip("\0").split("\0")
    seen = dict(entry.split("=", 1) for entry in entries)
    assert {name: seen[name] for name in seen if name not in ADDED_BY_RUNTIMES} == env


def test_values_of_variables_are_in_nobodys_arguments(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    env = {**spec.env, "TOKEN": "canary-in-a-variable", "HTTPS_PROXY": "http://canary-in-a-proxy"}
    seen: list[str] = []

    def look(*_: object) -> None:
        seen.extend(
            path.read_text(errors="replace") for path in Path("/proc").glob("[0-9]*/cmdline")
        )

    assert sandbox.run(shell(replace(spec, env=env), "echo; sleep 0.2"), on_line=look) == 0
    assert seen
    assert not [line for line in seen if "canary-in-a-" in line]


def test_resource_limits_are_set(sandbox: Sandbox, spec: ContainerSpec) -> None:
    limited = shell(replace(spec, rlimits={"RLIMIT_NOFILE": 256}), "ulimit -n; ulimit -Hn")
    assert output(sandbox, limited) == ["256", "256"]


# ---- what it sees ---------------------------------------------------------------------------


def test_no_file_of_the_hosts_is_there(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("secret")
    script = f"test ! -e {canary} && test ! -e {Path.home()} && test ! -e {REPOSITORY}; ls -A /"
    names = output(sandbox, shell(spec, script))
    assert {"bin", "etc", "home", "proc", "workspace"} <= set(names)
    assert not {"root", "mnt", "media", "boot", "oldroot", "newroot"} & set(names)


def test_masked_paths_tell_nothing(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null; ls /sys/firmware; true"
    assert output(sandbox, shell(spec, script)) == []


def test_kernel_settings_are_read_only(sandbox: Sandbox, spec: ContainerSpec) -> None:
    assert exit_code(sandbox, shell(spec, "echo x 2>/dev/null >/proc/sys/kernel/hostname")) != 0


def test_devices_are_the_harmless_ones(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "echo x >/dev/null; head -c 1 /dev/zero >/dev/null; test -w /dev/shm; ls /dev"
    names = set(output(sandbox, shell(spec, script)))
    assert {"null", "zero", "full", "random", "urandom", "tty", "shm", "pts", "fd"} <= names
    assert not {"kmsg", "mem", "net", "fuse", "kvm"} & names


def test_the_root_is_writable_and_never_changed(sandbox: Sandbox, spec: ContainerSpec) -> None:
    before = tree_state(spec.rootfs)
    script = "echo x > /tmp/new; echo y > /home/cnb/new; rm -rf /home/cnb/.x; ls /tmp /home/cnb"
    assert "new" in output(sandbox, shell(spec, script))
    assert "new" not in output(sandbox, shell(spec, "ls /tmp /home/cnb"))
    assert tree_state(spec.rootfs) == before


def test_a_read_only_root_still_has_room_for_temporary_files(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    script = "touch /tmp/x /var/tmp/x && ! touch /home/cnb/x 2>/dev/null && ! touch /x 2>/dev/null"
    output(sandbox, shell(replace(spec, read_only_root=True), script))


def test_mounts_are_writable_or_not_as_asked(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    folder, file = tmp_path / "with: colon, comma", tmp_path / "order.toml"
    folder.mkdir()
    file.write_text("order\n")
    mounts = (
        Mount(source=file, target=PurePosixPath("/layers/order.toml"), read_only=True),
        Mount(source=folder, target=PurePosixPath("/layers")),
        Mount(source=folder, target=PurePosixPath("/platform"), read_only=True),
        Mount(source=folder, target=PurePosixPath("/made/on/the/way")),
    )
    (folder / "order.toml").touch()
    script = (
        "cat /layers/order.toml; echo x > /layers/x; ! touch /platform/y 2>/dev/null; "
        "! touch /layers/order.toml 2>/dev/null; ls /made/on/the/way"
    )
    lines = output(sandbox, shell(replace(spec, mounts=mounts), script))
    assert lines == ["order", "order.toml", "x"]


def test_an_image_that_links_a_mount_target_is_refused(
    runtime: ContainerRuntime, sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    image = make_rootfs(tmp_path / "image")
    (image / "layers").rmdir()
    (image / "layers").symlink_to(canary)
    with pytest.raises(ImageError, match="its /layers is a link"):
        exit_code(sandbox, replace(spec, rootfs=image))
    assert list(canary.iterdir()) == []


def test_a_linked_resolv_conf_is_replaced(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    image = make_rootfs(tmp_path / "image")
    (image / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    private = shell(replace(spec, rootfs=image, network=Network.PRIVATE), "cat /etc/resolv.conf")
    assert "nameserver 10.0.2.3" in output(sandbox, private)


# ---- overlays -------------------------------------------------------------------------------


def test_an_overlay_keeps_changes_and_leaves_the_source(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    source = tmp_path / "so:ur,ce \\ é"
    (source / "kept/deep").mkdir(parents=True)
    (source / "kept/deep/file").write_text("old\n")
    (source / "kept/secret\nname").write_text("hidden")
    (source / "node_modules/much").mkdir(parents=True)
    (source / os.fsdecode(b"not-utf8-\xff")).write_text("hidden")
    (source / "script").write_text("run")
    os.utime(source / "kept", (1_000_000_000, 1_000_000_000))
    before = tree_state(source)
    changes = tmp_path / "changes"
    changes.mkdir()
    overlay = OverlayMount(
        lower=source,
        scratch=changes,
        target=WORKSPACE,
        hidden=(
            PurePosixPath("node_modules"),
            PurePosixPath("kept/secret\nname"),
            PurePosixPath(os.fsdecode(b"not-utf8-\xff")),
            PurePosixPath("absent/altogether"),
        ),
    )
    spec = replace(spec, overlays=(overlay,), cwd=WORKSPACE)

    first = output(
        sandbox,
        shell(
            spec, "find . | sort; stat -c %Y kept; echo new > kept/deep/file; rm script; id > me"
        ),
    )
    assert first == [".", "./kept", "./kept/deep", "./kept/deep/file", "./script", "1000000000"]
    second = output(sandbox, shell(spec, "find . | sort; cat kept/deep/file; stat -c %u . me"))
    assert second == [
        *(".", "./kept", "./kept/deep", "./kept/deep/file", "./me"),
        *("new", "1000", "1000"),
    ]
    assert tree_state(source) == before


def test_thousands_of_hidden_paths_cost_little(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    source, changes = tmp_path / "source", tmp_path / "changes"
    changes.mkdir()
    hidden = [PurePosixPath(f"d{n % 50}/f{n}") for n in range(3000)]
    for n in range(50):
        (source / f"d{n}").mkdir(parents=True)
    for path in hidden:
        (source / path).touch()
    overlay = OverlayMount(lower=source, scratch=changes, target=WORKSPACE, hidden=tuple(hidden))
    started = time.monotonic()
    lines = output(sandbox, shell(replace(spec, overlays=(overlay,)), "find /workspace -type f"))
    assert lines == []
    assert time.monotonic() - started < 10  # one process each would take minutes


def test_what_a_build_leaves_can_be_removed(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    left = tmp_path / "left"
    left.mkdir()
    mount = Mount(source=left, target=PurePosixPath("/layers"))
    script = "mkdir -p /layers/a/b && touch /layers/a/b/c && chmod 000 /layers/a/b /layers/a"
    output(sandbox, shell(replace(spec, mounts=(mount,)), script))
    sandbox.remove_tree(left)
    assert not left.exists()


def test_a_closed_sandbox_leaves_nothing_that_its_user_cannot_delete(
    runtime: ContainerRuntime,
    spec: ContainerSpec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scratch = tmp_path / "gone"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # every child inherits it, and is known by it
    with runtime.open(scratch) as opened:
        output(opened, shell(spec, "touch /tmp/x /home/cnb/y"))
    _wait_until_gone(f"TMPDIR={tmp_path}", seconds=2, file="environ")
    owners = {path.lstat().st_uid for path in scratch.rglob("*")}
    assert owners <= {os.getuid()}


# ---- network --------------------------------------------------------------------------------


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


# ---- how it ends ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", [0, 1, 2, 20, 51, 125, 126, 127, 255])
def test_exit_codes_pass_through(sandbox: Sandbox, spec: ContainerSpec, code: int) -> None:
    if code == 125 and sandbox.__class__.__name__ == "PodmanSandbox":
        pytest.skip("podman's own exit code is 125 too: the capability to tell them apart")
    assert exit_code(sandbox, shell(spec, f"exit {code}")) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_signal_is_128_and_its_number(
    sandbox: Sandbox, spec: ContainerSpec, number: signal.Signals
) -> None:
    script = f"sh -c 'kill -{number.value} $$'"
    assert exit_code(sandbox, shell(spec, script + "; exit $?")) == 128 + number


def test_a_missing_program_is_the_runtimes_failure(sandbox: Sandbox, spec: ContainerSpec) -> None:
    with pytest.raises(ContainerError) as caught:
        exit_code(sandbox, replace(spec, argv=("/no/such/program",)))
    assert "/no/such/program" in " ".join(caught.value.details)


def test_output_comes_line_by_line_from_both_streams(sandbox: Sandbox, spec: ContainerSpec) -> None:
    seen: list[tuple[Stream, str, float]] = []
    script = "echo one; sleep 0.5; echo two >&2; sleep 0.5; printf three"
    code = sandbox.run(
        shell(spec, script), on_line=lambda s, line: seen.append((s, line, time.monotonic()))
    )
    assert code == 0
    assert [(stream, line) for stream, line, _ in seen] == [
        (Stream.STDOUT, "one"),
        (Stream.STDERR, "two"),
        (Stream.STDOUT, "three"),
    ]
    assert seen[1][2] - seen[0][2] > 0.3


def test_much_output_is_complete(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done"
    assert output(sandbox, shell(spec, script)) == [f"line {n}" for n in range(20000)]


def test_an_interrupt_lets_the_container_end_in_its_grace_time(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    layers.mkdir()
    script = (
        "trap 'echo bye; touch /layers/stopped; exit 0' TERM; echo up; while :; do sleep 0.1; done"
    )
    graceful = shell(
        replace(
            spec,
            mounts=(Mount(source=layers, target=PurePosixPath("/layers")),),
            stop_grace_seconds=8.0,
        ),
        script,
    )
    lines: list[str] = []
    started = time.monotonic()
    with pytest.raises(Interrupted):
        sandbox.run(graceful, on_line=lambda _, line: _interrupt_at(line, "up", lines))
    assert time.monotonic() - started < 6
    assert (layers / "stopped").exists()
    assert lines[-1] == "bye"


def test_an_interrupt_without_grace_kills_at_once(sandbox: Sandbox, spec: ContainerSpec) -> None:
    number = f"{os.getpid()}.{time.monotonic_ns()}"
    stubborn = shell(spec, f"trap '' TERM; echo up; sleep {number}")
    started = time.monotonic()
    with pytest.raises(Interrupted):
        sandbox.run(stubborn, on_line=lambda _, line: _interrupt_at(line, "up", []))
    _wait_until_gone(number, seconds=2)
    assert time.monotonic() - started < 4
    output(sandbox, shell(spec, "true"))


def test_two_sandboxes_run_side_by_side(
    runtime: ContainerRuntime, spec: ContainerSpec, tmp_path: Path
) -> None:
    results: dict[int, list[str]] = {}

    def build(number: int) -> None:
        scratch = tmp_path / f"scratch{number}"
        scratch.mkdir()
        mine = replace(spec, name=f"{spec.name}-{number}", network=Network.PRIVATE)
        with runtime.open(scratch) as opened:
            results[number] = output(opened, shell(mine, f"echo {number}; sleep 0.5; ls /tmp"))

    threads = [threading.Thread(target=build, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: ["0"], 1: ["1"]}


def test_prepared_containers_are_like_others(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    layers = tmp_path / "layers"
    layers.mkdir()
    mounts = (Mount(source=layers, target=PurePosixPath("/layers")),)
    networks = (Network.NONE, Network.PRIVATE, Network.NONE)
    specs = [
        shell(
            replace(spec, name=f"{spec.name}-{n}", mounts=mounts, network=network),
            f"ls /layers; echo {n} > /layers/{n}; exit {n}",
        )
        for n, network in enumerate(networks)
    ]
    unused = replace(spec, name=f"{spec.name}-unused")
    for each in (*specs, unused):
        sandbox.prepare(each)
    lines: list[str] = []
    codes = [sandbox.run(each, on_line=lambda _, line: lines.append(line)) for each in specs]
    assert codes == [0, 1, 2]
    assert lines == ["0", "0", "1"]
    output(sandbox, shell(spec, "echo another"))


@pytest.mark.parametrize("network", [Network.NONE, Network.PRIVATE])
def test_sigkill_of_locald_leaves_no_process_and_no_mount(
    runtime: ContainerRuntime, rootfs: Path, tmp_path: Path, network: Network
) -> None:
    number = f"{os.getpid()}.{time.monotonic_ns()}"
    scratch = tmp_path / f"killed-{number.replace('.', '-')}"
    argv = (
        *(sys.executable, "-m", "tests.support.run_container", runtime.name, rootfs, scratch),
        *(network, "/bin/sh", "-c", f"echo up; sleep {number}"),
    )
    env = {**os.environ, "TMPDIR": str(tmp_path)}  # every child inherits it, and is known by it
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=REPOSITORY, env=env)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"
    process.kill()
    process.wait()
    process.stdout.close()
    _wait_until_gone(number, seconds=2)
    _wait_until_gone(f"TMPDIR={tmp_path}", seconds=10, file="environ")
    deadline = time.monotonic() + 2
    while (left := _mounts_below(scratch)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def test_bubblewrap_works_inside_a_plain_container(roots: dict[bool, Path], tmp_path: Path) -> None:
    """As in one: root of a user namespace, /proc masked, and a root that is an overlay."""
    for name in ("lower", "upper", "work", "merged"):
        (tmp_path / name).mkdir()
    script = (
        "mount --bind /dev/null /proc/timer_list && "
        "mount -t overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work o merged && "
        'exec "$@"'
    )
    argv = (
        *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"),
        *("env", f"PYTHONPATH={REPOSITORY}"),
        *(sys.executable, "-m", "tests.support.run_container", "bwrap", str(roots[True])),
        *(str(tmp_path / "merged/scratch"), "none", "/bin/sh", "-c"),
        "id -u; cat /proc/self/status | grep ^Seccomp:; touch /workspace/x; ls /workspace; mount",
    )
    result = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines()[:3] == ["1000", "Seccomp:\t2", "x"]


def _interrupt_at(line: str, at: str, lines: list[str]) -> None:
    lines.append(line)
    if line == at:
        raise Interrupted(signal.SIGTERM)


def _wait_until_gone(word: str, *, seconds: float, file: str = "cmdline") -> None:
    """Wait for the end of all processes that have a word in that file of theirs in /proc."""
    deadline = time.monotonic() + seconds
    while left := _processes_with(word, file):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def _processes_with(word: str, file: str) -> list[str]:
    found = []
    for path in Path("/proc").glob(f"[0-9]*/{file}"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if word in line and path.parent.name != str(os.getpid()):
            found.append(line)
    return found


def _mounts_below(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            found += [line for line in path.read_text().splitlines() if str(folder) in line]
        except OSError:
            continue
    return found
