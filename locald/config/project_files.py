"""The files of one project that say something about its build."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from locald.config import locald_toml, project_toml
from locald.config.errors import ConfigError, reason, shown
from locald.config.locald_toml import LocaldToml, read_locald_toml
from locald.config.project_toml import ProjectToml, read_project_toml
from oci.errors import UsageError
from oci.location import ImageLocation


@dataclass(frozen=True, kw_only=True)
class ProjectFiles:
    """What was found in the project's folder; None for a file that is not there."""

    folder: Path
    locald: LocaldToml | None = None
    descriptor: ProjectToml | None = None

    @property
    def locald_file(self) -> Path:
        """Where locald.toml is, or would be."""
        return self.folder / locald_toml.FILE_NAME

    @property
    def descriptor_file(self) -> Path:
        """Where project.toml is, or would be."""
        return self.folder / project_toml.FILE_NAME


def read_project_files(folder: Path) -> ProjectFiles:
    """Read locald.toml and project.toml of a folder. Raises UsageError."""
    try:
        absolute = folder.resolve(strict=True)
        if not absolute.is_dir():
            raise UsageError(f"{folder}: not a folder", hint="give the application's folder")
        next(absolute.iterdir(), None)
    except FileNotFoundError as error:
        raise UsageError(f"{folder}: no such folder") from error
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a loop of links
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise UsageError(f"{folder}: cannot be read: {why}") from error
    files = ProjectFiles(folder=absolute)
    return ProjectFiles(
        folder=absolute,
        locald=read_locald_toml(files.locald_file) if _present(files.locald_file) else None,
        descriptor=(
            read_project_toml(files.descriptor_file) if _present(files.descriptor_file) else None
        ),
    )


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
