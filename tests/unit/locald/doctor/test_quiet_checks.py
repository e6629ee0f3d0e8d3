"""Checks that are seldom red: what makes each of them say something, and what it says then."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from locald.doctor.checks import files, ids, namespaces, network, surroundings
from locald.doctor.checks.tools import tool_checks
from locald.doctor.finding import Finding, Level
from locald.doctor.trial import Trial
from oci.errors import HostError
from oci.idmap import SubordinateIds
from oci.process import CommandRunner
from oci.scratch import scratch_folder
from tests.support.doctor_host import make_host

SUBIDS = "1000:100000:65536\n"


def kernel_is(monkeypatch: pytest.MonkeyPatch, release: str) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(release=release, machine="x86_64"))


@pytest.mark.parametrize(
    ("release", "level"),
    [("5.10.0-28-amd64", Level.WARN), ("5.13.0", Level.OK), ("6.1.0-40-amd64", Level.OK)],
)
def test_a_kernel_without_overlays_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, release: str, level: Level
) -> None:
    kernel_is(monkeypatch, release)
    found = namespaces.kernel(make_host(tmp_path))
    assert found.level is level
    assert release in found.symptom
    assert found.remedy.tools == (("fuse-overlayfs",) if level is Level.WARN else ())


def test_fuse_is_missed_only_where_the_kernel_needs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = make_host(tmp_path)
    kernel_is(monkeypatch, "5.10.0")
    found = files.fuse(host)
    assert found.level is Level.NOTE
    assert "No such file" in found.symptom
    assert found.remedy.commands == ("sudo modprobe fuse",)
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/fuse").touch()
    assert files.fuse(host).level is Level.OK
    (tmp_path / "dev/fuse").unlink()
    kernel_is(monkeypatch, "6.1.0")
    assert files.fuse(host).level is Level.OK


def test_a_temporary_folder_that_cannot_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.temporary(make_host(tmp_path)).level is Level.OK
    monkeypatch.setattr(files, "gettempdir", lambda: "/proc/sys")  # refuses root, too
    found = files.temporary(make_host(tmp_path))
    assert found.level is Level.WARN
    assert found.symptom.startswith("/proc/sys cannot be written")
    assert found.remedy.commands == ("sudo chmod 1777 /proc/sys",)


def test_a_bad_registries_conf_is_told_with_its_place(tmp_path: Path) -> None:
    conf = tmp_path / "registries.conf"
    host = make_host(tmp_path, environ={"CONTAINERS_REGISTRIES_CONF": str(conf)})
    conf.write_text('[[registry]]\nprefix = "example.org"\nblocked = true\n')
    assert network.registries(host).level is Level.OK
    conf.write_text("[[registry\n")
    found = network.registries(host)
    assert found.level is Level.WARN
    assert str(conf) in found.symptom


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("22 1 0:21 / / rw,relatime shared:1 - ext4 /dev/vda1 rw", "/ is shared"),
        ("22 1 0:21 / / rw,relatime - ext4 /dev/vda1 rw", "/ is not shared; harmless"),
        ("", "unknown; harmless"),
    ],
)
def test_the_propagation_of_mounts_is_only_told(tmp_path: Path, line: str, said: str) -> None:
    found = surroundings.mount_propagation(make_host(tmp_path, {"/proc/self/mountinfo": line}))
    assert found == Finding(level=Level.OK, symptom=said)


@pytest.mark.parametrize(
    ("seconds", "level"),
    [(0.0, Level.WARN), (1_000_000_000.0, Level.WARN), (9e9, Level.WARN), (1.8e9, Level.OK)],
)
def test_a_clock_that_is_wrong_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, level: Level
) -> None:
    monkeypatch.setattr("time.time", lambda: seconds)
    found = surroundings.clock(make_host(tmp_path))
    assert found.level is level
    if level is Level.WARN:
        assert "certificates are refused" in found.symptom
        assert found.remedy.commands == ("sudo timedatectl set-ntp true",)


@pytest.mark.parametrize(
    ("encoding", "level"), [("UTF-8", Level.OK), ("utf8", Level.OK), ("ANSI_X3.4", Level.NOTE)]
)
def test_an_encoding_that_is_not_utf_8_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, level: Level
) -> None:
    monkeypatch.setattr("locale.getencoding", lambda: encoding)
    found = surroundings.text_encoding(make_host(tmp_path))
    assert found.level is level
    assert (found.remedy.commands == ()) is (level is Level.OK)


def test_what_killed_builds_left_is_counted_and_what_runs_is_not(tmp_path: Path) -> None:
    host = make_host(tmp_path)
    assert surroundings.leftovers(host).level is Level.OK  # no folder at all
    long_ago = 1_000_000_000
    for folder in (host.paths.work, host.paths.store / "tmp"):
        (folder / "dead").mkdir(parents=True)
        os.utime(folder / "dead", (long_ago, long_ago))
        (folder / "young").mkdir()
    with scratch_folder(host.paths.work, CommandRunner()) as running:
        os.utime(running, (long_ago, long_ago))
        for folder in (host.paths.work, host.paths.store / "tmp"):
            (folder / "dead").mkdir(exist_ok=True)
            os.utime(folder / "dead", (long_ago, long_ago))
        found = surroundings.leftovers(host)
    assert found.level is Level.NOTE
    assert found.symptom.startswith("2 folders of builds that were killed")


@pytest.mark.parametrize(
    ("tool", "consequence"),
    [("buildah", "all others do"), ("git", "images do not say which commit")],
)
def test_without_a_tool_that_few_builds_need_there_is_a_note(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tool: str, consequence: str
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    (check,) = (check for check in tool_checks() if check.name == tool)
    found = check.probe(make_host(tmp_path))
    assert found.level is Level.NOTE
    assert consequence in found.symptom
    assert found.remedy.tools == (tool,)


def test_ids_that_the_kernel_does_not_map_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def refused(*_: object, ids: SubordinateIds, own_pids: bool) -> Iterator[None]:
        assert ids.usable
        assert not own_pids
        raise HostError("newuidmap failed", hint="do something")
        yield

    monkeypatch.setattr(ids, "UserNamespace", refused)
    monkeypatch.setattr(ids, "find_tool", lambda tool: Path("/usr/bin", tool))
    host = make_host(tmp_path, {"/etc/subuid": SUBIDS, "/etc/subgid": SUBIDS})
    found = ids.id_map(host)
    assert found.level is Level.WARN
    assert found.symptom == "newuidmap failed"
    assert found.remedy.text == "do something"


@pytest.mark.parametrize("reached", ["", "('127.0.0.1', 40000)\n", "\0locald-doctor-x\n"])
def test_a_private_network_that_leads_to_this_hosts_services_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reached: str
) -> None:
    asked: list[tuple[str, ...]] = []

    def run(*argv: str) -> SimpleNamespace:
        asked.append(argv)
        return SimpleNamespace(text=reached)

    @contextmanager
    def made(*_: object, **__: object) -> Iterator[SimpleNamespace]:
        yield SimpleNamespace(run=run, path=Path("/n"))

    monkeypatch.setattr(network, "user_namespace", made)
    monkeypatch.setattr(network, "PrivateNetwork", made)
    monkeypatch.setattr(network, "find_tool", lambda tool: Path("/usr/bin", tool))
    monkeypatch.setattr(network, "TUN", Path("/dev/null"))
    place = tmp_path / "place"
    place.mkdir()
    found = network.private_network(make_host(tmp_path, trial=Trial(place, CommandRunner())))
    assert found.level is (Level.WARN if reached.strip() else Level.OK)
    assert asked[0][:3] == ("nsenter", "--net=/n", "--")
    if reached.strip():
        assert "can be reached" in found.symptom
        assert "--network none" in found.remedy.text
