"""What lies in /layers where the lifecycle's own phases read it, looked at before they do.

A buildpack runs as the same user as the lifecycle, so it can put anything there. The phases that
follow have no limits of their own and see the cache: a FIFO would hold them up for ever, a sparse
file or `/dev/zero` would fill the memory. What is only wrong, such as a file that is no TOML, the
lifecycle refuses itself.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from lifecycle.phase import Phase
from oci.errors import ImageError

_MAX_BYTES = 64 << 20
_MAX_LINKS = 8
_SBOM = "sbom"
# Written by the lifecycle, and read by its later phases, which do not all miss them gracefully.
_NEEDED = {
    Phase.DETECT: ("analyzed.toml", "group.toml", "plan.toml"),
    Phase.BUILD: ("analyzed.toml", "group.toml", "config/metadata.toml"),
}
# A buildpack may link to what is its own: the builder is the same in every phase.
_BUILDER = PurePosixPath("/cnb")
_HINT = "a buildpack did that: leave it out, or tell who makes it"


def check_handed_on(layers: Path, phase: Phase, *, at: PurePosixPath) -> None:
    """Raises ImageError that names the file. layers: after a phase that ran buildpacks; `at`:
    where they saw it."""
    layers = layers.resolve()
    needed = (layers / name for name in _NEEDED.get(phase, ()))
    for path in (*_links(layers), *needed, *_documents(layers), *_special(layers / _SBOM)):
        linkable = path.parent.parent == layers and path.parent.name not in ("config", _SBOM)
        wrong = _defect(path, layers, at, linkable=linkable)
        if wrong:
            place = at / path.relative_to(layers)
            raise ImageError(f"{phase}: {place}, which the lifecycle reads, {wrong}", hint=_HINT)


def _links(layers: Path) -> Iterator[Path]:
    """Nothing that lies in /layers itself is a buildpack's own."""
    return (path for path in sorted(layers.iterdir()) if path.is_symlink())


def _special(folder: Path) -> Iterator[Path]:
    """What is neither a file nor a folder: in the image's bill of materials it would end the
    analysis of every later build."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in sorted((*folders, *files))):
            if stat.S_IFMT(path.lstat().st_mode) not in (stat.S_IFREG, stat.S_IFDIR):
                yield path


def _documents(layers: Path) -> Iterator[Path]:
    """What the lifecycle opens by its name: in /layers, and in the folders of buildpacks. What is
    in a layer it packs as it is, a FIFO too."""
    folders = [path for path in sorted(layers.iterdir()) if path.is_dir() and path.name != _SBOM]
    for folder in (layers, *folders):
        if os.access(folder, os.R_OK | os.X_OK):  # else the lifecycle says so
            yield from (p for p in sorted(folder.iterdir()) if p.suffix in (".toml", ".json"))


def _defect(path: Path, layers: Path, at: PurePosixPath, *, linkable: bool) -> str:
    """What is wrong with it, as the end of a sentence; "" when it can be read."""
    for _ in range(_MAX_LINKS):
        try:
            status = path.lstat()
            if not stat.S_ISLNK(status.st_mode):
                break
            if not linkable:
                return "is a link"
            folder = at / path.parent.relative_to(layers)
            target = PurePosixPath(os.path.normpath(folder / path.readlink()))
        except FileNotFoundError:
            return "is not there"
        except OSError as error:
            return f"cannot be read: {(error.strerror or '').lower()}"
        if target.is_relative_to(_BUILDER):
            return ""
        if not target.is_relative_to(at):
            return "is a link that leads elsewhere"
        path = layers / target.relative_to(at)
        if path.parent.resolve() != path.parent:
            return "is a link that leads elsewhere"
    else:
        return "is a link without end"
    if stat.S_ISDIR(status.st_mode):
        return "" if linkable else "is a folder"  # a layer, whatever its name
    if not stat.S_ISREG(status.st_mode):
        return "is no plain file"
    if status.st_size > _MAX_BYTES:
        return f"is larger than {_MAX_BYTES} bytes"
    return ""
