"""Id maps, as newuidmap, umoci and the runtimes take them."""

import os
import pwd
from pathlib import Path

import pytest

from oci.idmap import IdMap, IdRange, SubordinateIds

ME = pwd.getpwuid(os.getuid()).pw_name


def test_the_cnb_user_is_us_and_all_others_are_subordinate() -> None:
    id_map = IdMap(1000, 1001)
    assert [str(r) for r in id_map.uids] == ["0:1:1000", "1000:0:1", "1001:1001:64535"]
    assert [str(r) for r in id_map.gids] == ["0:1:1001", "1001:0:1", "1002:1002:64534"]


@pytest.mark.parametrize("user", [0, 1, 1000, 65534, 65535])
def test_every_id_is_mapped_once_to_one_of_ours(user: int) -> None:
    ranges = IdMap(user, user).uids
    inside = [r.inside + i for r in ranges for i in range(r.size)]
    outside = [r.outside + i for r in ranges for i in range(r.size)]
    assert inside == list(range(65536))
    assert sorted(outside) == list(range(65536))
    assert outside[user] == 0


def test_a_single_id_is_mapped_alone() -> None:
    assert IdMap(1000, 1000, single=True).uids == (IdRange(1000, 0, 1),)


def test_maps_with_other_owners_have_other_keys() -> None:
    maps = [IdMap(1000, 1000), IdMap(1000, 1001), IdMap(1001, 1000), IdMap(1000, 1000, single=True)]
    assert len({m.key for m in maps}) == 4


def test_our_namespace_starts_with_us_then_the_subordinate_ranges() -> None:
    ids = SubordinateIds(((100_000, 65536), (300_000, 10)), ((200_000, 65536),))
    assert ids.namespace_uids() == (
        IdRange(0, os.getuid(), 1),
        IdRange(1, 100_000, 65536),
        IdRange(65537, 300_000, 10),
    )
    assert ids.namespace_gids() == (IdRange(0, os.getgid(), 1), IdRange(1, 200_000, 65536))


def read(folder: Path, subuid: str | bytes, subgid: str | bytes) -> SubordinateIds:
    for name, text in (("subuid", subuid), ("subgid", subgid)):
        (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return SubordinateIds.of_user(os.getuid(), subuid=folder / "subuid", subgid=folder / "subgid")


def test_ranges_are_ours_by_name_or_number(tmp_path: Path) -> None:
    ids = read(
        tmp_path,
        f"someone-else:1:65536\n{ME}:100000:65536\n",
        f"{os.getuid()}:200000:65536\n",
    )
    assert ids == SubordinateIds(((100_000, 65536),), ((200_000, 65536),))
    assert ids.usable


@pytest.mark.parametrize(
    "text",
    [
        "",
        "someone-else:100000:65536\n",
        f"{ME}:100000:1000\n",
        f"{ME}:100000\n",
        f"{ME}:100000:\n",
        f"{ME}:x:65536\n",
        f"{ME}:100000:-65536\n",
        f"{ME}:100000:0\n",
        f"# {ME}:100000:65536\n",
        b"\xff\xfe:1:2\n",
    ],
)
def test_too_few_or_malformed_ranges_are_not_usable(tmp_path: Path, text: str | bytes) -> None:
    enough = f"{ME}:100000:65536\n"
    assert not read(tmp_path, text, enough).usable
    assert not read(tmp_path, enough, text).usable


def test_a_file_that_is_not_there_gives_no_ranges(tmp_path: Path) -> None:
    ids = SubordinateIds.of_user(1000, subuid=tmp_path / "no", subgid=tmp_path / "no")
    assert ids == SubordinateIds((), ())


@pytest.mark.parametrize(
    ("text", "ranges"),
    [
        ("         0       1001          1\n         1     100000      65536\n", ((1, 65536),)),
        ("0 100000 65536\n", ((1, 65535),)),
        ("0 1001 1\n", ()),
        ("         0          0 4294967295\n", ()),
    ],
)
def test_a_containers_root_has_the_ids_of_its_container(
    tmp_path: Path, text: str, ranges: tuple[tuple[int, int], ...]
) -> None:
    for name in ("uid_map", "gid_map"):
        (tmp_path / name).write_text(text)
    ids = SubordinateIds.of_user(
        0, subuid=tmp_path / "none", subgid=tmp_path / "none", own_maps=tmp_path
    )
    assert ids == SubordinateIds(ranges, ranges, inherited=bool(ranges))
