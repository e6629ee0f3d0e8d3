"""umoci: what it is asked."""

from pathlib import Path

from oci.idmap import IdMap
from oci.umoci import unpack_argv


def test_an_unpacking_gives_files_the_owners_of_the_id_map() -> None:
    argv = unpack_argv(Path("/store/image"), Path("/tmp/jail/bundle"), id_map=IdMap(1000, 1001))
    assert argv == (
        "umoci", "unpack",
        "--uid-map", "0:1:1000",
        "--uid-map", "1000:0:1",
        "--uid-map", "1001:1001:64535",
        "--gid-map", "0:1:1001",
        "--gid-map", "1001:0:1",
        "--gid-map", "1002:1002:64534",
        "--image", "/store/image:latest",
        "/tmp/jail/bundle",
    )  # fmt: skip


def test_with_one_id_every_file_is_the_caller_s() -> None:
    id_map = IdMap(1000, 1000, single=True)
    argv = unpack_argv(Path("/store/image"), Path("/b"), id_map=id_map)
    assert argv == ("umoci", "unpack", "--rootless", "--image", "/store/image:latest", "/b")
