"""What `--explain` prints."""

from collections.abc import Iterator

from lifecycle.detection import Member, Verdict
from lifecycle.detection_summary import environments_text, unmet_text
from locald.build.explain import Explanation, Tried

_WORDS = {
    Verdict.PASS: "fits",
    Verdict.FAIL: "no",
    Verdict.ERROR: "error",
    Verdict.UNCLEAR: "unclear",
}
_MOST = 200
_OUTPUT_LINES = 10


def explanation_lines(explanation: Explanation) -> Iterator[str]:
    """Each combination with each verdict; a buildpack's own words where it comes first."""
    yield f"Detection: {_headline(explanation)}"
    told: set[str] = set()
    for tried in explanation.tried[:_MOST]:
        yield f"  {_title(tried)}"
        for member in tried.members:
            yield from _member(member, tried, explanation, told)
        for name in tried.skipped:
            environments = environments_text(explanation.environments.get(name, ()))
            yield f"    {'-':<8}{name}: not asked, it is for {environments}"
        yield from (f"    {'left out':<8} {unmet_text(unmet)}" for unmet in tried.left_out)
        yield from (f"    lacks: {lack}" for lack in tried.lacks)
    if len(explanation.tried) > _MOST:
        yield f"  … and {len(explanation.tried) - _MOST} more; --report FILE has all"
    for number, members in explanation.untried:
        yield f"  group {number}: not tried, because an earlier one fits"
        yield f"    {', '.join(members)}"
    for name, providers in explanation.plan:
        yield f"  {name} is required, and provided by {', '.join(providers)}"
    if explanation.untried:
        yield "  To choose other buildpacks than the first that fit, name them with --buildpack"
    yield from (f"  Beware: {warning}" for warning in explanation.warnings)


def _headline(explanation: Explanation) -> str:
    count = f"{len(explanation.tried)} combinations of buildpacks were tried"
    if len(explanation.tried) == 1:
        count = "1 combination of buildpacks was tried"
    if explanation.taken is not None:
        return f"group {explanation.taken} of {explanation.groups} fits; {count}"
    if any(tried.taken for tried in explanation.tried):
        return f"the last one fits; {count}"
    groups = f"none of {explanation.groups} groups fits; " if explanation.groups else "none fits; "
    return groups + count


def _title(tried: Tried) -> str:
    name = "a combination" if tried.group is None else f"group {tried.group}"
    for composite, number in tried.via:
        name += f", {composite} group {number}" if number else f", without {composite}"
    return f"{name}: {'fits, and is taken' if tried.taken else 'does not fit'}"


def _member(
    member: Member, tried: Tried, explanation: Explanation, told: set[str]
) -> Iterator[str]:
    optional = " (optional)" if member.name in tried.optional else ""
    code = f" (exit code {member.exit_code})" if member.exit_code is not None else ""
    yield f"    {_WORDS[member.verdict]:<8}{member.name}{optional}{code}"
    if member.name not in told:
        told.add(member.name)
        lines = explanation.outputs.get(member.name, ())
        if len(lines) > _OUTPUT_LINES:
            yield "            | …"
        yield from (f"            | {line}" for line in lines[-_OUTPUT_LINES:])
