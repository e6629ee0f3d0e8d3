"""Which folder is the source: the argument, pack's `--path`, or what an archive holds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from locald.cli.state import State
from locald.config.errors import shown_as
from oci.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class OpenedSource:
    """A project's folder, and the archive that it was unpacked from."""

    folder: Path
    archive: Path | None = None


def chosen_path(argument: Path | None, option: Path | None) -> Path:
    """PATH, as it was given. Raises UsageError when it was given twice."""
    if argument is not None and option is not None:
        raise UsageError(
            f"--path: the source is given twice: {argument} and {option}",
            hint="PATH and --path are the same; an image is named with --tag",
        )
    return argument or option or Path()


@contextmanager
def opened_source(path: Path, state: State) -> Iterator[OpenedSource]:
    """A folder as it is; a file unpacked, and its content gone after the block."""
    if not path.is_file():
        yield OpenedSource(folder=path)
        return
    from locald.build.source_archive import unpacked_source

    work = state.paths.ensure(state.paths.work)
    with (
        unpacked_source(path, work=work, runner=state.runner) as source,
        shown_as(source.folder.resolve(), str(path)),
    ):
        if source.note:
            state.console.note(f"{path}: {source.note}")
        yield OpenedSource(folder=source.folder, archive=path.resolve())
