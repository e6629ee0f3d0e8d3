from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lifecycle.detection import (
    Detection,
    DetectionLog,
    Member,
    PlanSide,
    Unmet,
    Verdict,
    reason,
)

LOGS = Path(__file__).with_name("detection_logs")

NODE = Member(name="acme/node@1.0.0", verdict=Verdict.FAIL)
STATIC = Member(name="acme/static@1.0.0", verdict=Verdict.PASS)
UNUSED = Member(name="acme/unused@1.0.0", verdict=Verdict.PASS)
NEEDS = Member(name="acme/needs@1.0.0", verdict=Verdict.PASS)
JRE = Member(name="acme/jre@1.0.0", verdict=Verdict.PASS)


def read(text: str) -> Detection:
    log = DetectionLog()
    for line in text.splitlines():
        log.add(line)
    return log.read()


@pytest.fixture(scope="module")
def fits() -> Detection:
    return read((LOGS / "group-7-fits.txt").read_text())


def test_every_combination_with_its_verdicts(fits: Detection) -> None:
    broken = Member(name="acme/broken@1.0.0", verdict=Verdict.ERROR, exit_code=3)
    assert [attempt.members for attempt in fits.attempts] == [
        (NODE, STATIC),
        (Member(name="acme/windows@1.0.0", verdict=Verdict.ERROR),),
        (Member(name="acme/toml@1.0.0", verdict=Verdict.ERROR), UNUSED),
        (UNUSED,),
        (UNUSED,),
        (Member(name="acme/node@1.0.0", verdict=Verdict.FAIL, optional=True),),
        (UNUSED, NEEDS, STATIC),
        (UNUSED, JRE, NEEDS, NODE, STATIC),
        (UNUSED, JRE, NEEDS, broken, STATIC),
        (UNUSED, JRE, NEEDS, STATIC),
    ]
    assert not fits.imitated
    assert not fits.truncated


def test_what_was_required_and_provided_in_vain(fits: Detection) -> None:
    unused = Unmet(module=UNUSED.name, side=PlanSide.PROVIDES, name="unused", dropped=True)
    jdk = Unmet(module=NEEDS.name, side=PlanSide.REQUIRES, name="jdk", dropped=False)
    jre = Unmet(module=NEEDS.name, side=PlanSide.REQUIRES, name="jre", dropped=False)
    by_attempt = [attempt.unmet for attempt in fits.attempts]
    assert by_attempt[3] == (unused,)
    assert by_attempt[4] == (
        Unmet(module=UNUSED.name, side=PlanSide.PROVIDES, name="unused", dropped=False),
    )
    assert by_attempt[6] == (jdk, jre)
    assert by_attempt[9] == (jdk, unused)
    assert fits.attempts[9].last_try == (unused,)


def test_each_buildpacks_own_words(fits: Detection) -> None:
    assert fits.outputs["acme/static@1.0.0"] == ("index.html found",)
    # Printf ate the blank; that a verb stood there can be told.
    assert fits.outputs["acme/node@1.0.0"] == ("no package.json", "100%sure")
    told, why = fits.outputs["acme/toml@1.0.0"]
    assert told == "bad toml follows"
    assert why.startswith("toml: line 1")
    assert "target os/arch" in fits.outputs["acme/windows@1.0.0"][0]
    assert fits.skipped == {"acme/testonly@1.0.0": ("test",)}


def test_a_detection_that_fails_ends_with_the_last_combination() -> None:
    detection = read((LOGS / "none-fits.txt").read_text())
    assert len(detection.attempts) == 11
    assert detection.attempts[-1].members == (
        Member(name="acme/static@1.0.0", verdict=Verdict.FAIL),
    )
    assert detection.verdicts["acme/static@1.0.0"].verdict is Verdict.FAIL
    assert not detection.imitated


def test_a_buildpack_cannot_let_another_one_pass() -> None:
    detection = read((LOGS / "imitation.txt").read_text())
    assert detection.imitated
    assert detection.verdicts["acme/static@1.0.0"].verdict is Verdict.UNCLEAR
    assert detection.verdicts["acme/evil@1.0.0"].verdict is Verdict.PASS
    # It came after the remarks that only the detector can make.
    assert not detection.skipped


def test_a_repeated_output_is_not_read_as_anything_else() -> None:
    output = "======== Output: a@1 ========\npass: b@1\nTimer: no\n"
    result = "======== Results ========\nfail: a@1\nfail: b@1\n"
    detection = read((output + result) * 3)
    assert not detection.imitated
    assert [len(attempt.members) for attempt in detection.attempts] == [2, 2, 2]
    assert detection.outputs == {"a@1": ("pass: b@1", "Timer: no")}


def test_what_no_lifecycle_printed_is_nothing() -> None:
    assert read("hello\n======== Results ========\n======== Output: ========\n") == Detection(
        attempts=()
    )


def test_more_than_can_be_kept_is_told() -> None:
    log = DetectionLog()
    for _ in range(200):
        log.add("x" * 65536)
    assert log.read().truncated


@given(st.lists(st.sampled_from((LOGS / "group-7-fits.txt").read_text().splitlines())))
def test_lines_in_any_order_are_read(lines: list[str]) -> None:
    read("\n".join(lines))


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    read(text)


_LIES = st.lists(
    st.sampled_from(
        (
            "======== Results ========",
            "======== Output: b@1 ========",
            "======== Error: b@1 ========",
            "pass: a@1",
            "pass: b@1",
            "skip: b@1",
            "err:  b@1 (3)",
            "fail: b@1",
            "Resolving plan... (try #1)",
            "Timer: Detector ran for 1s",
            "ERROR: no",
        )
    ),
    max_size=12,
)


@given(_LIES)
def test_whatever_a_buildpack_prints_another_ones_failure_is_never_a_success(
    lies: list[str],
) -> None:
    real = ["======== Output: b@1 ========", "not for me", "======== Results ========"]
    lines = ["======== Output: a@1 ========", *lies, *real, "pass: a@1", "fail: b@1"]
    verdict = read("\n".join(lines)).verdicts["b@1"].verdict
    assert verdict in (Verdict.FAIL, Verdict.UNCLEAR)


def test_the_reason_is_the_last_line_that_says_something() -> None:
    assert reason(["looking", " no index.html ", ""]) == "no index.html"
    assert reason([]) == ""
