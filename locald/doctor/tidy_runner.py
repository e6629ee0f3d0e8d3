"""Runs the programs of a trial so that they leave nothing in this user's home."""

from dataclasses import replace
from pathlib import Path

from oci.process import Command, CommandRunner, RunningCommand, StartedCommand


class TidyRunner(CommandRunner):
    """What skopeo and podman keep for their own later use (where they met which blob, a lock of
    their networks) goes below `folder`. What skopeo reads of HOME stays where it is."""

    def __init__(self, folder: Path) -> None:
        self._env = {"XDG_DATA_HOME": str(folder / "data")}
        # Everything that podman would read there is given to it by files of ours.
        self._podman_env = {**self._env, "HOME": str(folder)}

    def begin(self, command: Command) -> StartedCommand:
        """See `CommandRunner.begin`; `run` goes this way, too."""
        return super().begin(self._tidy(command))

    def start(self, command: Command) -> RunningCommand:
        """See `CommandRunner.start`."""
        return super().start(self._tidy(command))

    def _tidy(self, command: Command) -> Command:
        env = self._podman_env if "podman" in command.argv else self._env
        return replace(command, env={**env, **command.env})
