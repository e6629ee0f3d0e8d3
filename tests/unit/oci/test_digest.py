"""Digests: the one form that tools write, computed from bytes and files."""

from pathlib import Path

import pytest

from oci.digest import Digest
from oci.errors import ImageError

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_the_digest_of_nothing_is_the_well_known_one() -> None:
    assert str(Digest.of(b"")) == EMPTY
    assert Digest.parse(EMPTY) == Digest.of(b"")
    assert Digest.of(b"").short == "e3b0c44298fc"


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    data = b"0123456789" * 300_000  # more than one read
    (tmp_path / "file").write_bytes(data)
    assert Digest.of_file(tmp_path / "file") == Digest.of(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256:",
        EMPTY.upper(),
        EMPTY[:-1],
        EMPTY + "0",
        EMPTY + "\n",
        " " + EMPTY,
        EMPTY.removeprefix("sha256:"),
        "sha512:" + "0" * 128,
        "sha256:../../../../etc/passwd",
        "sha256:" + "٣" * 64,
        "sha256:" + "g" * 64,
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ImageError, match="not a sha256 digest"):
        Digest.parse(text)


def test_a_refused_digest_is_quoted_only_in_part() -> None:
    with pytest.raises(ImageError) as caught:
        Digest.parse("x" * 10_000)
    assert len(caught.value.message) < 200
