"""What detection leaves of image extensions."""

import os
from pathlib import Path

import pytest

from lifecycle.documents import GroupBuildpack
from lifecycle.extension import ImageExtensions, read_generated
from lifecycle.extension_key import extension_key, reusable_result
from lifecycle.platform_api import PlatformApi
from oci.digest import Digest
from oci.errors import ImageError

BASE = "ARG base_image\nFROM ${base_image}\n"
ONE = GroupBuildpack(id="acme/one", version="1")
TWO = GroupBuildpack(id="two", version="2")


@pytest.fixture
def layers(tmp_path: Path) -> Path:
    (tmp_path / "layers").mkdir()
    return tmp_path / "layers"


def write(layers: Path, name: str, text: str) -> Path:
    path = layers / "generated" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def read(
    layers: Path, *extensions: GroupBuildpack, api: str = "0.13", modules: Path | None = None
) -> ImageExtensions:
    return read_generated(
        layers,
        extensions or (ONE, TWO),
        api=PlatformApi.parse(api),
        module_folder=lambda found: None if modules is None else (modules, Path(found.id)),
    )


def test_dockerfiles_in_the_order_of_the_group(layers: Path) -> None:
    write(layers, "two/run.Dockerfile", f"{BASE}RUN two")
    write(layers, "two/build.Dockerfile", f"{BASE}RUN two")
    write(layers, "acme_one/build.Dockerfile", f"{BASE}RUN one")
    write(layers, "acme_one/extend-config.toml", '[[build.args]]\nname="a"\nvalue="b"')
    found = read(layers)
    assert [str(one) for one in found.build] == [
        "the build.Dockerfile of the extension acme/one@1",
        "the build.Dockerfile of the extension two@2",
    ]
    assert [one.arguments for one in found.build] == [{"a": "b"}, {}]
    assert [one.extension for one in found.run] == ["two@2"]
    assert not found.run_image


def test_the_places_of_older_platform_apis(layers: Path) -> None:
    write(layers, "build/acme_one/Dockerfile", f"{BASE}RUN one")
    write(layers, "run/acme_one/Dockerfile", f"{BASE}RUN one")
    write(layers, "run/acme_one/extend-config.toml", '[[run.args]]\nname="a"\nvalue="b"')
    found = read(layers, api="0.12")
    assert [len(found.build), len(found.run)] == [1, 1]
    assert found.run[0].arguments == {"a": "b"}


def test_the_last_switch_counts_and_those_before_it_have_no_effect(layers: Path) -> None:
    write(layers, "acme_one/run.Dockerfile.ignore", "FROM first\nRUN lost")
    write(layers, "two/run.Dockerfile", "FROM second\nRUN kept")
    found = read(layers)
    assert (found.run_image, found.switched_by) == ("second", "two@2")
    assert [str(i) for one in found.run for i in one.dockerfile.instructions] == ["RUN kept"]


def test_a_switch_alone_leaves_nothing_to_apply(layers: Path) -> None:
    write(layers, "acme_one/run.Dockerfile", "FROM first\n")
    assert read(layers).run == ()
    assert read(layers).run_image == "first"


@pytest.mark.parametrize("name", ["context", "context.build"])
def test_contexts(layers: Path, name: str) -> None:
    write(layers, "two/build.Dockerfile", f"{BASE}COPY a /")
    write(layers, "two/run.Dockerfile", f"{BASE}COPY a /")
    write(layers, f"two/{name}/a", "")
    found = read(layers)
    assert found.build[0].context == layers / "generated/two" / name
    assert (found.run[0].context is None) == (name == "context.build")


def test_both_contexts_at_once(layers: Path) -> None:
    write(layers, "two/build.Dockerfile", f"{BASE}COPY a /")
    write(layers, "two/context/a", "")
    write(layers, "two/context.build/a", "")
    with pytest.raises(ImageError, match=r"two@2 made both context\.build and context"):
        read(layers)


def test_a_folder_of_finished_files(layers: Path, tmp_path: Path) -> None:
    modules = tmp_path / "modules"
    (modules / "two/generate").mkdir(parents=True)
    (modules / "two/generate/run.Dockerfile").write_text(f"{BASE}RUN it")
    assert len(read(layers, modules=modules).run) == 1
    (modules / "two/bin").mkdir()
    (modules / "two/bin/generate").touch()
    assert read(layers, modules=modules).run == ()


@pytest.mark.parametrize("place", ["two", "two/run.Dockerfile", "two/context"])
def test_no_link_is_followed(layers: Path, tmp_path: Path, place: str) -> None:
    outside = tmp_path / "outside"
    write(layers, "two/run.Dockerfile", f"{BASE}COPY a /")
    write(layers, "two/context/a", "")
    (layers / "generated" / place).rename(outside)
    (layers / "generated" / place).symlink_to(outside)
    with pytest.raises(ImageError, match="the extension two@2"):
        read(layers)


def test_special_files_in_a_context(layers: Path) -> None:
    write(layers, "two/run.Dockerfile", f"{BASE}COPY a /")
    write(layers, "two/context/sub/a", "")
    os.mkfifo(layers / "generated/two/context/sub/pipe")
    with pytest.raises(ImageError, match=r"two@2: context/sub/pipe is no file, folder or link"):
        read(layers)


def test_the_key_changes_with_all_that_counts(layers: Path) -> None:
    base, other = Digest.of(b"1"), Digest.of(b"2")
    write(layers, "two/run.Dockerfile", f"{BASE}COPY a /\n")
    write(layers, "two/context/a", "1")
    keys = [extension_key(base, read(layers).run), extension_key(other, read(layers).run)]
    assert extension_key(base, read(layers).run) == keys[0]
    write(layers, "two/context/a", "2")
    keys.append(extension_key(base, read(layers).run))
    write(layers, "two/extend-config.toml", '[[run.args]]\nname="a"\nvalue="b"')
    keys.append(extension_key(base, read(layers).run))
    write(layers, "two/run.Dockerfile", f"{BASE}COPY a /b\n")
    keys.append(extension_key(base, read(layers).run))
    assert len(set(keys)) == len(keys)
    write(layers, "two/run.Dockerfile", f"# a comment\n{BASE}COPY a /b\n")
    assert extension_key(base, read(layers).run) == keys[-1]


@pytest.mark.parametrize(
    ("instruction", "reusable"), [("RUN a", True), ("ARG build_id", False), ("COPY a /", False)]
)
def test_what_may_be_used_again(layers: Path, instruction: str, reusable: bool) -> None:
    write(layers, "two/run.Dockerfile", f"{BASE}{instruction}\n")
    assert reusable_result(read(layers).run) == reusable
