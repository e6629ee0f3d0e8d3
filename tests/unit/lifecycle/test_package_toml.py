"""package.toml beside a composite buildpack."""

from pathlib import Path

import pytest

from lifecycle.package_toml import read_dependencies
from oci.errors import UsageError


def test_dependencies_in_order(tmp_path: Path) -> None:
    (tmp_path / "package.toml").write_text(
        '[buildpack]\nuri = "."\n'
        '[[dependencies]]\nuri = "../one"\n'
        '[[dependencies]]\nuri = "docker://registry.example/two"\n'
        '[[dependencies]]\nimage = "registry.example/three:1"\n'
        '[platform]\nos = "linux"\n'
    )
    found = read_dependencies(tmp_path)
    assert [one.text for one in found] == [
        "../one",
        "docker://registry.example/two",
        "docker://registry.example/three:1",
    ]
    assert found[2].key == f"{tmp_path}/package.toml: dependencies[2]"


def test_no_file_means_none(tmp_path: Path) -> None:
    assert read_dependencies(tmp_path) == ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[dependencies]]\n", r"package\.toml: dependencies\[0\]: give one of uri and image"),
        ('[[dependencies]]\nuri = "a"\nimage = "b"\n', "give one of uri and image"),
        ("dependencies = 3\n", "dependencies: expected `array`"),
        ("[[dependencies]\n", r"package\.toml: Expected"),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "package.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        read_dependencies(tmp_path)
