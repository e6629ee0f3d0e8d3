"""What `locald doctor` prints: a table for people, an object for programs."""

import json
from collections.abc import Iterator
from typing import Any

from locald.cli.safe_text import safe_text
from locald.doctor.check import Checked
from locald.doctor.examination import Examination
from locald.doctor.finding import Level

FORMAT_VERSION = 1
_COLORS = {
    Level.OK: "\x1b[32m",
    Level.NOTE: "\x1b[36m",
    Level.WARN: "\x1b[33m",
    Level.FAIL: "\x1b[31m",
}
_RESET = "\x1b[0m"


def examination_lines(found: Examination, *, every: bool, color: bool) -> Iterator[str]:
    """A row for each check, what to do below it; the verdict last.

    every: also what is in order.
    """
    shown = [one for one in found.checked if every or one.finding.level is not Level.OK]
    width = max((len(one.check.name) for one in shown), default=0)
    for one in shown:
        level = one.finding.level
        word = f"{_COLORS[level]}{level:<4}{_RESET}" if color else f"{level:<4}"
        yield f"{word}  {one.check.name:<{width}}  {safe_text(one.finding.symptom)}"
        margin = " " * (width + 8)
        for line in one.finding.details:
            yield f"{margin}| {safe_text(line)}"
        for line in _remedy_lines(one, found):
            yield f"{margin}> {safe_text(line)}"
    if shown:
        yield ""
    yield _verdict(found)


def examination_document(found: Examination) -> str:
    """The object of `--json`; docs/doctor.md describes it."""
    document: dict[str, Any] = {
        "version": FORMAT_VERSION,
        "can_build": found.can_build,
        "runtime": found.runtime,
        "reason": found.reason,
        "distribution": found.distribution.name,
        "commands": found.commands,
        "checks": [
            {
                "name": one.check.name,
                "title": one.check.title,
                "level": str(one.finding.level),
                "symptom": one.finding.symptom,
                "details": one.finding.details,
                "remedy": one.finding.remedy.text,
                "commands": _commands(one, found),
                "seconds": round(one.seconds, 3),
            }
            for one in found.checked
        ],
    }
    return json.dumps(document, indent=2)


def _commands(one: Checked, found: Examination) -> tuple[str, ...]:
    install = found.distribution.install(one.finding.remedy.tools)
    return (*((install,) if install else ()), *one.finding.remedy.commands)


def _remedy_lines(one: Checked, found: Examination) -> Iterator[str]:
    remedy = one.finding.remedy
    if remedy.text:
        yield remedy.text
    elif remedy.tools and not found.distribution.install(remedy.tools):
        yield f"install {', '.join(map(found.distribution.package, remedy.tools))}"
    yield from _commands(one, found)


def _verdict(found: Examination) -> str:
    counts = [sum(one.finding.level is level for one in found.checked) for level in Level]
    names = ("in order", "to know", "warnings", "failures")
    told = ", ".join(f"{count} {name}" for count, name in zip(counts, names, strict=True) if count)
    if found.can_build:
        return f"Builds work here, with {found.runtime} ({told})."
    return f"Builds do not work here ({told})."
