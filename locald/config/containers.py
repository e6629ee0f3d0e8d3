"""How a request's containers run."""

from lifecycle.runtime.spec import Network, RuntimeName
from locald.config.errors import ConfigError, suggestion
from locald.config.resolution import Resolution
from oci.errors import UsageError


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
    if build.network is not None:
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
