"""Which names of the store a person means."""

from pathlib import Path

import pytest

from locald.care.image_names import find_names
from oci.digest import Digest
from oci.errors import ImageError, UsageError
from oci.platform import Platform
from oci.reference import Reference
from oci.store_names import NamedImage, RefRecord, StoreNames

DIGEST = Digest.of(b"image")
NAMES = (
    ("localhost/shop:latest", "linux/amd64"),
    ("localhost/shop:latest", "linux/arm64"),
    ("localhost/shop:2", "linux/amd64"),
    ("docker.io/library/debian:12", "linux/amd64"),
    (f"registry.example/team/base@{DIGEST}", "linux/amd64"),
)


@pytest.fixture
def known(tmp_path: Path) -> tuple[NamedImage, ...]:
    names = StoreNames(tmp_path)
    (tmp_path / "locks").mkdir()
    record = RefRecord(digest=str(DIGEST), source="", source_digest=str(DIGEST), fetched=0.0)
    for text, platform in NAMES:
        names.write(Reference.parse(text), Platform.parse(platform), record)
    return names.all()


def found(known: tuple[NamedImage, ...], *texts: str, platform: str | None = None) -> list[str]:
    return sorted(f"{n.text} {n.platform}" for n in find_names(known, texts, platform=platform))


def test_names_survive_the_store(known: tuple[NamedImage, ...]) -> None:
    assert {(str(name.reference), name.platform) for name in known} == set(NAMES)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop", ["shop:latest linux/amd64", "shop:latest linux/arm64"]),
        ("localhost/shop:2", ["shop:2 linux/amd64"]),
        ("debian:12", ["debian:12 linux/amd64"]),
        (
            f"registry.example/team/base@{DIGEST}",
            [f"registry.example/team/base@{DIGEST} linux/amd64"],
        ),
        (
            f"shop@{DIGEST}",
            ["shop:2 linux/amd64", "shop:latest linux/amd64", "shop:latest linux/arm64"],
        ),
    ],
)
def test_a_text_means_names(known: tuple[NamedImage, ...], text: str, expected: list[str]) -> None:
    assert found(known, text) == expected


def test_a_digest_means_all_names_of_the_image(known: tuple[NamedImage, ...]) -> None:
    for text in (str(DIGEST), f"sha256:{DIGEST.hex[:12]}", DIGEST.hex[:12]):
        assert len(found(known, text)) == len(NAMES)
    for text in (DIGEST.hex[:11], "sha256:000000000000"):
        with pytest.raises(ImageError, match="there is no image"):
            found(known, text)


def test_a_beginning_of_two_digests_is_refused(tmp_path: Path) -> None:
    names = StoreNames(tmp_path)
    (tmp_path / "locks").mkdir()
    for end in "ab":
        digest = f"sha256:{'0' * 63}{end}"
        record = RefRecord(digest=digest, source="", source_digest=digest, fetched=0.0)
        names.write(Reference.parse(f"localhost/{end}:1"), Platform.of_host(), record)
    with pytest.raises(UsageError, match="beginning of several digests"):
        found(names.all(), "0" * 12)
    assert found(names.all(), "0" * 63 + "b") == [f"b:1 {Platform.of_host()}"]


def test_a_platform_narrows(known: tuple[NamedImage, ...]) -> None:
    assert found(known, "shop", platform="linux/arm64") == ["shop:latest linux/arm64"]
    with pytest.raises(ImageError, match="no image debian:12 in the store for linux/arm64"):
        found(known, "debian:12", platform="linux/arm64")


def test_one_unknown_name_is_enough_to_change_nothing(known: tuple[NamedImage, ...]) -> None:
    with pytest.raises(ImageError, match="there is no image shopp in the store") as caught:
        found(known, "shop:2", "shopp")
    assert "shop" in caught.value.hint


def test_what_is_no_name_is_told(known: tuple[NamedImage, ...]) -> None:
    with pytest.raises(UsageError, match="not an image reference"):
        found(known, "A B")


def test_removed_names_leave_no_folders(known: tuple[NamedImage, ...], tmp_path: Path) -> None:
    names = StoreNames(tmp_path)
    names.remove(find_names(known, ["shop"], platform=None))
    assert [name.text for name in names.all()].count("shop:latest") == 0
    names.remove(names.all())
    assert not list((tmp_path / "refs").iterdir())
