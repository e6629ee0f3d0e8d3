"""The programs that builds use: are they here, and not too old?"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from locald.doctor.check import Check
from locald.doctor.finding import Finding, Level, Remedy, fine
from locald.doctor.host import Host
from locald.doctor.trial import Step
from oci.errors import CommandError, Error
from oci.process import Command, find_tool

Version = tuple[int, ...]

_VERSION = re.compile(r"\b(\d+(?:\.\d+)+)")


@dataclass(frozen=True, kw_only=True)
class _Tool:
    """name: of the program. use: what needs it. steps: of a trial, which cannot do without it."""

    name: str
    use: str
    steps: tuple[Step, ...] = ()
    without: str = ""


_TOOLS = (
    _Tool(name="skopeo", use="copies images", steps=(Step.IMAGE,)),
    _Tool(name="umoci", use="unpacks builders", steps=(Step.UNPACK,)),
    _Tool(
        name="slirp4netns",
        use="private networks",
        steps=(Step.NETWORK,),
        without="builds need --network none or --network host",
    ),
    _Tool(
        name="buildah",
        use="applies Dockerfiles of image extensions",
        without="builders whose extensions bring Dockerfiles do not work, all others do",
    ),
    _Tool(
        name="git",
        use="tells the commit that is built",
        without="images do not say which commit they were built from",
    ),
)

# Older than this, what they do differs from what locald expects.
_OLDEST: dict[str, tuple[Version, str]] = {
    "podman": ((4, 3), "it cannot map a container's user to this one"),
    "umoci": ((0, 4, 7), "it can be led outside of what it unpacks (CVE-2021-29136)"),
    "skopeo": ((1, 4), "it has never been tried with locald"),
}
# Holes that distributions may have closed without another version number.
_HOLES: dict[str, tuple[Version, str]] = {
    "runc": ((1, 2, 8), "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881"),
    "skopeo": ((1, 14, 4), "CVE-2024-3727"),
}


def tool_checks() -> Iterator[Check]:
    """One for each program, one for their versions."""
    for tool in _TOOLS:
        yield Check(name=tool.name, title=f"{tool.name}: {tool.use}", probe=_presence(tool))
    yield Check(
        name="namespace-tools", title="unshare, nsenter, mount: namespaces", probe=namespace_tools
    )
    yield Check(name="versions", title="Versions of these programs", probe=versions)


def _presence(tool: _Tool) -> Callable[[Host], Finding]:
    def probe(host: Host) -> Finding:
        if find_tool(tool.name) is None:
            level = host.unless(*tool.steps) if tool.steps else Level.NOTE
            return missing(tool.name, level, tool.without)
        return fine(_words(version_of(tool.name, host)))

    return probe


def missing(tool: str, level: Level, consequence: str = "") -> Finding:
    """A program that is not installed."""
    symptom = f"{tool} is not installed, or not on PATH"
    return Finding(
        level=level,
        symptom=f"{symptom}: {consequence}" if consequence else symptom,
        remedy=Remedy(tools=(tool,)),
    )


def namespace_tools(host: Host) -> Finding:
    """util-linux makes and enters namespaces; busybox's applets of the same names lack options."""
    level = host.unless(Step.RUNTIME, Step.UNPACK, Step.CONTAINER)
    absent = [tool for tool in ("unshare", "nsenter", "mount") if find_tool(tool) is None]
    if absent:
        return Finding(
            level=level,
            symptom=f"{' and '.join(absent)}: not installed, or not on PATH",
            remedy=Remedy(tools=tuple(absent)),
        )
    told = host.runner.run(Command(argv=("unshare", "--help")), check=False)
    if "--kill-child" not in told.text + "\n".join(told.stderr_tail):
        return Finding(
            level=level,
            symptom="unshare is not util-linux's: it lacks --kill-child",
            remedy=Remedy(tools=("unshare",)),
        )
    return fine("of util-linux")


def versions(host: Host) -> Finding:
    """Too old for locald, or known for holes."""
    old, holes = [], []
    for tool in sorted({*_OLDEST, *_HOLES}):
        version = version_of(tool, host) if find_tool(tool) else None
        if version is None:
            continue
        least, why = _OLDEST.get(tool, ((), ""))
        if version < least:
            old.append(f"{tool} {_words(version)} is older than {_words(least)}: {why}")
        closed, names = _HOLES.get(tool, ((), ""))
        if version < closed:
            holes.append(f"{tool} {_words(version)}: {names}")
    if old:
        return Finding(
            level=Level.WARN,
            symptom="; ".join(old),
            remedy=Remedy(text="install a newer one, from your distribution's backports perhaps"),
        )
    if holes:
        return Finding(
            level=Level.NOTE,
            symptom="older than the versions that closed known holes: " + "; ".join(holes),
            remedy=Remedy(
                text="your distribution may have closed them without a new version number; "
                "locald uses these programs without root, and checks images before they do"
            ),
        )
    return fine("none is known to be too old")


def version_of(tool: str, host: Host) -> Version | None:
    """What `TOOL --version` says; None when it says nothing of the kind."""
    try:
        told = host.runner.run(Command(argv=(tool, "--version"), timeout_seconds=5))
    except (CommandError, Error):
        return None
    found = _VERSION.search(told.text)
    return None if found is None else tuple(int(part) for part in found[1].split("."))


def _words(version: Version | None) -> str:
    return "of an unknown version" if version is None else ".".join(map(str, version))
