"""Platforms, in image-spec's words."""

import pytest

from oci.errors import UsageError
from oci.platform import Platform


@pytest.mark.parametrize("text", ["linux/amd64", "linux/arm64", "linux/arm/v7"])
def test_a_platform_is_read_and_written_alike(text: str) -> None:
    assert str(Platform.parse(text)) == text


def test_the_parts_have_names() -> None:
    assert Platform.parse("linux/arm/v7") == Platform("linux", "arm", "v7")


@pytest.mark.parametrize(
    "text",
    ["", "linux", "linux/", "/amd64", "linux/a/b/c", "linux/amd64/", "linux/amd 64", "linux/-v",
     "linux/../x", "linux/\uff41\uff52", "linux/amd64\n"],
)  # fmt: skip
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a platform"):
        Platform.parse(text)


def test_another_system_than_linux_is_refused() -> None:
    with pytest.raises(UsageError, match="windows/amd64: only Linux images"):
        Platform.parse("windows/amd64")


def test_the_host_s_platform_is_one_that_can_be_parsed() -> None:
    host = Platform.of_host()
    assert Platform.parse(str(host)) == host
    assert host.architecture not in ("x86_64", "aarch64")
