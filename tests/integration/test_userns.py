"""The user namespace of a real host."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from oci.errors import CommandError, ContainerError
from oci.idmap import SubordinateIds
from oci.process import Command, CommandRunner
from oci.userns import UserNamespace
from tests.support.waiting import process_runs, wait_until

IDS = SubordinateIds.of_current_user()


@pytest.fixture(params=["all ids", "one id"])
def ids(request: pytest.FixtureRequest) -> SubordinateIds | None:
    if request.param == "one id":
        return None
    if not IDS.usable:
        pytest.skip("needs 65536 subordinate ids in /etc/subuid and /etc/subgid")
    return IDS


@pytest.fixture
def namespace(ids: SubordinateIds | None) -> Iterator[UserNamespace]:
    with UserNamespace(CommandRunner(), ids=ids) as opened:
        yield opened


def test_we_are_root_inside_and_ourselves_outside(namespace: UserNamespace, tmp_path: Path) -> None:
    assert namespace.run("id", "-u").text.strip() == "0"
    assert namespace.run("id", "-g").text.strip() == "0"
    namespace.run("touch", str(tmp_path / "file"))
    status = (tmp_path / "file").stat()
    assert (status.st_uid, status.st_gid) == (os.getuid(), os.getgid())


def test_mounts_inside_are_not_seen_outside(namespace: UserNamespace, tmp_path: Path) -> None:
    namespace.run("mount", "-t", "tmpfs", "tmpfs", str(tmp_path))
    namespace.run("touch", str(tmp_path / "inside"))
    assert namespace.run("ls", str(tmp_path)).text == "inside\n"
    assert list(tmp_path.iterdir()) == []


def test_processes_outside_are_not_seen_inside(namespace: UserNamespace) -> None:
    numbers = {int(n) for n in namespace.run("ls", "/proc").text.split() if n.isdigit()}
    assert os.getpid() not in numbers
    assert 1 in numbers


def test_closing_ends_every_process_inside(ids: SubordinateIds | None) -> None:
    namespace = UserNamespace(CommandRunner(), ids=ids)
    with namespace:
        inside = CommandRunner().start(
            Command(argv=namespace.argv("sh", "-c", "echo ready; exec setsid sleep 300"))
        )
        assert inside.read_line() == "ready"
        pid = inside.pid
    assert wait_until(lambda: not process_runs(pid))
    inside.close()
    with pytest.raises(ContainerError, match="not open"):
        namespace.argv("true")


HOLDER = """
import sys
from oci.idmap import SubordinateIds
from oci.process import Command, CommandRunner
from oci.userns import UserNamespace
ids = SubordinateIds.of_current_user() if sys.argv[1] == "all" else None
runner = CommandRunner()
with UserNamespace(runner, ids=ids) as namespace:
    command = namespace.argv("sh", "-c", "echo ready; exec setsid sleep 300")
    inside = runner.start(Command(argv=command))
    inside.read_line()
    print(namespace.pid, inside.pid, flush=True)
    sys.stdin.read()
"""


def test_our_death_ends_everything_inside(ids: SubordinateIds | None) -> None:
    kind = "one" if ids is None else "all"
    parent = CommandRunner().start(Command(argv=(sys.executable, "-c", HOLDER, kind)))
    pids = [int(word) for word in parent.read_line().split()]
    assert all(process_runs(pid) for pid in pids)
    os.kill(parent.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(process_runs(pid) for pid in pids))
    parent.close()


def test_subordinate_owners_and_closed_folders_can_be_removed(tmp_path: Path) -> None:
    if not IDS.usable:
        pytest.skip("needs 65536 subordinate ids in /etc/subuid and /etc/subgid")
    tree = tmp_path / "tree"
    (tree / "closed/deeper").mkdir(parents=True)
    with UserNamespace(CommandRunner(), ids=IDS, own_pids=False) as namespace:
        namespace.run("chown", "-R", "1000:1000", str(tree / "closed"))
        (tree / "link").symlink_to("/nowhere")
        namespace.run("chmod", "000", str(tree / "closed/deeper"), str(tree / "closed"))
        assert (tree / "closed").stat().st_uid not in (os.getuid(), 1000)
        namespace.remove_tree(tree)
        namespace.remove_tree(tree)  # what is not there needs no removal
    assert not tree.exists()


def test_a_name_that_starts_with_a_dash_or_is_a_dangling_link_is_removed(tmp_path: Path) -> None:
    (tmp_path / "-rf").symlink_to("gone")
    with UserNamespace(CommandRunner(), ids=None, own_pids=False) as namespace:
        namespace.remove_tree(tmp_path / "-rf")
    assert not (tmp_path / "-rf").is_symlink()


def test_a_failure_inside_carries_the_tool_s_words(namespace: UserNamespace) -> None:
    with pytest.raises(CommandError) as caught:
        namespace.run("ls", "/no/such/folder")
    assert "No such file" in caught.value.details[-1]
    assert caught.value.command_exit_code == 2


def test_the_user_s_other_groups_are_not_kept() -> None:
    if not IDS.usable:
        pytest.skip("needs 65536 subordinate ids in /etc/subuid and /etc/subgid")
    with UserNamespace(CommandRunner(), ids=IDS) as namespace:
        assert namespace.run("id", "-G").text.split() == ["0"]
