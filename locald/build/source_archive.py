"""An application's source that comes as one file: a zip archive, as for pack, or a tar archive."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lifecycle.app_source import printable
from oci.errors import ImageError, UsageError
from oci.process import CommandRunner
from oci.scratch import scratch_folder
from oci.untar import untar_file
from oci.unzip import is_zip, unzip_file


@dataclass(frozen=True, kw_only=True)
class UnpackedSource:
    """folder: a project's folder. note: what people should know of the archive, or ""."""

    folder: Path
    note: str = ""


@contextmanager
def unpacked_source(
    archive: Path, *, work: Path, runner: CommandRunner
) -> Iterator[UnpackedSource]:
    """The content of an archive, in a folder below `work` that is gone after the block.

    Raises UsageError for what is no archive, or holds what would act outside of it.
    """
    with scratch_folder(work, runner) as scratch:
        folder = scratch / "source"
        folder.mkdir()
        try:
            if is_zip(archive):
                unzip_file(archive, folder)
            else:
                untar_file(archive, folder, keep_modes=True)
        except ImageError as error:
            raise UsageError(
                error.message,
                details=error.details,
                hint="PATH is the project's folder, or a zip or tar archive of what is in it",
            ) from error
        yield UnpackedSource(folder=folder, note=_note(folder))


def _note(folder: Path) -> str:
    """Archives of whole repositories often hold one folder; pack takes them as they are, too."""
    entries = list(folder.iterdir())
    if len(entries) == 1 and entries[0].is_dir() and not entries[0].is_symlink():
        name = printable(entries[0].name)
        return f"all of the archive is in its folder {name}, which is not taken for the project"
    return ""
