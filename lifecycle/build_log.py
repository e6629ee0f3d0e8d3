"""The output of the build phase: which buildpack is speaking, and what only the lifecycle said.

The builder says who runs at log level debug only, and marks no line with its level. So the
phase runs at debug, and its own lines are told apart by their exact text. A buildpack that
prints such a line itself changes nothing but whether it is shown, and whose name a failure
carries.
Source: lifecycle 0.21, phase/builder.go, buildpack/build.go, cmd/lifecycle/cli/command.go.
"""

import re

_RUNNING = re.compile(r"Running build for buildpack (\S+)")
_FINISHED = re.compile(r"Finished running build for buildpack \S+")
_OWN_LINES = frozenset(
    {
        "Parsing inputs...",
        "Ensuring privileges...",
        "Executing command...",
        "Starting build",
        "Looking up buildpack",
        "Finding plan",
        "Creating plan directory",
        "Preparing paths",
        "Running build command",
        "Processing layers",
        "Updating environment",
        "Reading output files",
        "Updating buildpack processes",
        "Updating process list",
        "Copying SBOM files",
        "Creating SBOM files for legacy BOM",
        "Listing processes",
        "Finished build",
    }
)
_OWN_PREFIXES = ("Starting builder...", "Timer: ", "target distro name/version labels not found")


class BuildLog:
    """Fed every line of the phase, in order."""

    def __init__(self) -> None:
        self.buildpack = ""
        """`id@version` of the buildpack that runs, or ran last."""

    def visible(self, line: str) -> bool:
        """Is this line for the user? Those of the lifecycle's own are not."""
        running = _RUNNING.fullmatch(line)
        if running:
            self.buildpack = running.group(1)
            return False
        return not (
            line in _OWN_LINES or line.startswith(_OWN_PREFIXES) or _FINISHED.fullmatch(line)
        )
