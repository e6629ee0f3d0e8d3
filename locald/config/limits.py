"""How much of this host the phases that run buildpacks may take.

Without a word about it only the number of processes is limited, far above what builds need.
"""

import re
from collections.abc import Callable

from lifecycle.runtime.limits import Limit, Limits
from locald.config.project_files import blamed_on
from locald.config.resolution import Resolution
from oci.errors import UsageError

DEFAULT_PIDS = 16384

_NONE = "none"
_SIZE = re.compile(r"(?P<number>[0-9]{1,9}(?:\.[0-9]{1,3})?)(?P<unit>[kmgt]?)(?:i?b)?")
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
# Less than that no phase of the lifecycle itself comes to its end.
_LEAST_MEMORY = 64 << 20
_LEAST_DISK = 1 << 20
_LEAST_PIDS = 32


def resolve_limits(resolution: Resolution) -> Limits:
    """A project's file can lower what holds without it, never raise it."""
    return Limits(
        memory=_resolve(resolution, "memory", lambda text: _size(text, least=_LEAST_MEMORY)),
        pids=_resolve(resolution, "pids", _pids, default=Limit(amount=DEFAULT_PIDS)),
        disk=_resolve(resolution, "max_disk", lambda text: _size(text, least=_LEAST_DISK)),
    )


def _resolve(
    resolution: Resolution,
    name: str,
    parse: Callable[[str], int | None],
    *,
    default: Limit | None = None,
) -> Limit | None:
    """name: of the fields of flags, project's and user's file."""
    flag = f"--{name.replace('_', '-')}"

    def read(value: str | int | None, origin: str, otherwise: Limit | None) -> Limit | None:
        if value is None:
            return otherwise
        with blamed_on(origin):
            amount = parse(str(value).strip().lower())
        resolution.origins[name] = origin
        return None if amount is None else Limit(amount=amount, origin=origin)

    given = getattr(resolution.flags, name)
    if given is not None:
        return read(given, flag, None)
    user_key = resolution.user_key(name.replace("_", "-"))
    allowed = read(getattr(resolution.user, name), user_key, default)
    origin = resolution.origins.get(name)
    asked = read(getattr(resolution.build, name), resolution.key(name), None)
    if asked is not None and (allowed is None or asked.amount < allowed.amount):
        return asked
    if origin is None:
        resolution.origins.pop(name, None)
    else:
        resolution.origins[name] = origin
    return allowed


def _size(text: str, *, least: int) -> int | None:
    if text == _NONE:
        return None
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"not a size: {text[:40]!r}", hint="write it like 512m, 2g, 1.5g or none")
    amount = int(float(found["number"]) * _FACTORS[found["unit"]])
    if amount < least:
        raise UsageError(f"too small: {text[:40]!r}", hint=f"at least {least >> 20}m, or none")
    return amount


def _pids(text: str) -> int | None:
    if text == _NONE:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):
        raise UsageError(f"not a number of processes: {text[:40]!r}", hint="such as 2048, or none")
    if int(text) < _LEAST_PIDS:
        raise UsageError(f"too small: {text[:40]!r}", hint=f"at least {_LEAST_PIDS}, or none")
    return int(text)
