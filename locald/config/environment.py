"""The variables of a request."""

import re
from collections.abc import Mapping

from locald.config.dotenv import check_variable, parse_env_flags, read_env_file
from locald.config.errors import shown
from locald.config.project_files import blamed_on, inside
from locald.config.resolution import Resolution, texts
from oci.errors import UsageError

DEFAULT_EXEC_ENV = "production"
_EXEC_ENV = re.compile(r"[A-Za-z0-9.-]+")


def resolve_exec_env(resolution: Resolution) -> str:
    """The execution environment that buildpacks see."""
    return resolution.word("exec_env", "--exec-env", "exec_env", _EXEC_ENV) or DEFAULT_EXEC_ENV


def resolve_env(resolution: Resolution, exec_env: str) -> Mapping[str, str]:
    """--env > --env-file > locald.toml env > its env_file > project.toml."""
    layers: list[tuple[str, Mapping[str, str]]] = []
    build, flags, environ = resolution.build, resolution.flags, resolution.environ
    if resolution.descriptor is not None:
        origin = resolution.descriptor_key("env")
        layers.append((origin, resolution.descriptor.variables(exec_env)))
    for text in texts(build.env_file):
        with blamed_on(resolution.key("env_file")):
            path = inside(resolution.folder / text, resolution.folder, text=text)
        layers.append((shown(path), read_env_file(path, environ=None)))
    for name, value in build.env.items():
        check_variable(name, value, where=resolution.key("env", name))
    layers.append((resolution.key("env"), build.env))
    for path in flags.env_files:
        if not path.exists():
            raise UsageError(f"--env-file: {path}: no such file")
        found = read_env_file(path.absolute(), environ, on_unset=resolution.notes.append)
        layers.append((f"--env-file {path}", found))
    layers.append(("--env", parse_env_flags(flags.env, environ, resolution.notes.append)))
    variables: dict[str, str] = {}
    for origin, layer in layers:
        variables.update(layer)
        resolution.origins.update({f"env.{name}": origin for name in layer})
    return variables
