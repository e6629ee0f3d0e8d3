"""Reads pyproject.toml: `dependencies` prints one requirement a line, `scripts` prints NAME=MODULE:FUNCTION words."""

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8")).get("project", {})


def fail(message: str, hint: str) -> None:
    sys.exit(f" !     ERROR: {message}\n !     hint: {hint}")


def dependencies() -> None:
    if not project:
        fail(
            "pyproject.toml has no [project] table (an old Poetry project?)",
            "export the lock: poetry export -o requirements.txt, and commit it",
        )
    if "dependencies" in project.get("dynamic", ()):
        fail(
            "pyproject.toml leaves its dependencies to a build backend (dynamic)",
            "write them into [project] dependencies or a requirements.txt",
        )
    for requirement in project.get("dependencies", ()):
        print(requirement)


def scripts() -> None:
    for name, target in project.get("scripts", {}).items():
        if re.fullmatch(r"[A-Za-z0-9._-]+", name) and re.fullmatch(r"[\w.]+:\w+", target):
            print(f"{name}={target}", end=" ")


{"dependencies": dependencies, "scripts": scripts}[sys.argv[1]]()
