"""Asking again: how often, after which pauses, and when to give up."""

import pytest

from oci.patience import Patience
from oci.persist import Transient, persist, retry_after
from oci.reference import Reference
from oci.registry_errors import RegistryTimeoutError, failing, stalled

IMAGE = Reference.parse("registry.example/team/app:1")


def trouble(*, asked_seconds: float | None = None) -> Transient:
    return Transient(failing(IMAGE, "it answered 503"), asked_seconds=asked_seconds)


def asked(*answers: Transient | str, patience: Patience | None = None) -> tuple[str, list[float]]:
    """What comes of these answers in turn, and the pauses."""
    left, pauses = list(answers), list[float]()

    def ask() -> str:
        answer = left.pop(0)
        if isinstance(answer, Transient):
            raise answer
        return answer

    return persist(ask, patience or Patience(), pauses.append), pauses


def test_what_works_is_asked_once() -> None:
    assert asked("yes") == ("yes", [])


def test_pauses_double_and_vary() -> None:
    answer, pauses = asked(*[trouble()] * 4, "yes")
    assert answer == "yes"
    for pause, meant in zip(pauses, (0.5, 1, 2, 4), strict=True):
        assert 0.75 * meant <= pause <= 1.25 * meant


def test_pauses_have_a_longest() -> None:
    patience = Patience(tries=12, longest_pause_seconds=3)
    _, pauses = asked(*[trouble()] * 11, "yes", patience=patience)
    assert max(pauses) <= 3 * 1.25


def test_a_pause_that_is_asked_for_is_made() -> None:
    _, pauses = asked(trouble(asked_seconds=7), "yes")
    assert pauses == [7]


def test_one_that_is_too_long_is_told_instead() -> None:
    with pytest.raises(type(trouble().final), match="it answered 503"):
        asked(trouble(asked_seconds=31), "yes")


def test_after_all_tries_the_trouble_is_told() -> None:
    with pytest.raises(type(trouble().final), match="it answered 503"):
        asked(*[trouble()] * 5, "too late")


def test_a_stall_is_tried_once_more_only() -> None:
    stall = Transient(stalled(IMAGE, 75))
    assert asked(stall, "yes")[0] == "yes"
    with pytest.raises(RegistryTimeoutError, match="within 75 s") as caught:
        asked(stall, stall, "too late")
    assert caught.value.exit_code == 7


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("99999999999999999999", 999999999.0),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 01 Jan 0001 00:00:00 -0000", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e999", None),
        ("nan", None),
        ("\u00b2", None),
        ("Wed, 21 Oct", None),
        ("21 Oct 15 7:2 +99999999999999", None),
        ("9" * 5000, 999999999.0),
    ],
)
def test_what_a_registry_asks_for_may_be_no_time(text: str, seconds: float | None) -> None:
    assert retry_after(text) == seconds
