"""Who a container is, asked from inside, the same for every runtime."""

import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import (
    ContainerSpec,
    Mount,
    Sandbox,
)
from tests.support.containers import ADDED_BY_RUNTIMES, exit_code, output, shell


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
