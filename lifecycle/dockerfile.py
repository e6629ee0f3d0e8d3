"""The Dockerfiles that image extensions generate: read, checked, and written anew in a plain form.

What is applied is never the generated text but what was understood of it: one instruction a line,
no comments, no directives. So nothing can mean one thing to the check and another to the tool
that applies it.
Source: CNB image extension specification, "Dockerfile Requirements".
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

import msgspec

from oci.errors import ImageError

_BASE_IMAGE = "${base_image}"
_BASE_ARGUMENT = "base_image"
_BUILD_ID = re.compile(r"\bbuild_id\b")
# As BuildKit's parser has them.
_CONTINUED = re.compile(r"\\[ \t]*$")
_DIRECTIVE = re.compile(r"#[ \t]*(?P<name>[A-Za-z][A-Za-z0-9]*)[ \t]*=[ \t]*(?P<value>.*?)[ \t]*$")
_HERE_DOCUMENT = re.compile(r"\d*<<-?[^<\s]+")
_REMOTE = re.compile(r"(?:https?|git|ssh)://|git@", re.IGNORECASE)
_MAX_LINES = 10_000


class DockerfileKind(StrEnum):
    """Which image a Dockerfile is for."""

    BUILD = "build"
    RUN = "run"

    @property
    def file_name(self) -> str:
        """As extensions write it."""
        return f"{self}.Dockerfile"


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction, its continued lines joined. line: where it begins, from 1."""

    name: str
    rest: str
    line: int

    def __str__(self) -> str:
        return f"{self.name} {self.rest}"

    @property
    def copies_from_context(self) -> bool:
        """Does it take files out of the build context?"""
        if self.name not in ("COPY", "ADD"):
            return False
        *sources, _ = _words(self.rest) or [""]
        sources = [word for word in sources if not word.startswith("--")]
        return any(not _REMOTE.match(source) for source in sources)


@dataclass(frozen=True, kw_only=True)
class Dockerfile:
    """A Dockerfile of an extension.

    base: the image of `FROM`, as it stands there; empty for `${base_image}`.
    arguments: the ARG instructions before FROM. instructions: all after it.
    """

    kind: DockerfileKind
    base: str
    arguments: tuple[Instruction, ...]
    instructions: tuple[Instruction, ...]

    @classmethod
    def parse(cls, data: bytes, *, kind: DockerfileKind, origin: str) -> Self:
        """Read and check one. Raises ImageError that names the line; `origin` names the file."""
        try:
            text = data.decode()
        except UnicodeDecodeError as error:
            raise ImageError(f"{origin} is not text: {error}") from error
        arguments: list[Instruction] = []
        base: str | None = None
        instructions: list[Instruction] = []
        for instruction in _instructions(text, origin):
            if instruction.name == "FROM":
                if base is not None:
                    raise _refused(
                        instruction, origin, "a second FROM: an extension has one stage only"
                    )
                base = _base(instruction, origin)
            elif base is not None:
                _check(instruction, origin)
                instructions.append(instruction)
            elif instruction.name == "ARG":
                arguments.append(instruction)
            else:
                raise _refused(instruction, origin, "an instruction before FROM")
        if base is None:
            raise ImageError(f"{origin} has no FROM")
        if kind is DockerfileKind.BUILD and base != _BASE_IMAGE:
            raise ImageError(
                f"{origin}: FROM names {base[:200]!r}; only {_BASE_IMAGE} may be there, "
                "the build image cannot be switched"
            )
        return cls(
            kind=kind,
            base="" if base == _BASE_IMAGE else base,
            arguments=tuple(arguments),
            instructions=tuple(instructions),
        )

    @property
    def extends(self) -> bool:
        """Does it change the image, and not only say which one?"""
        return bool(self.instructions)

    @property
    def uses_build_id(self) -> bool:
        """Does it ask for a new result in every build?"""
        return any(_BUILD_ID.search(instruction.rest) for instruction in self.instructions)

    @property
    def copies_from_context(self) -> bool:
        """Does the result depend on the build context?"""
        return any(instruction.copies_from_context for instruction in self.instructions)

    def text(self, base: str, *, first: tuple[str, ...] = ()) -> str:
        """The Dockerfile to apply to the image `base`; `first`: instructions that come first."""
        lines = (*map(str, self.arguments), f"FROM {base}", *first, *map(str, self.instructions))
        return "".join(f"{line}\n" for line in lines)


def _instructions(text: str, origin: str) -> list[Instruction]:
    found: list[Instruction] = []
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if len(lines) > _MAX_LINES:
        raise ImageError(f"{origin} has more than {_MAX_LINES} lines")
    joined, started, directives = "", 0, True
    for number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if stripped.startswith("#") or not stripped:
            directive = _DIRECTIVE.match(stripped) if directives else None
            if directive and directive["name"].lower() == "escape" and directive["value"] != "\\":
                raise ImageError(f"{origin}, line {number}: another escape character than \\")
            directives = directive is not None
            continue  # also between continued lines
        directives = False
        started = started or number
        continued = _CONTINUED.search(line)
        joined += line[: continued.start()] if continued else line
        if continued is None:
            found.append(_instruction(joined, started))
            joined, started = "", 0
    if joined.strip():
        found.append(_instruction(joined, started))
    return found


def _instruction(text: str, line: int) -> Instruction:
    name, _, rest = text.strip().partition(" ")
    if "\t" in name:
        name, _, rest = text.strip().partition("\t")
    return Instruction(name=name.upper(), rest=rest.strip(), line=line)


def _base(instruction: Instruction, origin: str) -> str:
    words = [word for word in instruction.rest.split() if not word.startswith("--")]
    if len(words) not in (1, 3) or (len(words) == 3 and words[1].upper() != "AS"):
        raise _refused(instruction, origin, "FROM names no image")
    return words[0]


def _check(instruction: Instruction, origin: str) -> None:
    """What would reach out of the container, or another image, or is read in more than one way."""
    words = instruction.rest.split()
    flags = []
    for word in words:
        if not word.startswith("--"):
            break
        flags.append(word)
    if instruction.name == "RUN" and flags:
        raise _refused(instruction, origin, f"RUN {flags[0][:80]}: RUN may have no options")
    if instruction.name in ("COPY", "ADD") and any(f.startswith("--from") for f in flags):
        raise _refused(
            instruction, origin, f"{instruction.name} --from: files come from the context only"
        )
    if instruction.name == "ONBUILD":
        raise _refused(instruction, origin, "ONBUILD has no meaning here")
    if instruction.name in ("RUN", "COPY", "ADD") and any(map(_HERE_DOCUMENT.fullmatch, words)):
        raise _refused(
            instruction,
            origin,
            "a here-document",
            hint="write the text to a file of the extension's context folder, and COPY it",
        )


def _words(rest: str) -> list[str]:
    if rest.startswith("["):
        try:
            return msgspec.json.decode(rest, type=list[str])
        except msgspec.DecodeError:
            return rest.split()
    return rest.split()


def _refused(instruction: Instruction, origin: str, what: str, *, hint: str = "") -> ImageError:
    return ImageError(f"{origin}, line {instruction.line}: {what}", hint=hint)
