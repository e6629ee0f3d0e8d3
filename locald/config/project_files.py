"""The files of one project that say something about its build."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from locald.config import locald_toml, project_toml
from locald.config.errors import ConfigError, reason, shown
from locald.config.locald_toml import LocaldToml, read_locald_toml
from locald.config.project_schema import read_project_toml
from locald.config.project_toml import ProjectToml
from oci.errors import UsageError
from oci.location import ImageLocation
from oci.reference import Reference

ARCHIVE_ENDS = (".zip", ".tar", ".tar.gz", ".tgz")


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """What was found in the project's folder; None for a file that is not there.

    source: the folder that is built, when a service names one below the project's.
    archive: the file that the folder was unpacked from.
    descriptor_path: of a descriptor that the command line names.
    """

    folder: Path
    source: Path | None = None
    archive: Path | None = None
    descriptor_path: Path | None = None
    locald: LocaldToml | None = None
    descriptor: ProjectToml | None = None

    @property
    def app_dir(self) -> Path:
        """The folder that is built."""
        return self.source or self.folder

    @property
    def name(self) -> str:
        """What the project is called when no file says it."""
        if self.archive is None:
            return self.folder.name or "app"
        name = self.archive.name
        end = next((end for end in ARCHIVE_ENDS if name.lower().endswith(end)), "")
        return name[: len(name) - len(end)] or "app"

    @property
    def locald_file(self) -> Path:
        """Where locald.toml is, or would be."""
        return self.folder / locald_toml.FILE_NAME

    @property
    def descriptor_file(self) -> Path:
        """Where the project descriptor is, or would be."""
        return self.descriptor_path or self.app_dir / project_toml.FILE_NAME

    @property
    def descriptor_folder(self) -> Path:
        """Where relative paths in the descriptor start: beside it, as for pack."""
        return self.descriptor_file.parent.resolve()

    @property
    def descriptor_limit(self) -> Path:
        """What no path in the descriptor leads out of: the project, or the descriptor's own
        folder when that is elsewhere."""
        own = self.descriptor_folder
        return self.folder if own.is_relative_to(self.folder) else own


def read_project_files(
    folder: Path, *, descriptor: Path | None = None, archive: Path | None = None
) -> ProjectFiles:
    """Read locald.toml and project.toml of a folder.

    descriptor: the one that the command line names, instead of the folder's; it is there.
    archive: what the folder was unpacked from. Raises UsageError.
    """
    try:
        absolute = folder.resolve(strict=True)
        if not absolute.is_dir():
            raise UsageError(f"{folder}: not a folder", hint="give the application's folder")
        next(absolute.iterdir(), None)
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no such folder", hint=_image_hint(folder)) from error
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise UsageError(f"{folder}: cannot be read: {why}") from error
    files = ProjectFiles(
        folder=absolute,
        archive=archive,
        descriptor_path=descriptor.absolute() if descriptor is not None else None,
    )
    with_locald = replace(
        files, locald=read_locald_toml(files.locald_file) if _present(files.locald_file) else None
    )
    return _with_descriptor(with_locald)


def for_service(files: ProjectFiles, service: str | None) -> ProjectFiles:
    """The same for a service whose `path` is a folder of the project: that is what is built, and
    its own project.toml says how. Raises UsageError."""
    path = None
    if files.locald is not None and service is not None:
        path = files.locald.services[service].path
    if files.locald is None or service is None or path is None:
        return files
    key = f"{shown(files.locald_file)}: {files.locald.key(service, 'path')}"
    with blamed_on(key):
        source = inside(files.folder / path, files.folder, text=path).resolve()
        if not source.is_dir():
            raise UsageError(
                f"{path[:200]!r} is not a folder of the project",
                hint="give the folder to build, relative to locald.toml",
            )
    if source == files.folder:
        return files
    return _with_descriptor(replace(files, source=source))


def _with_descriptor(files: ProjectFiles) -> ProjectFiles:
    if files.descriptor_path is None and not _present(files.descriptor_file):
        return replace(files, descriptor=None)
    return replace(files, descriptor=read_project_toml(files.descriptor_file))


def _image_hint(path: Path) -> str:
    """pack's users give the image's name where we expect the source."""
    text = str(path)
    if path.is_absolute() or text.startswith("."):
        return ""
    try:
        Reference.parse(text)
    except UsageError:
        return ""
    return f"to name the image, add --tag {text}; PATH is the source"


@contextmanager
def blamed_on(origin: str) -> Iterator[None]:
    """Errors within name the flag, or the file and key, that the bad text came from."""
    try:
        yield
    except ConfigError:
        raise
    except UsageError as error:
        message = f"{origin}: {error.message}"
        raise ConfigError(message, details=error.details, hint=error.hint) from error


def inside(path: Path, folder: Path, *, text: str) -> Path:
    """`path`, unless it leads out of the project (links followed): a project's file, which may
    come from a stranger, must not reach the user's other files. Raises UsageError.
    """
    try:
        within = path.resolve().is_relative_to(folder)
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise UsageError(f"{text[:200]!r} cannot be found: {error}") from error
    if not within:
        raise UsageError(
            f"{text[:200]} is outside the project",
            hint="a project's file can only name what is inside it; use the command line instead",
        )
    return path


def location_inside(location: ImageLocation, folder: Path, *, text: str) -> ImageLocation:
    """The same for an image location that is a path."""
    if location.path is not None:
        inside(location.path, folder, text=text)
    return location


def _present(path: Path) -> bool:
    """Is there anything of that name? A broken link is, and reading it says so."""
    try:
        path.lstat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    return True
