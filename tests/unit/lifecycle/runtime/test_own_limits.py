"""Limits of this process: refused when no build works with them, with a command or in words."""

import resource

import pytest

from lifecycle.runtime.own_limits import ADDRESSES, OWN_LIMITS, OwnLimit, refused_limit


@pytest.mark.parametrize("limit", OWN_LIMITS, ids=lambda limit: limit.name)
@pytest.mark.parametrize("hard", [resource.RLIM_INFINITY, None])
def test_what_this_user_may_raise_is_a_command(limit: OwnLimit, hard: int | None) -> None:
    refusal = limit.refusal(limit.least - 1, limit.least if hard is None else hard)
    assert refusal is not None
    assert refusal.hint == f"prlimit --pid $$ --{limit.name}={limit.least}:"
    assert f"only {limit.least - 1} " in refusal.message


def test_what_only_root_may_raise_is_told_in_words() -> None:
    refusal = ADDRESSES.refusal(1000, 1000)
    assert refusal is not None
    assert "limits.conf" in refusal.hint
    assert "LimitAS=" in refusal.hint


@pytest.mark.parametrize("soft", [ADDRESSES.least, resource.RLIM_INFINITY])
def test_enough_is_not_refused(soft: int) -> None:
    assert ADDRESSES.refusal(soft, resource.RLIM_INFINITY) is None


def test_the_tests_themselves_may_build() -> None:
    assert refused_limit() is None
