"""builder.toml: what is read, and how an error names its place."""

from pathlib import Path

import pytest

from lifecycle.builder_toml import build_config_files, read_builder_toml
from lifecycle.embedded_builder import embedded_builder
from oci.errors import UsageError

WHOLE = """
description = "all keys"

[[buildpacks]]
uri = "./java"
id = "acme/java"
version = "1.2.3"

[[buildpacks]]
image = "registry.example/all"

[[extensions]]
uri = "./curl"

[[order]]
[[order.group]]
id = "acme/java"
optional = true

[[order-extensions]]
[[order-extensions.group]]
id = "acme/curl"

[lifecycle]
version = "0.21.0"

[run]
[[run.images]]
image = "registry.example/run"
mirrors = ["other.example/run"]

[build]
image = "registry.example/build"
[[build.env]]
name = "FLAGS"
value = "-x"
suffix = "append"
delim = " "
[[build.env]]
name = "PLAIN"
value = "1"

[[targets]]
os = "linux"
arch = "amd64"
distros = [{ name = "debian", version = "12" }]

[system]
[system.pre]
buildpacks = [{ id = "acme/ca", version = "1.0.0" }]
"""
SMALL = """
[build]
image = "b"
[[run.images]]
image = "r"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "builder.toml"
    path.write_text(text)
    return path


def test_every_key_of_pack_is_read(tmp_path: Path) -> None:
    document = read_builder_toml(write(tmp_path, WHOLE))
    assert document.buildpacks[0].id == "acme/java"
    assert document.buildpacks[1].image == "registry.example/all"
    assert document.order[0].entry().group[0].optional
    assert document.order_extensions[0].group[0].id == "acme/curl"
    assert document.run_images[0].mirrors == ("other.example/run",)
    assert document.system.pre.buildpacks[0].id == "acme/ca"
    assert document.targets[0].distros[0].version == "12"


def test_operator_variables_become_files(tmp_path: Path) -> None:
    document = read_builder_toml(write(tmp_path, WHOLE))
    assert build_config_files(document.build.env) == {
        "FLAGS.append": "-x",
        "FLAGS.delim": " ",
        "PLAIN": "1",
    }


def test_the_deprecated_stack_names_the_images(tmp_path: Path) -> None:
    stack = '[stack]\nid = "s"\nbuild-image = "b"\nrun-image = "r"\nrun-image-mirrors = ["m"]\n'
    document = read_builder_toml(write(tmp_path, stack))
    assert document.build_image == "b"
    assert document.run_images[0].mirrors == ("m",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "build.image: missing"),
        ('[build]\nimage = "b"', "run.images: missing"),
        (SMALL + "[lifecycl]\n", "lifecycl: unknown key"),
        (SMALL + '[lifecycle]\nurl = "x"\n', "lifecycle.url: unknown key"),
        (SMALL + "[[buildpacks]]\nurl = 'x'\n", "buildpacks[0].url: unknown key"),
        (SMALL + "[[buildpacks]]\nid = 'x'\n", "buildpacks[0]: give one of uri and image"),
        (SMALL + "[[order]]\n[[order.group]]\n", "order[0].group[0].id: missing"),
        (SMALL + "description = 3\n", "run.images[0].description: unknown key"),
        ("description = 3\n" + SMALL, "description: expected `str`, got `int`"),
        (SMALL + "[stack]\nbuild-image = 'c'\n", "stack.build-image: differs from build.image"),
        (SMALL + "[stack]\nrun-image = 'c'\n", "stack.run-image: differs from run.images[0].image"),
        (SMALL + "[[build.env]]\nname = 'A=B'\n", "build.env[0].name: not the name of a variable"),
        (
            SMALL + "[[build.env]]\nname = 'A'\nsuffix = 'append'\n",
            "build.env[0].delim: missing; append needs one",
        ),
        (SMALL + "[[build.env]]\nname = 'A'\nsuffix = 'x'\n", "build.env[0].suffix: invalid enum"),
        ("[build", "Expected ']' at the end of a table declaration"),
    ],
)
def test_an_error_names_the_file_and_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_builder_toml(path)
    assert caught.value.message.startswith(f"{path}: {message}")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"builder\.toml cannot be read: No such file"):
        read_builder_toml(tmp_path / "builder.toml")


def test_the_embedded_one_is_right() -> None:
    document = read_builder_toml(embedded_builder().config)
    assert document.build_image == "localhost/locald/build-base:embedded"
    assert document.run_images[0].image == "localhost/locald/run:embedded"
