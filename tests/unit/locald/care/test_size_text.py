"""Sizes and ages as people give them."""

import pytest

from locald.care.size_text import parse_age, parse_size
from oci.errors import UsageError


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("512", 512),
        ("500MB", 500 * 1000**2),
        ("10g", 10 * 1000**3),
        ("2GiB", 2 * 1024**3),
        ("1.5 GB", 1_500_000_000),
        ("3Ti", 3 * 1024**4),
        ("7b", 7),
        (" 1k ", 1000),
    ],
)
def test_a_size(text: str, size: int) -> None:
    assert parse_size(text, flag="--keep") == size


@pytest.mark.parametrize(
    "text", ["", "GB", "-1", "10 elephants", "1i", "1iB", "1e9", "ten", "1,5G"]
)
def test_what_is_no_size_names_its_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--keep: not a size") as caught:
        parse_size(text, flag="--keep")
    assert "10GB" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30d", 30 * 86400), ("12h", 43200), ("2w", 14 * 86400), ("5m", 300), ("0s", 0)],
)
def test_an_age(text: str, seconds: float) -> None:
    assert parse_age(text, flag="--older-than") == seconds


@pytest.mark.parametrize("text", ["", "30", "d", "-3d", "3 days", "1d12h"])
def test_what_is_no_age_names_its_flag(text: str) -> None:
    with pytest.raises(UsageError, match="--older-than: not an age"):
        parse_age(text, flag="--older-than")
