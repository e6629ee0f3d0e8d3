"""How a request's containers run."""

import re

from lifecycle.inputs import MountPaths
from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.duration import parse_duration
from locald.config.errors import ConfigError, suggestion
from locald.config.project_files import blamed_on
from locald.config.resolution import Resolution
from oci.errors import UsageError
from oci.idmap import CONTAINER_IDS

_WORKSPACE = re.compile(r"[A-Za-z0-9._-]+")
# What a distribution keeps at its root; the source would hide it, in the build and in the image.
_TAKEN = frozenset(
    ("bin", "boot", "dev", "etc", "home", "lib", "lib32", "lib64", "libx32", "media", "mnt", "opt",
     "proc", "root", "run", "sbin", "sys", "tmp", "usr", "var", "cnb", ".", "..")
)  # fmt: skip
# The last one that is nobody's by convention.
_LAST_ID = CONTAINER_IDS - 2


def resolve_workspace(resolution: Resolution) -> str | None:
    """The name of the source's folder below /."""
    name = resolution.word("workspace", "--workspace", "workspace", _WORKSPACE)
    if name is None:
        return None
    defaults = MountPaths()
    ours = (defaults.layers, defaults.platform, defaults.cache, defaults.layout)
    if name in _TAKEN or name in {path.name for path in (*ours, defaults.build_cache)}:
        raise ConfigError(
            f"{resolution.origins['workspace']}: /{name} is not free for the source",
            hint="choose another name, such as workspace or app",
        )
    return name


def check_user_ids(resolution: Resolution) -> None:
    """The ids of --uid and --gid, within what a container here has."""
    for flag, number in (("--uid", resolution.flags.uid), ("--gid", resolution.flags.gid)):
        if number is None:
            continue
        if number > _LAST_ID:
            raise UsageError(f"{flag}: {number} is more than {_LAST_ID}, the last id there is")
        if number == 0 and flag == "--uid":
            raise UsageError(
                "--uid: the lifecycle refuses to build as root", hint="choose an id from 1 on"
            )
        resolution.origins[flag.removeprefix("--")] = flag


def resolve_timeout(resolution: Resolution) -> int | None:
    """Seconds. A project's file can shorten what the user's own file says, not lengthen it."""
    limits: list[tuple[int, str]] = []
    for value, origin in (
        (resolution.flags.timeout, "--timeout"),
        (resolution.build.timeout, resolution.key("timeout")),
        (resolution.user.timeout, resolution.user_key("timeout")),
    ):
        if value is not None:
            with blamed_on(origin):
                limits.append((parse_duration(value), origin))
    if not limits:
        return None
    # What the command line says holds, whatever the files say.
    seconds, origin = limits[0] if limits[0][1] == "--timeout" else min(limits)
    resolution.origins["timeout_seconds"] = origin
    return seconds


def resolve_network(resolution: Resolution) -> Network:
    """A project's file may narrow the network, never open the host's."""
    flags, build, user = resolution.flags, resolution.build, resolution.user
    if flags.network is not None:
        resolution.origins["network"] = "--network"
        return flags.network
    if build.network is Network.HOST:
        raise ConfigError(
            f"{resolution.key('network')}: a project's file cannot open the host's network",
            hint="pass --network host, or set network in your own config.toml",
        )
    if build.network is not None and user.network is not Network.NONE:
        resolution.origins["network"] = resolution.key("network")
        return build.network
    if user.network is not None:
        resolution.origins["network"] = resolution.user_key("network")
        return user.network
    return Network.PRIVATE


def resolve_runtime(resolution: Resolution) -> RuntimeName | None:
    """Never decided by a project's file; `auto` is None."""
    text, origin = resolution.flags.runtime, "--runtime"
    if text is None and resolution.user.runtime is not None:
        text, origin = resolution.user.runtime, resolution.user_key("runtime")
    if text is None:
        return None
    choices = ("auto", *RuntimeName)
    if text not in choices:
        raise UsageError(
            f"{origin}: {text[:60]!r} is not one of {', '.join(choices)}",
            hint=suggestion(text, choices),
        )
    resolution.origins["runtime"] = origin
    return None if text == "auto" else RuntimeName(text)
