from pathlib import Path

import pytest

from lifecycle.runtime.select import has_hybrid_cgroups, refuse_real_root
from oci.errors import HostError


def test_the_hosts_root_is_refused() -> None:
    with pytest.raises(HostError, match="does not run as root") as caught:
        refuse_real_root(0, "         0          0 4294967295\n")
    assert "ordinary user" in caught.value.hint


@pytest.mark.parametrize(
    ("uid", "uid_map"),
    [
        (1000, "0 0 4294967295\n"),
        (0, "0 1000 1\n1 100000 65536\n"),
        (0, "0 1000 1\n"),
    ],
)
def test_ordinary_users_and_the_root_of_a_user_namespace_pass(uid: int, uid_map: str) -> None:
    refuse_real_root(uid, uid_map)


@pytest.mark.parametrize(
    ("file", "text", "hybrid"),
    [
        ("unified/cgroup.controllers", "hugetlb\n", True),
        ("unified/cgroup.controllers", "\n", False),  # crun takes these
        ("cgroup.controllers", "cpu memory pids\n", False),  # version 2 only
    ],
)
def test_hybrid_cgroups_are_told_from_others(
    tmp_path: Path, file: str, text: str, hybrid: bool
) -> None:
    place = tmp_path / file
    place.parent.mkdir(exist_ok=True)
    place.write_text(text)
    assert has_hybrid_cgroups(tmp_path) is hybrid


def test_without_cgroups_nothing_is_hybrid(tmp_path: Path) -> None:
    assert not has_hybrid_cgroups(tmp_path)
