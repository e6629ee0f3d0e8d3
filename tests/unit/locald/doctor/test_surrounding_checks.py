import os
from pathlib import Path

import pytest

from locald.doctor.checks.files import file_system, store
from locald.doctor.checks.network import certificate_authorities, policy, proxies
from locald.doctor.checks.surroundings import (
    cgroups,
    container,
    home,
    podman_storage,
    runtime_dir,
    selinux,
)
from locald.doctor.finding import Level
from locald.doctor.trial import Outcome, Step
from oci.errors import ImageError
from tests.support.doctor_host import make_host


@pytest.mark.parametrize("value", ["", "relative", "/no/such/folder", "/proc"])
def test_a_home_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    found = home(make_host(tmp_path, environ={"HOME": value}))
    assert found.level is Level.WARN
    assert "LOCALD_DATA_DIR" in found.remedy.text


def test_a_home_with_a_colon_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "a:b"
    folder.mkdir()
    assert "colon" in home(make_host(tmp_path, environ={"HOME": str(folder)})).symptom


def test_a_home_of_ones_own_is_fine(tmp_path: Path) -> None:
    assert home(make_host(tmp_path, environ={"HOME": str(tmp_path)})).level is Level.OK


@pytest.mark.parametrize("value", ["", "/no/such/folder", "/proc", "/etc/passwd"])
def test_a_missing_runtime_dir_is_no_trouble(tmp_path: Path, value: str) -> None:
    found = runtime_dir(make_host(tmp_path, environ={"XDG_RUNTIME_DIR": value}, uid=4242))
    assert found.level is Level.NOTE


def test_a_runtime_dir_of_ones_own_is_fine(tmp_path: Path) -> None:
    environ = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert runtime_dir(make_host(tmp_path, environ=environ, uid=os.getuid())).level is Level.OK


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("ext4", Level.OK),
        ("nfs4", Level.WARN),
        ("9p", Level.WARN),
        ("fuse.sshfs", Level.WARN),
        ("tmpfs", Level.NOTE),
        ("overlay", Level.NOTE),
    ],
)
def test_the_kind_of_file_system_is_told(tmp_path: Path, kind: str, level: Level) -> None:
    folder = tmp_path / "with space"
    folder.mkdir()
    mountinfo = (
        "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        f"22 21 0:30 / {str(folder).replace(' ', chr(92) + '040')} rw,nosuid - {kind} src rw\n"
    )
    host = make_host(folder, {"/proc/self/mountinfo": mountinfo})
    found = file_system(host)
    assert found.level is level
    if level is not Level.OK:
        assert kind in found.symptom


def test_names_in_the_store_that_lead_nowhere_are_counted(tmp_path: Path) -> None:
    tag = "data/store/refs/localhost/app/_tags/latest/linux-amd64.json"
    record = '{"digest":"sha256:ab","source":"","source_digest":"sha256:ab","fetched":0.0}'
    whole = {f"/{tag}": record, "/data/store/images/ab/index.json": "{}"}
    assert store(make_host(tmp_path / "a", whole)).level is Level.OK
    for damaged in ({f"/{tag}": record}, {f"/{tag}": "{"}):
        found = store(make_host(tmp_path / str(len(damaged[f"/{tag}"])), damaged))
        assert found.level is Level.WARN
        assert "1 of 1" in found.symptom


def test_an_empty_store_is_fine(tmp_path: Path) -> None:
    assert store(make_host(tmp_path)).level is Level.OK


@pytest.mark.parametrize(
    ("value", "level", "shown"),
    [
        ("http://proxy.example:3128", Level.OK, "proxy.example"),
        ("proxy.example:3128", Level.OK, "proxy.example"),
        ("http://", Level.WARN, "HTTPS_PROXY"),
        ("http://proxy.example:port", Level.WARN, "HTTPS_PROXY"),
        ("http://user:s3cret@proxy.example", Level.OK, "proxy.example"),
    ],
)
def test_a_proxy_is_an_address_and_its_password_stays_hidden(
    tmp_path: Path, value: str, level: Level, shown: str
) -> None:
    found = proxies(make_host(tmp_path, environ={"HTTPS_PROXY": value}))
    assert found.level is level
    assert shown in found.symptom
    assert "s3cret" not in str(found)


def test_certificates_that_cannot_be_read_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    found = certificate_authorities(make_host(tmp_path, environ=os.environ))
    assert found.level is Level.WARN
    assert found.remedy.commands == ("unset SSL_CERT_FILE",)


def test_a_policy_that_is_missing_or_broken_stops_what_needs_it(tmp_path: Path) -> None:
    stopped = Outcome(errors={Step.IMAGE: ImageError("no policy.json")})
    absent = policy(make_host(tmp_path / "a", outcome=stopped))
    assert absent.level is Level.FAIL
    assert absent.remedy.tools == ("policy.json",)
    file = {"/etc/containers/policy.json": "{"}
    assert policy(make_host(tmp_path / "b", file, outcome=stopped)).level is Level.FAIL
    file = {"/etc/containers/policy.json": "{}"}
    assert policy(make_host(tmp_path / "c", file)).level is Level.OK


def test_cgroups_that_are_delegated_are_told_from_others(tmp_path: Path) -> None:
    own = "/sys/fs/cgroup/user.slice/cgroup.controllers"
    second = {"/sys/fs/cgroup/cgroup.controllers": "cpu memory pids\n"}
    mine = {"/proc/self/cgroup": "0::/user.slice\n"}
    delegated = {**second, **mine, own: "cpu memory pids\n"}
    assert cgroups(make_host(tmp_path / "a", delegated)).level is Level.OK
    partly = {**second, **mine, own: "cpu\n"}
    found = cgroups(make_host(tmp_path / "b", partly))
    assert found.level is Level.NOTE
    assert any("Delegate=" in command for command in found.remedy.commands)
    assert "version 1" in cgroups(make_host(tmp_path / "c")).symptom


def test_selinux_is_blamed_only_when_containers_fail(tmp_path: Path) -> None:
    enforcing = {"/sys/fs/selinux/enforce": "1"}
    assert selinux(make_host(tmp_path / "a", enforcing)).level is Level.OK
    failed = Outcome(errors={Step.CONTAINER: ImageError("x")})
    assert selinux(make_host(tmp_path / "b", enforcing, outcome=failed)).level is Level.NOTE
    assert selinux(make_host(tmp_path / "c", outcome=failed)).level is Level.OK


def test_a_user_namespace_around_is_told(tmp_path: Path) -> None:
    found = container(make_host(tmp_path, {"/proc/self/uid_map": "0 1000 1\n"}))
    assert "a user namespace" in found.symptom


def test_podmans_driver_is_read_and_never_made(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_DATA_HOME": str(tmp_path / "share")}
    before = sorted(tmp_path.rglob("*"))
    host = make_host(tmp_path / "root", {"/etc/containers/storage.conf": ""}, environ=environ)
    assert "no storage.conf names a driver" in podman_storage(host).symptom
    assert sorted(p for p in tmp_path.rglob("*") if "root" not in p.parts) == before
    (tmp_path / "share/containers/storage/vfs-images").mkdir(parents=True)
    assert "vfs" in podman_storage(host).symptom
    (tmp_path / "share/containers/storage/overlay-images").mkdir()
    assert podman_storage(host).level is Level.OK
