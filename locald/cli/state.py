"""What one run of the program has: its console and its folders."""

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from locald.build.tools import Tools
from locald.cli.console import Console, Progress, Verbosity
from locald.paths import Paths
from oci.process import CommandRunner
from oci.registries import Registries, RegistryAccess
from oci.skopeo import Skopeo
from oci.store import ImageStore

_current: "State | None" = None


class _ConsoleHandler(logging.Handler):
    """Log records take the way of all other output: foreign text made safe, JSON where asked."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        with suppress(OSError):  # nobody listens any more
            self._console.note(record.getMessage())


@dataclass
class State:
    """Set up by `main`, refined by the flags of a command."""

    console: Console
    paths: Paths

    @classmethod
    def start(cls) -> "State":
        """The state of a new run, before any flag is read."""
        global _current
        _current = cls(console=Console(), paths=Paths.from_environment())
        return _current

    @staticmethod
    def current() -> "State":
        """The state of this run."""
        return _current or State.start()

    def configure(
        self, *, progress: Progress, quiet: bool, verbose: bool, timestamps: bool = False
    ) -> None:
        """Apply the output flags that every command shares."""
        verbosity = Verbosity.NORMAL
        if quiet:
            verbosity = Verbosity.QUIET
        if verbose:
            verbosity = Verbosity.VERBOSE
        self.console = Console(progress=progress, verbosity=verbosity, timestamps=timestamps)
        logging.basicConfig(
            level=logging.WARNING if not verbose else logging.INFO,
            handlers=[_ConsoleHandler(self.console)],
            force=True,
        )

    @cached_property
    def runner(self) -> CommandRunner:
        """Starts child processes."""
        return CommandRunner()

    def registries(self, access: RegistryAccess | None = None) -> Registries:
        """How registries are reached: as flags say, else as the user's own file does."""

        def own() -> RegistryAccess:
            from locald.config.registries import user_registries
            from locald.config.user_config import read_user_config

            return user_registries(read_user_config(self.paths.user_config), self.paths.user_config)

        return Registries(self.runner, access or own)

    def tools(self, access: RegistryAccess | None = None) -> Tools:
        """What builds need."""
        skopeo = Skopeo(self.runner, self.registries(access))
        store = ImageStore(self.paths.ensure(self.paths.store), skopeo, on_wait=self.console.note)
        return Tools(runner=self.runner, skopeo=skopeo, store=store, paths=self.paths)
