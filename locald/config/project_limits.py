"""What a project's own files may ask for. They may come from a stranger: they can narrow a build,
but not reach out of their folder, nor act in the user's name elsewhere.
"""

from pathlib import Path

from locald.config.project_files import inside
from oci.errors import UsageError
from oci.location import ImageLocation, Transport
from oci.reference import LOCALHOST, Reference

_OWN_FOLDERS = ("locald", "imported")
_VERSION_CONTROL = frozenset({".git", ".hg", ".svn"})


def check_project_name(name: Reference) -> None:
    """Refuse the names under which locald itself keeps images: builders, what it has imported."""
    first, slash, _ = name.repository.partition("/")
    if name.registry == LOCALHOST and slash and first in _OWN_FOLDERS:
        raise UsageError(
            f"{name.familiar}: a project's file cannot take a name of locald's own images",
            hint="choose a name that does not begin with " + " or ".join(_OWN_FOLDERS),
        )


def project_output(text: str, folder: Path) -> ImageLocation:
    """Where a project's file may put its image: below its folder, or as a local image."""
    location = ImageLocation.parse(text, relative_to=folder)
    if location.transport is Transport.REGISTRY:
        raise UsageError(
            f"{text[:200]}: a project's file cannot push to a registry in your name",
            hint=f"pass --output {text[:200]}",
        )
    reference = location.reference
    if location.transport is Transport.STORAGE and reference is not None:
        if reference.registry != LOCALHOST:
            raise UsageError(
                f"{text[:200]}: a project's file cannot replace an image of {reference.registry} "
                "in your storage",
                hint=f"pass --output {text[:200]}",
            )
        check_project_name(reference)
    if location.path is not None:
        place_inside(location.path, folder, text=text)
    return location


def place_inside(path: Path, folder: Path, *, text: str) -> Path:
    """Where a project's file lets a build write: inside the project, but not where git and the
    like keep hooks and configuration, which run as the user. Raises UsageError.
    """
    inside(path, folder, text=text)
    parts = path.resolve().relative_to(folder).parts
    if _VERSION_CONTROL.intersection(part.lower() for part in parts):
        raise UsageError(
            f"{text[:200]}: a project's file cannot let a build write there",
            hint="choose another folder of the project",
        )
    return path
