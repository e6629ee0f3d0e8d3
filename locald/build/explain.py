"""Why detection took the group of buildpacks that it took, and what the others lack."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.detection import Attempt, Detection, DetectionLog, Member, Unmet, Verdict, reason
from lifecycle.detection_order import Combination, DetectionOrder, read_detection_order
from lifecycle.detection_summary import IMITATED, environments_text, unmet_text, verdict_text
from lifecycle.documents import Plan, read_plan
from lifecycle.platform_api import SINCE, PlatformApi
from lifecycle.runtime.spec import ContainerSpec

_OUTPUT_LINES = 50
TRUNCATED = "detection said more than is kept; the end of it is missing here"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One combination of buildpacks.

    group: its number in the order, from 1; None where the order does not tell. via: the groups
    of composite buildpacks in it: (`id@version`, number from 1, or 0 where it was left out).
    members: in order. optional: which of them may be missing. left_out: optional ones whose
    requires or provides nobody met. lacks: what would have to change for it to fit, in words.
    """

    group: int | None
    via: tuple[tuple[str, int], ...]
    members: tuple[Member, ...]
    optional: frozenset[str]
    skipped: tuple[str, ...]
    unmet: tuple[Unmet, ...]
    left_out: tuple[Unmet, ...]
    taken: bool
    lacks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A detection, explained. Every text in it is foreign.

    untried: groups after the one that was taken: (number, members as the order names them).
    outputs: `id@version` → what it printed. plan: what the members provide each other:
        (name, its providers). environments: of what was not asked: `id@version` → for which.
    """

    tried: tuple[Tried, ...]
    untried: tuple[tuple[int, tuple[str, ...]], ...]
    groups: int
    taken: int | None
    outputs: dict[str, tuple[str, ...]]
    environments: dict[str, tuple[str, ...]]
    plan: tuple[tuple[str, tuple[str, ...]], ...]
    warnings: tuple[str, ...]


def explain(
    detection: Detection, order: DetectionOrder | None, *, plan: Plan | None
) -> Explanation:
    """order: None where it could not be read. plan: None when no group fits."""
    fits = plan is not None
    combinations = order.combinations(detection.skipped) if order is not None else ()
    aligned = _aligned(detection.attempts, combinations, fits=fits)
    last = len(detection.attempts) - 1
    tried = tuple(
        _tried(
            attempt,
            combinations[index] if aligned else None,
            detection,
            taken=fits and index == last,
        )
        for index, attempt in enumerate(detection.attempts)
    )
    taken = tried[-1].group if tried and fits else None
    untried: tuple[tuple[int, tuple[str, ...]], ...] = ()
    if order is not None and taken is not None:
        untried = tuple(
            (number, tuple(map(str, entry.group)))
            for number, entry in enumerate(order.order, start=1)
            if number > taken
        )
    return Explanation(
        tried=tried,
        untried=untried,
        groups=len(order.order) if order is not None else 0,
        taken=taken,
        outputs={name: lines[-_OUTPUT_LINES:] for name, lines in detection.outputs.items()},
        environments=dict(detection.skipped),
        plan=tuple(_plan_entries(plan)) if plan is not None else (),
        warnings=tuple(_warnings(detection)),
    )


def explain_phase(
    log: DetectionLog, given: ContainerSpec, api: PlatformApi, *, layers: Path | None
) -> Explanation:
    """The detect phase that was given this; `layers` is where it left its result if it had one."""
    order = read_detection_order(given, system=api >= SINCE["detector -system"])
    return explain(log.read(), order, plan=read_plan(layers) if layers is not None else None)


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """As plain values; the form is documented in docs/explain.md."""
    return {
        "taken": explanation.taken,
        "tried": [_tried_document(tried, explanation) for tried in explanation.tried],
        "untried": [
            {"group": number, "buildpacks": list(members)}
            for number, members in explanation.untried
        ],
        "plan": [
            {"name": name, "providers": list(providers)} for name, providers in explanation.plan
        ],
        "warnings": list(explanation.warnings),
    }


def _aligned(
    attempts: Sequence[Attempt], combinations: Sequence[Combination], *, fits: bool
) -> bool:
    """Is what was tried what had to be tried? Not when a buildpack added to the output."""
    if not attempts or len(attempts) > len(combinations):
        return False
    if not fits and len(attempts) != len(combinations):
        return False
    return all(
        [member.name for member in attempt.members] == [str(ref) for ref in combination.members]
        for attempt, combination in zip(attempts, combinations, strict=False)
    )


def _tried(
    attempt: Attempt, combination: Combination | None, detection: Detection, *, taken: bool
) -> Tried:
    optional = {member.name for member in attempt.members if member.optional}
    if combination is not None:
        optional |= {str(ref) for ref in combination.members if ref.optional}
    skipped = tuple(map(str, combination.skipped)) if combination is not None else ()
    dropped = tuple(unmet for unmet in attempt.last_try if unmet.dropped)
    return Tried(
        group=combination.group if combination is not None else None,
        via=combination.via if combination is not None else (),
        members=attempt.members,
        optional=frozenset(optional),
        skipped=skipped,
        unmet=() if taken else attempt.unmet,
        left_out=dropped if taken else (),
        taken=taken,
        lacks=() if taken else tuple(_lacks(attempt, optional, skipped, detection)),
    )


def _lacks(
    attempt: Attempt, optional: set[str], skipped: tuple[str, ...], detection: Detection
) -> Iterator[str]:
    told = False
    for member in attempt.members:
        if member.verdict is Verdict.PASS or member.name in optional:
            continue
        told = True
        why = reason(detection.outputs.get(member.name, ()))
        yield verdict_text(member) + (f": {why}" if why else "")
    if told:
        return
    for unmet in attempt.unmet:
        if not unmet.dropped:
            told = True
            yield unmet_text(unmet)
    if told:
        return
    yield from (unmet_text(unmet) for unmet in attempt.unmet)
    for name in skipped:
        yield f"{name} is for {environments_text(detection.skipped.get(name, ()))}"
    if not skipped:
        yield "none of its optional members takes part, and it has no other"


def _plan_entries(plan: Plan) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in plan.entries:
        providers = tuple(f"{p.id}@{p.version}" for p in entry.providers)
        for name in dict.fromkeys(requirement.name for requirement in entry.requires):
            yield name, providers


def _warnings(detection: Detection) -> Iterator[str]:
    if detection.imitated:
        yield IMITATED
    if detection.truncated:
        yield TRUNCATED


def _tried_document(tried: Tried, explanation: Explanation) -> dict[str, Any]:
    return {
        "group": tried.group,
        "via": [{"buildpack": name, "group": number or None} for name, number in tried.via],
        "taken": tried.taken,
        "buildpacks": [
            {
                "name": member.name,
                "optional": member.name in tried.optional,
                "verdict": str(member.verdict),
                "exit_code": member.exit_code,
                "output": list(explanation.outputs.get(member.name, ())),
            }
            for member in tried.members
        ],
        "skipped": [
            {"name": name, "exec_env": list(explanation.environments.get(name, ()))}
            for name in tried.skipped
        ],
        "unmet": [
            {
                "buildpack": unmet.module,
                str(unmet.side): unmet.name,
                "left_out": unmet.dropped,
            }
            for unmet in (*tried.unmet, *tried.left_out)
        ],
        "lacks": list(tried.lacks),
    }
