"""A detection in a line for each buildpack, for the error when none fits."""

from typing import assert_never

from lifecycle.detection import Detection, Member, PlanSide, Unmet, Verdict, reason

_SHOWN_LINES = 10


def verdict_lines(detection: Detection) -> tuple[str, ...]:
    """What each buildpack that was asked said, each once; then what kept plans from resolving."""
    lines: list[str] = []
    for name, member in detection.verdicts.items():
        said = detection.outputs.get(name, ())
        if member.verdict is Verdict.ERROR:
            lines.append(verdict_text(member))
            lines += [f"  {line}" for line in said[-_SHOWN_LINES:]]
        else:
            why = reason(said) if member.verdict is not Verdict.PASS else ""
            lines.append(verdict_text(member) + (f": {why}" if why else ""))
    for name, supported in detection.skipped.items():
        lines.append(f"{name} was not asked: it is for {environments_text(supported)}")
    unmet = dict.fromkeys(
        unmet for attempt in detection.attempts for unmet in attempt.unmet if not unmet.dropped
    )
    lines += [unmet_text(one) for one in unmet]
    if detection.imitated:
        lines.append(IMITATED)
    return tuple(lines)


IMITATED = "the output of a buildpack looks like the lifecycle's own; -v shows all of it"


def verdict_text(member: Member) -> str:
    """A buildpack's verdict as the start of a sentence."""
    match member.verdict:
        case Verdict.PASS:
            return f"{member.name} fits"
        case Verdict.FAIL:
            return f"{member.name} is not for this application"
        case Verdict.ERROR:
            code = "" if member.exit_code is None else f" (exit code {member.exit_code})"
            return f"{member.name} could not tell{code}"
        case Verdict.UNCLEAR:
            return f"{member.name} is unclear: its verdict stands there twice"
        case _:
            assert_never(member.verdict)


def unmet_text(unmet: Unmet) -> str:
    """Why a buildpack that fits could still not take part."""
    if unmet.side is PlanSide.REQUIRES:
        return f"{unmet.module} requires {unmet.name}, which no buildpack before it provides"
    return f"{unmet.module} provides {unmet.name}, which no buildpack after it requires"


def environments_text(supported: tuple[str, ...]) -> str:
    """What a buildpack that was not asked is for."""
    return "the execution environment " + " or ".join(supported)
