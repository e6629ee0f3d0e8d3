"""Platform API versions, and the one that both sides speak."""

import pytest

from lifecycle.platform_api import OURS, SINCE, PlatformApi, negotiate
from oci.errors import ImageError


@pytest.mark.parametrize("text", ["0.12", "0.3", "1.0", "12.345"])
def test_a_version_is_read_and_written_alike(text: str) -> None:
    assert str(PlatformApi.parse(text)) == text


def test_versions_are_ordered_as_numbers() -> None:
    assert PlatformApi.parse("0.9") < PlatformApi.parse("0.12") < PlatformApi.parse("1.0")


@pytest.mark.parametrize(
    "text", ["", ".", "0.", "v0.12", "0.12.1", "0.x", "-0.1", "0.٣", "9" * 5000, "0.12\n"]
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="not a Platform API version"):
        PlatformApi.parse(text)


@pytest.mark.parametrize(
    ("offered", "agreed"),
    [
        (["0.12"], "0.12"),
        (["0.7", "0.11", "0.12", "0.13"], "0.13"),
        (["0.15", "0.14"], "0.15"),
        (["0.14", "0.15", "0.16", "1.0"], "0.15"),
    ],
)
def test_the_highest_common_version_is_spoken(offered: list[str], agreed: str) -> None:
    assert str(negotiate(offered, origin="b")) == agreed


@pytest.mark.parametrize(
    ("offered", "listed"), [([], "none"), (["0.9", "0.11"], "0.9, 0.11"), (["0.16"], "0.16")]
)
def test_without_a_common_version_both_sides_are_named(offered: list[str], listed: str) -> None:
    with pytest.raises(ImageError) as caught:
        negotiate(offered, origin="registry.example/builder")
    assert caught.value.message == (
        "registry.example/builder: its lifecycle speaks none of our Platform APIs "
        f"(0.12 to 0.15), only {listed}"
    )
    assert caught.value.hint == "use a newer builder"


def test_no_flag_waits_for_a_version_that_we_do_not_speak() -> None:
    assert set(SINCE.values()) <= set(OURS)
