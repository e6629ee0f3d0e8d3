"""One application that runs: its image, its start command, its environment, its port."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from lifecycle.runtime.spec import Network, Port
from locald.services.ports import VARIABLE
from locald.services.start_command import StartCommand
from oci.process import Stream
from oci.reference import Reference
from oci.store import StoredImage

STOP_GRACE_SECONDS = 10.0


@dataclass(frozen=True, kw_only=True)
class Application:
    """container: a name that is unique on this host. env: what is added to the image's own.
    port: None when it serves nothing.
    """

    name: Reference
    container: str
    stored: StoredImage
    start: StartCommand
    env: Mapping[str, str]
    network: Network
    port: Port | None

    @property
    def added_env(self) -> Mapping[str, str]:
        """`env`, with PORT."""
        if self.port is None:
            return self.env
        return {VARIABLE: str(self.port.container), **self.env}

    @property
    def published(self) -> tuple[Port, ...]:
        """The ports that the host's loopback must lead to; a shared network needs none."""
        return (self.port,) if self.port is not None and self.network is Network.PRIVATE else ()


class RunObserver(Protocol):
    """Receives what happens. Calls may come from several threads."""

    def note(self, text: str) -> None:
        """Worth knowing, needs no action."""
        ...

    def detail(self, text: str) -> None:
        """Shown with `-v` only: what was chosen, and why."""
        ...

    def program_line(self, stream: Stream, line: str) -> None:
        """A line that the application printed. Foreign text: it may hold anything."""
        ...
