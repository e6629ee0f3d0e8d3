"""The one tree of expected errors.

    Error                      exit code
    ├── UsageError             2    a flag, an argument, a configuration file
    ├── HostError              3    this host lacks a tool or an ability
    ├── ImageError             4    an image, registry, signature or policy refused
    │   ├── StalledError       7    a server did not answer in time
    │   └── RegistryError      4
    │       └── MissingImageError   4
    ├── ContainerError         5    the container runtime failed, not what ran in it
    ├── StorageError           6    disk, I/O or a damaged store
    ├── BusyError              7    somebody else holds the lock, or time ran out
    ├── CommandError           5    a child process failed and nobody gave it a better name
    └── lifecycle.errors.PhaseError   the lifecycle's own code, passed through

Raise with facts, catch once, in `locald.cli.app.main`.
"""

from collections.abc import Sequence

DISK_FULL_HINT = "free some space, for example with: locald images prune, locald cache clear"


class Error(Exception):
    """An expected failure, told in one message.

    message: what is wrong and where, one line, no trailing full stop.
    details: lines from the tool that failed, shown indented below the message.
    hint: what to do, one line.
    """

    exit_code = 1

    def __init__(self, message: str, *, details: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.details = tuple(details)
        self.hint = hint


class UsageError(Error):
    """A flag, an argument or a configuration file is wrong."""

    exit_code = 2


class HostError(Error):
    """This host lacks a tool or an ability that the work needs."""

    exit_code = 3


class ImageError(Error):
    """An image is missing, damaged, of the wrong kind, or refused by policy."""

    exit_code = 4


class StalledError(ImageError):
    """A server did not answer in time."""

    exit_code = 7


class RegistryError(ImageError):
    """A registry could not be reached or refused."""


class MissingImageError(RegistryError):
    """The registry answers, and has no image of that name."""


class ContainerError(Error):
    """The container runtime failed, not the program that ran in it."""

    exit_code = 5


class StorageError(Error):
    """A disk is full, unreadable, or holds a damaged store."""

    exit_code = 6


class BusyError(Error):
    """A lock is held by somebody else, or a time limit ran out."""

    exit_code = 7


class CommandError(Error):
    """A child process failed; callers that know why raise a more telling error from it."""

    exit_code = 5

    def __init__(
        self,
        message: str,
        *,
        command_exit_code: int,
        details: Sequence[str] = (),
        hint: str = "",
    ) -> None:
        super().__init__(message, details=details, hint=hint)
        self.command_exit_code = command_exit_code


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP arrived. Not an `Exception`, so that nothing swallows it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal_number = signal_number

    @property
    def exit_code(self) -> int:
        """128 + the signal's number, as shells report it."""
        return 128 + self.signal_number
