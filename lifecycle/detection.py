"""The output of the detect phase at log level debug: what each group's buildpacks said.

The detector prints its own remarks at once, and at its end, in one go, what it held back: for
each combination of buildpacks that it tried, the output of each, the verdicts, and the attempts
to make requires and provides meet. A buildpack's output stands between the detector's lines
with nothing to tell them apart, so one can print what looks like a verdict on another. It cannot
take the real verdict away, though, which always stands in the log too: a buildpack on which two
verdicts are found is `UNCLEAR`.
Source: lifecycle 0.21, phase/detector.go.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

_MAX_LINES = 50_000
_MAX_CHARACTERS = 8 << 20
_MAX_UNMET = 200

_HEADER = re.compile(r"======== (?P<kind>Output|Error): (?P<module>\S+@\S*) ========")
_RESULTS = "======== Results ========"
_VERDICT = re.compile(r"(?P<word>pass|skip|fail): (?P<module>\S+@\S*)")
_BROKEN = re.compile(r"err:  (?P<module>\S+@\S*)(?: \((?P<code>-?\d+)\))?")
_SKIPPED = re.compile(
    r"Skipping (?P<module>\S+@\S*) due to execution environment mismatch; "
    r"current: (?P<current>\S*), buildpack supports: \[(?P<supported>[^\]]*)\]"
)
_TRY = re.compile(r"Resolving plan\.\.\. \(try #\d+\)")
_UNMET = re.compile(
    r"(?P<word>skip|fail): (?P<module>\S+@\S*) (?P<kind>requires|provides unused) (?P<name>.*)"
)
_END = re.compile(r"Timer: Detector ran for .*|ERROR: .*")
# A buildpack's output goes through Go's Printf as its format.
_MISSING_VERB = re.compile(r"%!([a-zA-Z])\(MISSING\)")


class Verdict(StrEnum):
    """What a buildpack's detection came to."""

    PASS = "pass"
    FAIL = "fail"
    """It said that it is not for this application."""
    ERROR = "error"
    """It could not say: it broke, wrote a plan that cannot be read, or is for another target."""
    UNCLEAR = "unclear"
    """The output holds two different verdicts: a buildpack printed one of them."""


class PlanSide(StrEnum):
    """Requires or provides."""

    REQUIRES = "requires"
    PROVIDES = "provides"


@dataclass(frozen=True, kw_only=True)
class Member:
    """A buildpack or extension in one combination.

    name: `id@version`. exit_code: with ERROR, where there is one. optional: known to be (the
    output tells so only of those that fail).
    """

    name: str
    verdict: Verdict
    exit_code: int | None = None
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class Unmet:
    """Something required that nobody provides, or provided that nobody requires.

    dropped: the buildpack was optional and was left out for it; else the attempt ended there.
    """

    module: str
    side: PlanSide
    name: str
    dropped: bool


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One combination that was tried. last_try: the unmet ones of the last way to resolve its
    plan; unmet: of all ways, each once."""

    members: tuple[Member, ...]
    unmet: tuple[Unmet, ...] = ()
    last_try: tuple[Unmet, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Detection:
    """All that one run of the detector told. Every text in it is foreign.

    outputs: `id@version` → what it printed, and the detector's own error about it.
    skipped: `id@version` → the execution environments that it is for; it was not asked.
    imitated: buildpacks printed what looks like the detector's own lines.
    truncated: there was more than is kept.
    """

    attempts: tuple[Attempt, ...]
    outputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    imitated: bool = False
    truncated: bool = False

    @property
    def verdicts(self) -> dict[str, Member]:
        """Each buildpack once, in the order of their first appearance."""
        found: dict[str, Member] = {}
        for attempt in self.attempts:
            for member in attempt.members:
                found.setdefault(member.name, member)
        return found


class DetectionLog:
    """Fed every line of the phase, in order, without colours."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._characters = 0
        self._truncated = False

    def add(self, line: str) -> None:
        """Keep a line, as long as there is room."""
        self._characters += len(line)
        if len(self._lines) >= _MAX_LINES or self._characters > _MAX_CHARACTERS:
            self._truncated = True
            return
        self._lines.append(line)

    def read(self) -> Detection:
        """What the lines say; never fails, whatever they are."""
        return _Reader(self._lines).read(truncated=self._truncated)


class _Reader:
    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._at = 0
        self._attempts: list[Attempt] = []
        self._texts: dict[tuple[str, str], tuple[str, ...]] = {}
        self._skipped: dict[str, tuple[str, ...]] = {}
        self._imitated = False

    def read(self, *, truncated: bool) -> Detection:
        self._read_remarks()
        while self._at < len(self._lines):
            line = self._lines[self._at]
            self._at += 1
            if header := _HEADER.fullmatch(line):
                self._read_text(header["kind"], header["module"])
            elif line == _RESULTS:
                self._read_results()
        attempts = self._without_contradictions()
        return Detection(
            attempts=attempts,
            outputs=self._outputs(),
            skipped=self._skipped,
            imitated=self._imitated,
            truncated=truncated,
        )

    def _read_remarks(self) -> None:
        """What the detector says at once; no buildpack's output can come before its end."""
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if _HEADER.fullmatch(line) or line == _RESULTS:
                return
            if skipped := _SKIPPED.fullmatch(line):
                self._skipped[skipped["module"]] = tuple(skipped["supported"].split())
            self._at += 1

    def _read_text(self, kind: str, module: str) -> None:
        known = self._texts.get((kind, module))
        if known is not None and self._next(len(known)) == known:
            # The same in each combination, and so whatever it looks like.
            self._at += len(known)
            return
        start = self._at
        while self._at < len(self._lines) and not _starts_something(self._lines[self._at]):
            self._at += 1
        text = tuple(self._lines[start : self._at])
        if known is not None and known != text:
            self._imitated = True
        self._texts[kind, module] = text

    def _read_results(self) -> None:
        members: list[Member] = []
        while self._at < len(self._lines):
            member = _member(self._lines[self._at])
            if member is None:
                break
            members.append(member)
            self._at += 1
        unmet: dict[Unmet, None] = {}
        last_try: list[Unmet] = []
        while self._at < len(self._lines) and not _starts_something(self._lines[self._at]):
            line = self._lines[self._at]
            if _TRY.fullmatch(line):
                last_try = []
            elif (found := _unmet(line)) is not None and len(unmet) < _MAX_UNMET:
                unmet[found] = None
                last_try.append(found)
            self._at += 1
        if members:
            self._attempts.append(
                Attempt(members=tuple(members), unmet=tuple(unmet), last_try=tuple(last_try))
            )

    def _without_contradictions(self) -> tuple[Attempt, ...]:
        """A buildpack runs once; what is said of it in one combination holds in all."""
        said: dict[str, set[tuple[Verdict, int | None]]] = {}
        for attempt in self._attempts:
            for member in attempt.members:
                said.setdefault(member.name, set()).add((member.verdict, member.exit_code))
        unclear = {name for name, verdicts in said.items() if len(verdicts) > 1}
        if not unclear:
            return tuple(self._attempts)
        self._imitated = True
        return tuple(
            Attempt(
                members=tuple(
                    replace(m, verdict=Verdict.UNCLEAR, exit_code=None) if m.name in unclear else m
                    for m in attempt.members
                ),
                unmet=attempt.unmet,
                last_try=attempt.last_try,
            )
            for attempt in self._attempts
        )

    def _outputs(self) -> dict[str, tuple[str, ...]]:
        outputs: dict[str, tuple[str, ...]] = {}
        for (_, module), text in self._texts.items():
            restored = tuple(_restored(line) for line in text)
            outputs[module] = (*outputs.get(module, ()), *restored)
        return outputs

    def _next(self, count: int) -> tuple[str, ...]:
        return tuple(self._lines[self._at : self._at + count])


def reason(lines: Iterable[str]) -> str:
    """The line of a buildpack's output that says most: its last one; "" when it said nothing."""
    return next((line.strip() for line in reversed(tuple(lines)) if line.strip()), "")


def _starts_something(line: str) -> bool:
    return line == _RESULTS or bool(_HEADER.fullmatch(line) or _END.fullmatch(line))


def _member(line: str) -> Member | None:
    if found := _VERDICT.fullmatch(line):
        verdict = Verdict.PASS if found["word"] == "pass" else Verdict.FAIL
        return Member(name=found["module"], verdict=verdict, optional=found["word"] == "skip")
    if found := _BROKEN.fullmatch(line):
        code = int(found["code"][:9]) if found["code"] else None
        return Member(name=found["module"], verdict=Verdict.ERROR, exit_code=code)
    return None


def _unmet(line: str) -> Unmet | None:
    found = _UNMET.fullmatch(line)
    if found is None:
        return None
    side = PlanSide.REQUIRES if found["kind"] == "requires" else PlanSide.PROVIDES
    return Unmet(
        module=found["module"], side=side, name=found["name"], dropped=found["word"] == "skip"
    )


def _restored(line: str) -> str:
    """A line as the buildpack printed it, as far as Printf lets one tell."""
    return _MISSING_VERB.sub(r"%\1", line).replace("%!(NOVERB)", "%")
