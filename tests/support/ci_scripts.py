"""The shell scripts in a pipeline file, as its system would run them."""

import re
from dataclasses import dataclass

import yaml

from locald.ci.pipeline import System

_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_STRING = re.compile(r"'''(?:\\.|.)*?'''|'(?:\\.|[^'\\\n])*'", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class CiScript:
    """argv: the shell that the system starts. text: its standard input."""

    argv: tuple[str, ...]
    text: str


def scripts_of(system: System, recipe: str) -> tuple[CiScript, ...]:
    """All of them, in order. What one shell runs is one script."""
    match system:
        case System.GITHUB:
            steps = yaml.safe_load(recipe)["jobs"]["image"]["steps"]
            return tuple(_script(step["run"], "sh", "-e") for step in steps if "run" in step)
        case System.GITLAB:
            lines = yaml.safe_load(recipe)["build-image"]["script"]
            return (_script("\n".join(lines), "bash", "-eo", "pipefail"),)
        case System.WOODPECKER:
            (step,) = yaml.safe_load(recipe)["steps"]
            return (_script("\n".join(step["commands"]), "sh", "-e"),)
        case System.TEKTON:
            task, _ = yaml.safe_load_all(recipe)
            (step,) = task["spec"]["steps"]
            return (_script(step["script"], "sh"),)
        case System.JENKINS:
            _, strings = groovy_strings(recipe)
            return tuple(_script(text, "sh", "-xe") for text in strings if text.count("\n") > 1)


def groovy_strings(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without its strings in single quotes, and these, their escapes resolved."""
    found = tuple(_resolved(match.group()) for match in _STRING.finditer(text))
    return _STRING.sub("STRING", text), found


def _script(text: str, *argv: str) -> CiScript:
    return CiScript(argv=argv, text=text)


def _resolved(literal: str) -> str:
    width = 3 if literal.startswith("'''") else 1
    inner = literal[width:-width]

    def character(match: re.Match[str]) -> str:
        sign = match.group(1)
        assert sign in "\\'\n", sign
        return "" if sign == "\n" else sign

    return _ESCAPED.sub(character, inner)
