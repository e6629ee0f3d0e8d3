"""What forbids user namespaces is told from the kernel's own files."""

from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from locald.doctor.checks.ids import id_map_tools, subordinate_ids
from locald.doctor.checks.namespaces import apparmor, namespace_limits, root_user, seccomp
from locald.doctor.finding import Level
from locald.doctor.host import Host
from locald.doctor.trial import Outcome, Step
from oci.errors import HostError
from tests.support.doctor_host import WHOLE_MAP, make_host

REFUSED = HostError("this host does not let you make a user namespace")
CANNOT = Outcome(errors={Step.RUNTIME: REFUSED})
CAN = Outcome(runtime=RuntimeName.RUNC)
APPARMOR = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
CLONE = "/proc/sys/kernel/unprivileged_userns_clone"
MAXIMUM = "/proc/sys/user/max_user_namespaces"


def refusing(root: Path, files: dict[str, str]) -> Host:
    return make_host(root, files, outcome=CANNOT, namespace_error=REFUSED)


@pytest.mark.parametrize(
    ("file", "text", "sysctl"),
    [
        (MAXIMUM, "0\n", "user.max_user_namespaces=15000"),
        (CLONE, "0\n", "kernel.unprivileged_userns_clone=1"),
        (
            "/proc/sys/user/max_net_namespaces",
            "0\n",
            "user.max_net_namespaces=15000",
        ),
    ],
)
def test_a_sysctl_that_forbids_namespaces_is_named_and_how_to_set_it(
    tmp_path: Path, file: str, text: str, sysctl: str
) -> None:
    found = namespace_limits(refusing(tmp_path, {file: text}))
    assert found.level is Level.FAIL
    assert found.remedy.commands == (
        f"sudo sysctl -w {sysctl}",
        f"echo {sysctl} | sudo tee -a /etc/sysctl.d/99-locald.conf",
    )


def test_few_namespaces_are_a_warning(tmp_path: Path) -> None:
    found = namespace_limits(make_host(tmp_path, {MAXIMUM: "5\n"}, outcome=CAN))
    assert found.level is Level.WARN


def test_enough_namespaces_are_fine(tmp_path: Path) -> None:
    found = namespace_limits(make_host(tmp_path, {MAXIMUM: "30000\n", CLONE: "1\n"}, outcome=CAN))
    assert found.level is Level.OK


def test_apparmor_is_blamed_only_when_it_refuses(tmp_path: Path) -> None:
    assert apparmor(refusing(tmp_path / "a", {APPARMOR: "1\n"})).level is Level.FAIL
    assert apparmor(make_host(tmp_path / "b", {APPARMOR: "1\n"}, outcome=CAN)).level is Level.OK
    assert apparmor(refusing(tmp_path / "c", {APPARMOR: "0\n"})).level is Level.OK
    assert apparmor(refusing(tmp_path / "d", {})).level is Level.OK


def test_a_system_call_filter_is_blamed_only_when_it_refuses(tmp_path: Path) -> None:
    status = {"/proc/self/status": "Name:\tpython\nNoNewPrivs:\t0\nSeccomp:\t2\n"}
    assert seccomp(refusing(tmp_path / "a", status)).level is Level.FAIL
    assert seccomp(make_host(tmp_path / "b", status, outcome=CAN)).level is Level.OK
    assert seccomp(refusing(tmp_path / "c", {})).level is Level.OK


# ---- ids ------------------------------------------------------------------------------------


def test_the_hosts_root_is_refused_and_nothing_else_asked_of_it(tmp_path: Path) -> None:
    host = make_host(tmp_path, {"/etc/subuid": "", "/etc/subgid": ""}, uid=0)
    assert root_user(host).level is Level.FAIL
    assert subordinate_ids(host).level is Level.NOTE


def test_the_root_of_a_user_namespace_is_no_root(tmp_path: Path) -> None:
    host = make_host(tmp_path, {"/proc/self/uid_map": "0 1000 1\n"}, uid=0)
    assert root_user(host).level is Level.NOTE


def ids(root: Path, subuid: str, *, outcome: Outcome = CAN, uid_map: str = WHOLE_MAP) -> Host:
    files = {"/etc/subuid": subuid, "/etc/subgid": subuid, "/proc/self/uid_map": uid_map}
    return make_host(root, files, outcome=outcome)


def test_without_ids_the_command_gives_a_range_that_nobody_has(tmp_path: Path) -> None:
    host = ids(tmp_path, "somebody:100000:65536\nanother:300000:65536\n")
    found = subordinate_ids(host)
    assert found.level is Level.WARN  # bubblewrap takes over
    (command,) = found.remedy.commands
    assert "--add-subuids 365536-431071 --add-subgids 365536-431071" in command


def test_without_ids_a_runtime_that_needs_them_cannot_be_had(tmp_path: Path) -> None:
    host = ids(tmp_path, "", outcome=CANNOT)
    assert subordinate_ids(host).level is Level.FAIL


def test_a_range_that_is_too_small_is_told_with_its_size(tmp_path: Path) -> None:
    host = make_host(tmp_path)
    found = subordinate_ids(ids(tmp_path, f"{host.uid}:100000:1000\n"))
    assert "1000 for users" in found.symptom


def test_in_a_container_with_few_ids_no_command_is_given(tmp_path: Path) -> None:
    found = subordinate_ids(ids(tmp_path, "", uid_map="0 1000 1\n"))
    assert found.remedy.commands == ()
    assert "outer container" in found.remedy.text


def test_a_range_of_somebody_else_is_told(tmp_path: Path) -> None:
    own = make_host(tmp_path).uid
    found = subordinate_ids(ids(tmp_path, f"{own}:100000:65536\nsomebody:165535:10\n"))
    assert found.level is Level.WARN
    assert "somebody" in found.symptom


def test_a_range_of_ones_own_is_fine(tmp_path: Path) -> None:
    own = make_host(tmp_path).uid
    found = subordinate_ids(ids(tmp_path, f"{own}:100000:65536\nsomebody:165536:10\nnonsense\n"))
    assert found.level is Level.OK


def test_a_process_that_may_gain_no_privileges_is_told(tmp_path: Path) -> None:
    host = make_host(tmp_path, {"/proc/self/status": "NoNewPrivs:\t1\n"}, outcome=CAN)
    found = id_map_tools(host)
    assert found.level is Level.WARN
    assert "no_new_privs" in found.symptom
