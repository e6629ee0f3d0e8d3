"""Subordinate ids, and the programs that map them."""

import os
import pwd
import stat
from pathlib import Path

from lifecycle.runtime.spec import RuntimeName
from locald.doctor.check import Check
from locald.doctor.distribution import PackageManager
from locald.doctor.finding import Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.trial import Step
from oci.errors import Error
from oci.idmap import CONTAINER_IDS, SubordinateIds
from oci.process import find_tool
from oci.userns import UserNamespace

_TOOLS = ("newuidmap", "newgidmap")
_FIRST = 100_000
_ONLY_BUBBLEWRAP = "only bubblewrap works, in which every file has one owner"


def subordinate_ids(host: Host) -> Finding:
    """Enough of them, and nobody else's."""
    ids = host.subordinate_ids
    if not ids.usable:
        if host.root_refused is not None:
            return note("none are needed for root, who may not build")
        return _too_few(ids, host)
    for kind, ranges, file in (("user", ids.uids, "subuid"), ("group", ids.gids, "subgid")):
        other = _overlap(ranges, host.text(f"/etc/{file}"), _owners(host))
        if other:
            return Finding(
                level=Level.WARN,
                symptom=f"this user shares subordinate {kind} ids with {other}: each can read what "
                "the other's containers own",
                remedy=Remedy(text=f"give both ranges of their own in /etc/{file}"),
            )
    return fine(", ".join(f"{count} from {first}" for first, count in ids.uids))


def id_map_tools(host: Host) -> Finding:
    """Are they here, with the right to do it?"""
    if host.subordinate_ids.inherited:
        return fine("not needed: the root of a container maps its ids itself")
    absent = [tool for tool in _TOOLS if find_tool(tool) is None]
    if absent:
        return Finding(
            level=_level(host),
            symptom=f"{' and '.join(absent)}: not installed, or not on PATH: {_ONLY_BUBBLEWRAP}",
            remedy=Remedy(tools=tuple(absent)),
        )
    if host.status("NoNewPrivs") == "1":
        return Finding(
            level=_level(host),
            symptom="this process may not gain privileges (no_new_privs), so that newuidmap "
            f"cannot work: {_ONLY_BUBBLEWRAP}",
            remedy=Remedy(
                text="start it without no_new_privs: NoNewPrivileges= of systemd, "
                "allowPrivilegeEscalation of Kubernetes, --security-opt no-new-privileges"
            ),
        )
    for tool in _TOOLS:
        place = Path(find_tool(tool) or "")
        if not _privileged(place):
            capability = "cap_setuid" if tool == "newuidmap" else "cap_setgid"
            return Finding(
                level=_level(host),
                symptom=f"{place} is neither setuid root nor has it {capability}",
                remedy=Remedy(commands=(host.distribution.root(f"chmod u+s {place}"),)),
            )
        if os.statvfs(place).f_flag & os.ST_NOSUID:
            return Finding(
                level=_level(host),
                symptom=f"{place} is on a file system mounted nosuid, where setuid has no effect",
                remedy=Remedy(text="mount it without nosuid"),
            )
    return fine("newuidmap and newgidmap have the right to map ids")


def id_map(host: Host) -> Finding:
    """Map them all, and read what the kernel made of it."""
    ids = host.subordinate_ids
    absent = not ids.inherited and any(find_tool(tool) is None for tool in _TOOLS)
    if not ids.usable or absent:
        return note("not tried: it needs subordinate ids, newuidmap and newgidmap")
    if host.namespace_error is not None:
        return note("not tried: there are no user namespaces")
    try:
        with UserNamespace(host.runner, ids=ids, own_pids=False) as namespace:
            lines = namespace.run("cat", "/proc/self/uid_map").text.splitlines()
    except Error as error:
        return host.told(_level(host), error)
    mapped = sum(int(line.split()[2]) for line in lines)
    return fine(f"{mapped} ids in a namespace")


def _too_few(ids: SubordinateIds, host: Host) -> Finding:
    users, groups = (sum(n for _, n in ranges) for ranges in (ids.uids, ids.gids))
    has = f"{users} for users and {groups} for groups" if users or groups else "none"
    symptom = f"{CONTAINER_IDS} subordinate ids are needed, this user has {has}"
    around = sum(int(words[2]) for words in _uid_map(host))
    if around < CONTAINER_IDS:
        return Finding(
            level=_level(host),
            symptom=f"{symptom}, and the container around has {around}: {_ONLY_BUBBLEWRAP}",
            remedy=Remedy(text="start the outer container with a map of more ids"),
        )
    return Finding(
        level=_level(host),
        symptom=f"{symptom}: {_ONLY_BUBBLEWRAP}",
        remedy=Remedy(text="give this user a range that nobody else has", commands=_give(host)),
    )


def _level(host: Host) -> Level:
    asked = host.runtime in (RuntimeName.RUNC, RuntimeName.PODMAN)
    if host.namespace_error is not None:  # without a namespace, ids make no difference
        return Level.WARN
    return Level.FAIL if asked else host.unless(Step.RUNTIME)


def _uid_map(host: Host) -> list[list[str]]:
    """The ids that this process could have, as /proc tells: first, first outside, count."""
    lines = (line.split() for line in host.text("/proc/self/uid_map").splitlines())
    return [words for words in lines if len(words) == 3 and words[2].isdigit()]


def _privileged(program: Path) -> bool:
    if program.stat().st_mode & stat.S_ISUID:
        return True
    try:
        return bool(os.getxattr(program, "security.capability"))
    except OSError:
        return False


def _owners(host: Host) -> frozenset[str]:
    return frozenset((str(host.uid), _name(host)))


def _name(host: Host) -> str:
    try:
        return pwd.getpwuid(host.uid).pw_name
    except KeyError:
        return str(host.uid)


def _ranges(text: str) -> tuple[tuple[str, int, int], ...]:
    """Owner, first id, count of every line that is one."""
    found = []
    for line in text.splitlines():
        parts = line.split(":")
        if len(parts) == 3 and parts[1].isdigit() and parts[2].isdigit():
            found.append((parts[0], int(parts[1]), int(parts[2])))
    return tuple(found)


def _overlap(own: tuple[tuple[int, int], ...], text: str, owners: frozenset[str]) -> str:
    """Somebody else with one of these ids."""
    for owner, first, count in _ranges(text):
        if owner not in owners and any(
            first < start + size and start < first + count for start, size in own
        ):
            return owner
    return ""


def _give(host: Host) -> tuple[str, ...]:
    """The commands that give a range behind all that are given."""
    texts = [host.text(f"/etc/{file}") for file in ("subuid", "subgid")]
    ends = [first + count for text in texts for _, first, count in _ranges(text)]
    first = max((_FIRST, *ends))
    last = first + CONTAINER_IDS - 1
    name, make = _name(host), host.distribution
    if make.manager is PackageManager.APK:  # busybox has no usermod
        line = f"{name}:{first}:{CONTAINER_IDS}"
        return tuple(make.written(line, f"/etc/{file}") for file in ("subuid", "subgid"))
    ranges = f"--add-subuids {first}-{last} --add-subgids {first}-{last}"
    return (make.root(f"usermod {ranges} {name}"),)


ID_CHECKS = (
    Check(name="subordinate-ids", title="Subordinate ids", probe=subordinate_ids),
    Check(name="id-map-tools", title="newuidmap, newgidmap", probe=id_map_tools),
    Check(name="id-map", title="A map of all ids", probe=id_map),
)
