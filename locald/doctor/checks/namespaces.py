"""User namespaces, and what can forbid them."""

import os
import re

from lifecycle.runtime.spec import RuntimeName
from locald.doctor.check import Check
from locald.doctor.finding import EXHAUSTED, Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.trial import Step
from oci.errors import Error, HostError
from oci.userns import UserNamespace

_LIMITS = ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup")
# A build holds about a dozen of each.
_FEW_NAMESPACES = 64
NATIVE_OVERLAYS = (5, 13)
_SYSCTL_FILE = "/etc/sysctl.d/99-locald.conf"
_APPARMOR = "kernel.apparmor_restrict_unprivileged_userns"
_CLONE = "kernel.unprivileged_userns_clone"


def root_user(host: Host) -> Finding:
    """As the host's root, what a buildpack does would be done as root."""
    if host.root_refused is not None:
        remedy = Remedy(
            text="run it as an ordinary user",
            commands=("useradd --create-home locald", "su - locald"),
        )
        return host.told(Level.FAIL, host.root_refused, remedy)
    if host.uid == 0:
        return note("root of a user namespace only: as good as an ordinary user")
    return fine(f"an ordinary user, id {host.uid}")


def user_namespaces(host: Host) -> Finding:
    """Was one made?"""
    error = host.namespace_error
    if error is None:
        return fine("this user may make them")
    level = host.unless(Step.RUNTIME, Step.UNPACK, Step.CONTAINER)
    return host.told(level, error, Remedy(text="see the checks below for what forbids it"))


def namespace_limits(host: Host) -> Finding:
    """The kernel's numbers: 0 forbids, a small one runs out."""
    refused = host.unless(Step.RUNTIME, Step.UNPACK, Step.CONTAINER)
    if host.text("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return Finding(
            level=refused,
            symptom=f"sysctl {_CLONE} is 0: only root may make user namespaces",
            remedy=_sysctl(host, _CLONE, 1),
        )
    for kind in _LIMITS:
        name = f"user.max_{kind}_namespaces"
        text = host.text(f"/proc/sys/user/max_{kind}_namespaces")
        if not text.isdigit() or int(text) >= _FEW_NAMESPACES:
            continue
        level = refused if int(text) == 0 else Level.WARN
        return Finding(
            level=level, symptom=f"sysctl {name} is {text}", remedy=_sysctl(host, name, 15000)
        )
    return fine("high enough")


def apparmor(host: Host) -> Finding:
    """Ubuntu since 23.10."""
    if host.text(f"/proc/sys/{_APPARMOR.replace('.', '/')}") != "1":
        return fine("does not restrict user namespaces")
    if host.namespace_error is None:
        return fine("restricts user namespaces, and lets these pass")
    remedy = _sysctl(host, _APPARMOR, 0)
    return Finding(
        level=host.unless(Step.RUNTIME, Step.UNPACK, Step.CONTAINER),
        symptom=f"AppArmor refuses user namespaces (sysctl {_APPARMOR} is 1)",
        remedy=Remedy(
            text="allow them, or give unshare an AppArmor profile with the rule `userns,`",
            commands=remedy.commands,
        ),
    )


def seccomp(host: Host) -> Finding:
    """A system call filter around this process, such as Docker's."""
    filtered = host.status("Seccomp") == "2"
    if not filtered:
        return fine("no system call filter around this process")
    if host.namespace_error is None:
        return fine("a system call filter surrounds this process, and lets namespaces pass")
    return Finding(
        level=host.unless(Step.RUNTIME, Step.UNPACK, Step.CONTAINER),
        symptom="a system call filter (seccomp) around this process refuses user namespaces",
        remedy=Remedy(
            text="start the outer container with --security-opt seccomp=unconfined, or with a "
            "profile that allows unshare, clone and mount (rootless podman's own does)"
        ),
    )


def own_proc(host: Host) -> Finding:
    """runc and podman mount a /proc of their own; over a masked one the kernel forbids it."""
    if host.namespace_error is not None:
        return note("not tried: there are no user namespaces")
    try:
        with UserNamespace(host.runner, ids=None):
            return fine("can be mounted anew")
    except HostError as error:
        level = host.unless(Step.RUNTIME, Step.CONTAINER)
        if level is Level.WARN and host.outcome.runtime is RuntimeName.BUBBLEWRAP:
            level = Level.NOTE
        return Finding(
            level=level,
            symptom="/proc cannot be mounted anew, as in a container: bubblewrap shares this one",
            details=error.details[-2:],
            remedy=Remedy(
                text="for runc and podman, start the outer container with "
                "--security-opt unmask=/proc/* (podman) or systempaths=unconfined (Docker)"
            ),
        )


def kernel_version() -> tuple[int, ...]:
    """Its first two numbers."""
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else ()


def kernel(host: Host) -> Finding:
    """Overlays for ordinary users came with 5.11, with SELinux 5.13; whiteouts with 5.8."""
    release = os.uname().release
    if kernel_version() >= NATIVE_OVERLAYS:
        return fine(release)
    return Finding(
        level=Level.WARN,
        symptom=f"Linux {release} is older than 5.13: no overlays without root",
        remedy=Remedy(text="a newer kernel, or fuse-overlayfs", tools=("fuse-overlayfs",)),
    )


def _sysctl(host: Host, name: str, value: int) -> Remedy:
    line = f"{name}={value}"
    make = host.distribution
    return Remedy(commands=(make.root(f"sysctl -w {line}"), make.written(line, _SYSCTL_FILE)))


def namespace_error(host: Host) -> Error | None:
    """Why this user cannot make a user namespace, tried."""
    try:
        with UserNamespace(host.runner, ids=None, own_pids=False):
            return None
    except Error as error:
        return error
    except EXHAUSTED as error:
        return HostError(f"no user namespace can be made: {error}")


NAMESPACE_CHECKS = (
    Check(name="root", title="Not as root", probe=root_user),
    Check(name="user-namespaces", title="User namespaces", probe=user_namespaces),
    Check(name="namespace-limits", title="Limits of namespaces", probe=namespace_limits),
    Check(name="apparmor", title="AppArmor", probe=apparmor),
    Check(name="seccomp", title="System call filter", probe=seccomp),
    Check(name="proc", title="A /proc of one's own", probe=own_proc),
    Check(name="kernel", title="Kernel", probe=kernel),
)
