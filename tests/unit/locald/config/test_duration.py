import pytest

from locald.config.duration import parse_duration
from oci.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), (90, 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("1h1", 3601)],
)
def test_lengths_of_time(text: str | int, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5", "5 m", "m", "1d", "1.5h", "30m1h", "٣", -1])
def test_other_text_is_refused(text: str | int) -> None:
    with pytest.raises(UsageError, match="not a length of time"):
        parse_duration(text)
