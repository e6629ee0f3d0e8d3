"""Which files of the source a request's build sees."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from locald.config.flag_path import readable_path
from locald.config.ignore import SourceRules
from locald.config.project_files import blamed_on, inside
from locald.config.resolution import Resolution, texts
from oci.errors import UsageError
from oci.location import ImageLocation

if TYPE_CHECKING:
    from locald.config.ignore_file import IgnoreFile

CNBIGNORE = ".cnbignore"


def resolve_source_rules(resolution: Resolution) -> SourceRules:
    """locald.toml's patterns > project.toml's > .cnbignore > the defaults; and what ignore files
    say that a flag, or else locald.toml, names."""
    files = _ignore_files(resolution)
    build, descriptor = resolution.build, resolution.descriptor
    cnbignore = resolution.files.app_dir / CNBIGNORE
    if build.include or build.exclude is not None:
        where = resolution.key()
        rules = SourceRules(
            include=build.include or None,
            exclude=None if build.include else build.exclude,
            where=where,
            ignore_files=files,
        )
    elif descriptor is not None and (descriptor.include or descriptor.exclude is not None):
        where = resolution.descriptor_key("include").removesuffix(".include")
        rules = SourceRules(
            include=descriptor.include,
            exclude=descriptor.exclude,
            where=where,
            ignore_files=files,
        )
    elif os.path.lexists(cnbignore):
        with blamed_on(CNBIGNORE):
            inside(cnbignore, resolution.folder, text=CNBIGNORE)
        file = _read((cnbignore,), resolution.files.app_dir)[0]
        where = file.label
        rules = SourceRules(cnbignore=file, ignore_files=files)
    else:
        where = ""
        rules = SourceRules(ignore_files=files)
    rules.rule()  # a pattern that cannot be read is told now
    if where:
        resolution.origins["source_rules"] = where
    return rules


def refuse_lost_outputs(resolution: Resolution, outputs: Iterable[ImageLocation]) -> None:
    """What a project's file puts beside itself is gone with the folder of an archive."""
    if resolution.files.archive is None or resolution.flags.outputs:
        return
    for output in outputs:
        if output.path is not None and output.path.is_relative_to(resolution.folder):
            raise UsageError(
                f"{resolution.key('output')}: the project is in an archive, and cannot take the "
                "image in",
                hint="say where it goes with --output",
            )


def _ignore_files(resolution: Resolution) -> tuple["IgnoreFile", ...]:
    origins, app_dir = resolution.origins, resolution.files.app_dir
    if resolution.flags.ignore_files:
        flag = origins["ignore_files"] = "--ignore-file"
        paths = tuple(readable_path(path, flag) for path in resolution.flags.ignore_files)
        return _read(tuple(path for path in paths if path is not None), app_dir)
    named = texts(resolution.build.ignore_files)
    if not named:
        return ()
    key = origins["ignore_files"] = resolution.key("ignore_files")
    for text in named:
        with blamed_on(key):
            inside(resolution.folder / text, resolution.folder, text=text)
    return _read(tuple(resolution.folder / text for text in named), app_dir)


def _read(paths: tuple[Path, ...], source: Path) -> tuple["IgnoreFile", ...]:
    # 2 ms, and most projects have none.
    from locald.config.ignore_file import IgnoreFile

    return tuple(IgnoreFile.read(path, source) for path in paths)
