"""`NAME=DIR`: a service binding, by the name that buildpacks know it by."""

from pathlib import Path

from lifecycle.bindings import check_binding_name
from oci.errors import UsageError


def parse_binding(text: str, *, relative_to: Path) -> tuple[str, Path]:
    """The name and the folder. Raises UsageError; the folder itself is not looked at."""
    name, equals, folder = text.partition("=")
    if not equals or not folder or "\0" in folder:
        raise UsageError(
            f"{text[:200]!r} is not a binding", hint="write NAME=DIR, such as my-db=./bindings/db"
        )
    check_binding_name(name)
    path = Path(folder)
    return name, relative_to / (path.expanduser() if folder.startswith("~") else path)
