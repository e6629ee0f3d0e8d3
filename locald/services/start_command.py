"""What a container of an application image starts: which process type, or which command.

The image's launcher starts everything: it sets the buildpacks' environment. It is started
directly, never by a shell, because small images have none.
Source: CNB platform specification, "Launcher".
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from lifecycle.labels import Process, build_metadata, default_process
from locald.config.errors import suggestion
from oci.errors import UsageError
from oci.image import ImageConfig

LAUNCHER = PurePosixPath("/cnb/lifecycle/launcher")
PROCESSES = PurePosixPath("/cnb/process")
WEB = "web"


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What was said about what to start, strongest first; None or empty where nothing was.

    process: `--process`.
    command: locald.toml's; text is for the launcher's shell, a list is not.
    procfile: the folder's Procfile.
    arguments: after `--`.
    """

    process: str | None = None
    command: str | tuple[str, ...] | None = None
    command_origin: str = ""
    procfile: Mapping[str, str] | None = None
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class StartCommand:
    """A program of the image with its arguments. process_type: None for a command of our own."""

    program: PurePosixPath
    arguments: tuple[str, ...]
    process_type: str | None
    origin: str

    @property
    def argv(self) -> tuple[str, ...]:
        """All words."""
        return (str(self.program), *self.arguments)

    @property
    def title(self) -> str:
        """For people: what starts, and who said so."""
        what = "a command" if self.process_type is None else f"process {self.process_type}"
        return f"{what}, from {self.origin}"


def start_command(config: ImageConfig, wishes: Wishes, *, origin: str) -> StartCommand:
    """Decide. Raises UsageError for a process type that the image lacks, ImageError for an image
    that buildpacks did not make. `origin` names the image in messages."""
    processes = {p.type: p for p in build_metadata(config, origin=origin).processes or ()}
    if wishes.process is not None:
        if wishes.process not in processes:
            raise _unknown(wishes.process, processes, origin)
        return _process(wishes.process, "--process", wishes)
    if wishes.command:
        return _command(wishes.command, wishes.command_origin, wishes.arguments)
    web = (wishes.procfile or {}).get(WEB)
    if web is not None:
        if WEB in processes and _runs(processes[WEB], web):
            return _process(WEB, "the Procfile's web, as the image has it", wishes)
        return _command(web, "the Procfile's web", wishes.arguments)
    default = default_process(config)
    if default:
        return _process(default, "the image's default", wishes)
    if WEB in processes:
        return _process(WEB, "the image", wishes)
    if wishes.arguments:
        return _direct(wishes.arguments, "the command line")
    raise UsageError(
        f"{origin} does not say which process to start",
        hint=f"choose one with --process: {', '.join(processes)}"
        if processes
        else "the image has no process types; give a command after --",
    )


def _process(process_type: str, origin: str, wishes: Wishes) -> StartCommand:
    # What arguments do (replace, or follow, those of the process) is the launcher's to decide.
    return StartCommand(
        program=PROCESSES / process_type,
        arguments=wishes.arguments,
        process_type=process_type,
        origin=origin,
    )


def _command(
    command: str | tuple[str, ...], origin: str, arguments: tuple[str, ...]
) -> StartCommand:
    if not isinstance(command, str):
        return _direct((*command, *arguments), origin)
    # With arguments of its own the launcher would take the text for one program's name.
    text = " ".join((command, *map(shlex.quote, arguments)))
    return StartCommand(program=LAUNCHER, arguments=(text,), process_type=None, origin=origin)


def _direct(words: tuple[str, ...], origin: str) -> StartCommand:
    return StartCommand(
        program=LAUNCHER, arguments=("--", *words), process_type=None, origin=origin
    )


def _runs(process: Process, text: str) -> bool:
    """Did the process come from this line of a Procfile? Then the image needs no shell for it."""
    words = process.words
    return text in (" ".join(words), *words[-1:])


def _unknown(process_type: str, processes: Mapping[str, Process], origin: str) -> UsageError:
    listed = ", ".join(processes)
    return UsageError(
        f"--process: {origin} has no process type {process_type[:60]!r}",
        details=[f"it has: {listed}"] if listed else ["it has none"],
        hint=found
        if (found := suggestion(process_type, processes)).startswith("did you mean")
        else "",
    )
