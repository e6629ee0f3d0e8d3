"""TOML between platform and lifecycle: written exactly, read with suspicion."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from lifecycle.documents import (
    Group,
    GroupBuildpack,
    SourceMetadata,
    read_analyzed_run_image,
    read_build_metadata,
    read_group,
    write_order_toml,
    write_project_metadata,
    write_run_toml,
)
from lifecycle.module import ModuleRef, OrderEntry
from oci.errors import ImageError
from oci.reference import Reference


def test_run_toml_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    write_run_toml(
        path,
        [
            (Reference.parse("registry.example/run:1"), ("mirror.example/run:1",)),
            (Reference.parse("registry.example/tiny:1"), ()),
        ],
    )
    assert path.read_bytes() == (
        b"[[images]]\n"
        b'image = "registry.example/run:1"\n'
        b"mirrors = [\n"
        b'    "mirror.example/run:1",\n'
        b"]\n"
        b"\n"
        b"[[images]]\n"
        b'image = "registry.example/tiny:1"\n'
    )


def test_order_toml_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "order.toml"
    order = (
        OrderEntry((ModuleRef("acme/a", "1"), ModuleRef("acme/b", optional=True))),
        OrderEntry((ModuleRef("c"),)),
    )
    write_order_toml(path, order)
    expected = (
        b"[[order]]\n"
        b"group = [\n"
        b'    { id = "acme/a", version = "1" },\n'
        b'    { id = "acme/b", optional = true },\n'
        b"]\n"
        b"\n"
        b"[[order]]\n"
        b"group = [\n"
        b'    { id = "c" },\n'
        b"]\n"
    )
    assert path.read_bytes() == expected
    write_order_toml(path, order, (OrderEntry((ModuleRef("acme/curl", "2"),)),))
    assert path.read_bytes() == expected + (
        b'\n[[order-extensions]]\ngroup = [\n    { id = "acme/curl", version = "2" },\n]\n'
    )


def test_project_metadata_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "project-metadata.toml"
    write_project_metadata(
        path,
        SourceMetadata(
            type="git",
            version={"commit": "abc", "describe": 'a"b'},
            metadata={"repository": "https://example.com/a"},
        ),
    )
    assert path.read_bytes() == (
        b"[source]\n"
        b'type = "git"\n'
        b"\n"
        b"[source.version]\n"
        b'commit = "abc"\n'
        b'describe = "a\\"b"\n'
        b"\n"
        b"[source.metadata]\n"
        b'repository = "https://example.com/a"\n'
    )
    write_project_metadata(path, SourceMetadata())
    assert path.read_bytes() == b""


def test_group_toml_is_read(tmp_path: Path) -> None:
    (tmp_path / "group.toml").write_text(
        '[[group]]\nid = "a"\nversion = "1"\napi = "0.10"\nunknown = 1\n'
        '[[group]]\nid = "b"\n[[group-extensions]]\nid = "e"\n'
    )
    assert read_group(tmp_path) == Group(
        group=(GroupBuildpack(id="a", version="1", api="0.10"), GroupBuildpack(id="b")),
        group_extensions=(GroupBuildpack(id="e"),),
    )


def test_build_metadata_is_read(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config/metadata.toml").write_text(
        '[[processes]]\ntype = "web"\ndefault = true\ncommand = ["x"]\n[[processes]]\ntype = "w"\n'
    )
    processes = read_build_metadata(tmp_path).processes
    assert [(p.type, p.default) for p in processes] == [("web", True), ("w", False)]


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ('[run-image]\nimage = "a"\nreference = "b"\n', "a"),
        ('[run-image]\nreference = "b"\n', "b"),
        ("", ""),
    ],
)
def test_the_analyzed_run_image_is_read(tmp_path: Path, text: str, image: str) -> None:
    (tmp_path / "analyzed.toml").write_text(text)
    assert read_analyzed_run_image(tmp_path) == image


def as_link(path: Path) -> None:
    target = path.parent.parent / "secret.toml"
    target.write_text("")
    path.symlink_to(target)


def as_large_file(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


TRAPS: dict[str, Callable[[Path], object]] = {
    "link": as_link,
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "large": as_large_file,
    "nothing": lambda _: None,
}
READERS: dict[str, Callable[[Path], object]] = {
    "group.toml": read_group,
    "config/metadata.toml": read_build_metadata,
    "analyzed.toml": read_analyzed_run_image,
}


@pytest.mark.parametrize("trap", TRAPS.values(), ids=TRAPS.keys())
@pytest.mark.parametrize("name", READERS.keys())
def test_a_trap_in_the_place_of_a_document_is_refused_without_hanging(
    tmp_path: Path, name: str, trap: Callable[[Path], object]
) -> None:
    layers = tmp_path / "layers"
    (layers / name).parent.mkdir(parents=True)
    trap(layers / name)
    with pytest.raises(ImageError, match=f"the build left .*{name}"):
        READERS[name](layers)


def test_a_folder_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "metadata.toml").write_text('[[processes]]\ntype = "secret"\n')
    layers = tmp_path / "layers"
    layers.mkdir()
    (layers / "config").symlink_to(secret)
    with pytest.raises(ImageError, match=r"the build left .*config/metadata\.toml"):
        read_build_metadata(layers)


@pytest.mark.parametrize(
    "content",
    [
        b"not toml",
        b"\xff\xfe",
        b"\0" * 100,
        b"a = " + b"[" * 200_000,
        b"group = 3",
        b"[[group]]\nid = 3\n",
        b"[[group]]\nversion = '1'\n",
        b"run-image = 3\nprocesses = 3\ngroup = 3",
    ],
)
def test_what_cannot_be_read_is_the_image_s_fault(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "group.toml").write_bytes(content)
    with pytest.raises(ImageError, match=r"the build left a group\.toml that cannot be read"):
        read_group(tmp_path)


def test_other_values_than_expected_in_analyzed_toml_are_refused(tmp_path: Path) -> None:
    (tmp_path / "analyzed.toml").write_text("run-image = 3")
    with pytest.raises(ImageError, match=r"a analyzed\.toml that cannot be read"):
        read_analyzed_run_image(tmp_path)
