"""What the image extensions of one build generated: Dockerfiles, their arguments and contexts.

The lifecycle's detector runs the extensions; from Platform API 0.13 on they write to
`generated/ID/` of the layers directory, before that it copies to `generated/KIND/ID/`. All of
it is foreign: no link in it is followed.
Source: CNB platform specification, "extender"; CNB image extension specification.
"""

import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.dockerfile import Dockerfile, DockerfileKind
from lifecycle.documents import GroupBuildpack
from lifecycle.extend_config import ExtendConfig
from lifecycle.module import folder_name
from lifecycle.platform_api import SINCE, PlatformApi
from oci.errors import ImageError
from oci.plain_file import read_plain_file

_MAX_DOCKERFILE_BYTES = 1 << 20
_CONTEXT = "context"
_EXTEND_CONFIG = "extend-config.toml"
_GENERATED = Path("generated")

ModuleFolder = Callable[[GroupBuildpack], tuple[Path, Path] | None]
"""Where an extension itself lies: an existing folder, and the way from there, which may hold
links that lead anywhere."""


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One Dockerfile with what belongs to it.

    extension: `ID@VERSION`. context: its folder; None means the application's source.
    """

    extension: str
    dockerfile: Dockerfile
    arguments: Mapping[str, str] = field(default_factory=dict)
    context: Path | None = None

    def __str__(self) -> str:
        return f"the {self.dockerfile.kind.file_name} of the extension {self.extension}"


@dataclass(frozen=True, kw_only=True)
class ImageExtensions:
    """build, run: the Dockerfiles that change the image, in order.

    run_image: the image that the last switch names, or empty. switched_by: its extension.
    """

    build: tuple[Generated, ...] = ()
    run: tuple[Generated, ...] = ()
    run_image: str = ""
    switched_by: str = ""


def read_generated(
    layers: Path,
    extensions: tuple[GroupBuildpack, ...],
    *,
    api: PlatformApi,
    module_folder: ModuleFolder,
) -> ImageExtensions:
    """What a finished detection left in the layers directory. Raises ImageError."""
    build: list[Generated] = []
    run: list[Generated] = []
    run_image = switched_by = ""
    for extension in extensions:
        for kind in DockerfileKind:
            made = _read(layers, extension, kind, api, module_folder)
            if made is None:
                continue
            if kind is DockerfileKind.BUILD:
                build.append(made)
                continue
            if made.dockerfile.base:
                # What extensions before it did to another run image has no effect.
                run_image, switched_by = made.dockerfile.base, made.extension
                run.clear()
            run.append(made)
    return ImageExtensions(
        build=tuple(one for one in build if one.dockerfile.extends),
        run=tuple(one for one in run if one.dockerfile.extends),
        run_image=run_image,
        switched_by=switched_by,
    )


def _read(
    layers: Path,
    extension: GroupBuildpack,
    kind: DockerfileKind,
    api: PlatformApi,
    module_folder: ModuleFolder,
) -> Generated | None:
    name = f"{extension.id}@{extension.version}" if extension.version else extension.id
    origin = f"the extension {name}: {kind.file_name}"
    for root, folder, file_name in _places(layers, extension, kind, api, module_folder):
        # A Dockerfile that a later one makes void has another name now (`.ignore`), or was
        # left where it is.
        data = _file(root, folder / file_name, origin)
        data = _file(root, folder / f"{file_name}.ignore", origin) if data is None else data
        if data is None:
            continue
        config = _file(root, folder / _EXTEND_CONFIG, f"the extension {name}: {_EXTEND_CONFIG}")
        parsed = ExtendConfig.parse(
            b"" if config is None else config, origin=f"the extension {name}: {_EXTEND_CONFIG}"
        )
        return Generated(
            extension=name,
            dockerfile=Dockerfile.parse(data, kind=kind, origin=origin),
            arguments=parsed.for_kind(kind),
            context=_context(root, folder, kind, name),
        )
    return None


def _places(
    layers: Path,
    extension: GroupBuildpack,
    kind: DockerfileKind,
    api: PlatformApi,
    module_folder: ModuleFolder,
) -> list[tuple[Path, Path, str]]:
    """Where a Dockerfile may be: an existing folder, the way from there, the file's name."""
    escaped = folder_name(extension.id)
    if api < SINCE["generated/ID"]:
        return [(layers, _GENERATED / kind / escaped, "Dockerfile")]
    places = [(layers, _GENERATED / escaped, kind.file_name)]
    # An extension without bin/generate brings a folder of finished files. The lifecycle
    # (0.21.14) reads it, and forgets to copy it.
    module = module_folder(extension)
    if module is not None and not (module[0] / module[1] / "bin/generate").exists():
        places.append((module[0], module[1] / "generate", kind.file_name))
    return places


def _file(root: Path, path: Path, origin: str) -> bytes | None:
    try:
        return read_plain_file(root, str(path), max_bytes=_MAX_DOCKERFILE_BYTES)
    except FileNotFoundError:
        return None
    except (ImageError, NotADirectoryError) as error:  # the latter: a link to a folder
        raise ImageError(f"{origin} is no plain small file in plain folders") from error
    except OSError as error:
        raise ImageError(f"{origin} cannot be read: {error.strerror}") from error


def _context(root: Path, folder: Path, kind: DockerfileKind, name: str) -> Path | None:
    own, shared = folder / f"{_CONTEXT}.{kind}", folder / _CONTEXT
    found = [path for path in (own, shared) if os.path.lexists(root / path)]
    for path in found:
        steps = (*reversed(path.parents[:-1]), path)
        if not all(stat.S_ISDIR((root / step).lstat().st_mode) for step in steps):
            raise ImageError(f"the extension {name}: {path.name} is no plain folder")
    if len(found) > 1:
        raise ImageError(f"the extension {name} made both {own.name} and {shared.name}")
    if not found:
        return None
    context = root / found[0]
    _refuse_special_files(context, name)
    return context


def _refuse_special_files(context: Path, name: str) -> None:
    """A pipe would be waited on for ever."""
    for folder, _, files in os.walk(context):
        for file in files:
            mode = (Path(folder) / file).lstat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISLNK(mode):
                shown = (Path(folder) / file).relative_to(context.parent)
                raise ImageError(f"the extension {name}: {shown} is no file, folder or link")
