"""Locations: `transport:target`, for every transport that carries whole images."""

from pathlib import Path

import pytest

from oci.errors import UsageError
from oci.location import ImageLocation, Transport, is_location
from oci.reference import Reference

HERE = Path("/home/dev/project")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("docker://app", "docker://docker.io/library/app:latest"),
        ("docker://ghcr.io/a/b:1", "docker://ghcr.io/a/b:1"),
        ("containers-storage:shop", "containers-storage:localhost/shop:latest"),
        ("oci:out", "oci:/home/dev/project/out"),
        ("oci:/abs/out:1", "oci:/abs/out:1"),
        ("oci-archive:a/app.tar:1", "oci-archive:/home/dev/project/a/app.tar:1"),
        ("docker-archive:app.tar", "docker-archive:/home/dev/project/app.tar"),
        (
            "docker-archive:app.tar:shop:2",
            "docker-archive:/home/dev/project/app.tar:docker.io/library/shop:2",
        ),
        ("dir:x", "dir:/home/dev/project/x"),
    ],
)
def test_a_location_becomes_absolute_and_complete(text: str, written: str) -> None:
    assert str(ImageLocation.parse(text, relative_to=HERE)) == written


def test_the_parts_are_typed() -> None:
    location = ImageLocation.parse("oci:out:1", relative_to=HERE)
    assert location == ImageLocation(Transport.OCI, path=HERE / "out", tag="1")
    assert location.is_path
    assert not ImageLocation.parse("docker://app", relative_to=HERE).is_path


@pytest.mark.parametrize(
    "text",
    ["", "app", "oci:", "oci", "docker://", "docker:", "docker:///", "oci:/", "dir:", "ftp:x",
     "OCI:x", "docker-daemon:app:1", "oci::tag"],
)  # fmt: skip
def test_what_is_no_location_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an image location"):
        ImageLocation.parse(text, relative_to=HERE)


def test_a_registry_without_slashes_is_told_how_to_write_it() -> None:
    with pytest.raises(UsageError, match=r"write docker://ghcr\.io/a/b"):
        ImageLocation.parse("docker:ghcr.io/a/b", relative_to=HERE)


def test_a_bad_name_inside_a_location_is_refused() -> None:
    with pytest.raises(UsageError, match="not an image reference"):
        ImageLocation.parse("docker://Bad Name", relative_to=HERE)


@pytest.mark.parametrize("text", ["oci:out", "oci-archive:app.tar", "docker-archive:app.tar"])
def test_a_folder_that_skopeo_would_misread_is_refused(text: str) -> None:
    # skopeo takes what follows the first colon for the image's name.
    with pytest.raises(UsageError, match=r"/home/dev/a:b/.* has a colon"):
        ImageLocation.parse(text, relative_to=Path("/home/dev/a:b"))


def test_a_directory_has_no_tag_and_may_hold_colons() -> None:
    location = ImageLocation.parse("dir:a:b", relative_to=HERE)
    assert location == ImageLocation(Transport.DIRECTORY, path=HERE / "a:b")
    assert str(location) == "dir:/home/dev/project/a:b"


def test_makers_add_the_default_tag() -> None:
    reference = Reference.parse("ghcr.io/a/b")
    assert str(ImageLocation.registry(reference)) == "docker://ghcr.io/a/b:latest"
    assert str(ImageLocation.storage(reference)) == "containers-storage:ghcr.io/a/b:latest"
    assert str(ImageLocation.layout(Path("/x"), "t")) == "oci:/x:t"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("oci:x", True),
        ("docker://x", True),
        ("docker:5000/x", False),
        ("app:1", False),
        ("app", False),
        ("registry.example/app", False),
    ],
)
def test_bare_references_are_told_from_locations(text: str, answer: bool) -> None:
    assert is_location(text) is answer
