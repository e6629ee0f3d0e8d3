"""Can this host run another machine's programs?

Linux hands them to an emulator that was registered for their format (binfmt_misc). Inside a
container that works only when the kernel opened the emulator at its registration (the flag F).
"""

from pathlib import Path

from oci.errors import HostError
from oci.platform import Platform

_REGISTERED = Path("/proc/sys/fs/binfmt_misc")
# image-spec's names of architectures → QEMU's.
_QEMU = {
    "amd64": "x86_64",
    "386": "i386",
    "arm64": "aarch64",
    "arm": "arm",
    "ppc64le": "ppc64le",
    "s390x": "s390x",
    "riscv64": "riscv64",
}


def require_runnable(
    platform: Platform, *, host: Platform | None = None, registered: Path = _REGISTERED
) -> None:
    """Raise HostError when programs of the platform cannot run here, before anything is fetched."""
    host = host or Platform.of_host()
    if platform.architecture == host.architecture or _emulated(platform, registered):
        return
    raise HostError(
        f"--platform: this host is {host} and cannot run {platform}",
        hint="install an emulator (sudo apt install qemu-user-static binfmt-support), "
        f"or build on a machine that is {platform}",
    )


def _emulated(platform: Platform, registered: Path) -> bool:
    name = _QEMU.get(platform.architecture, platform.architecture)
    try:
        lines = (registered / f"qemu-{name}").read_text().splitlines()
    except OSError:
        return False
    flags = next((line for line in lines if line.startswith("flags:")), "")
    return "enabled" in lines and "F" in flags.removeprefix("flags:")
