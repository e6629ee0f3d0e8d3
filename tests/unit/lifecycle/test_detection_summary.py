from lifecycle.detection import Attempt, Detection, Member, PlanSide, Unmet, Verdict
from lifecycle.detection_summary import IMITATED, verdict_lines

ONE = Member(name="one@1", verdict=Verdict.PASS)
TWO = Member(name="two@1", verdict=Verdict.UNCLEAR)


def unmet(side: PlanSide, *, dropped: bool = False) -> Unmet:
    return Unmet(module="one@1", side=side, name="jre", dropped=dropped)


def test_each_buildpack_is_told_once_and_what_was_unmet() -> None:
    attempt = Attempt(
        members=(ONE, TWO),
        unmet=(
            unmet(PlanSide.REQUIRES),
            unmet(PlanSide.PROVIDES),
            unmet(PlanSide.PROVIDES, dropped=True),
        ),
    )
    detection = Detection(
        attempts=(attempt, attempt),
        outputs={"one@1": ("found it",)},
        skipped={"three@1": ("test", "dev")},
        imitated=True,
    )
    assert verdict_lines(detection) == (
        "one@1 fits",
        "two@1 is unclear: its verdict stands there twice",
        "three@1 was not asked: it is for the execution environment test or dev",
        "one@1 requires jre, which no buildpack before it provides",
        "one@1 provides jre, which no buildpack after it requires",
        IMITATED,
    )


def test_nothing_told_is_nothing() -> None:
    assert verdict_lines(Detection(attempts=())) == ()
