"""The buildpacks that project.toml names."""

from pathlib import Path

from lifecycle.inline_buildpack import DEFAULT_VERSION, MAX_SHELL_BYTES, InlineBuildpack
from locald.config.errors import ConfigError
from locald.config.module_source import ModuleEntry, ModuleSource, parse_module, parse_module_id
from locald.config.project_files import blamed_on
from locald.config.project_toml import BuildpackEntry, Script, applies


def descriptor_entries(
    entries: tuple[BuildpackEntry, ...], exec_env: str, *, folder: Path, limit: Path, key: str
) -> tuple[ModuleEntry, ...]:
    """One of the lists of project.toml, without what other execution environments use.

    folder: where relative paths start. limit: what no path leads out of.
    key: file and key path of the list, for errors.
    """
    return tuple(
        ModuleEntry(
            source=_source(entry, f"{key}[{index}]", folder, limit),
            origin=f"{key}[{index}]",
            optional=entry.optional,
            limit=limit,
        )
        for index, entry in enumerate(entries)
        if applies(entry.exec_env, exec_env)
    )


def _source(entry: BuildpackEntry, origin: str, folder: Path, limit: Path) -> ModuleSource:
    if entry.script is not None:
        return _inline(entry, entry.script, origin)
    if entry.uri:
        with blamed_on(f"{origin}.uri"):
            return parse_module(entry.uri, relative_to=folder, limit=limit)
    text = f"{entry.id}@{entry.version}" if entry.version else entry.id
    with blamed_on(f"{origin}.id"):
        return parse_module_id(text)


def _inline(entry: BuildpackEntry, script: Script, origin: str) -> InlineBuildpack:
    shell = script.shell
    one_line = shell.isprintable() and len(shell.encode()) <= MAX_SHELL_BYTES
    for name, wrong, what in (
        ("id", not entry.id, "an inline buildpack needs one"),
        ("script.api", not script.api, 'missing; write the Buildpack API, as "0.10"'),
        ("script.inline", "\0" in script.inline, "holds a NUL"),
        (
            "script.shell",
            not shell.startswith("/") or not one_line,
            "not the absolute path of a program, in one line",
        ),
    ):
        if wrong:
            raise ConfigError(f"{origin}.{name}: {what}")
    return InlineBuildpack(
        id=entry.id,
        version=entry.version or DEFAULT_VERSION,
        api=script.api,
        shell=script.shell,
        script=script.inline,
    )
