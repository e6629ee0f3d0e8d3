"""The distribution of this host: what its packages are called, and how they are installed."""

import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self


class PackageManager(StrEnum):
    """The ones whose package names are known here."""

    APT = "apt"
    DNF = "dnf"
    PACMAN = "pacman"
    ZYPPER = "zypper"
    APK = "apk"
    UNKNOWN = ""


# The words of ID and ID_LIKE in /etc/os-release.
_MANAGERS = {
    "debian": PackageManager.APT, "ubuntu": PackageManager.APT,
    "fedora": PackageManager.DNF, "rhel": PackageManager.DNF, "centos": PackageManager.DNF,
    "arch": PackageManager.PACMAN,
    "suse": PackageManager.ZYPPER, "opensuse": PackageManager.ZYPPER,
    "alpine": PackageManager.APK,
}  # fmt: skip
_INSTALL = {
    PackageManager.APT: "apt install",
    PackageManager.DNF: "dnf install",
    PackageManager.PACMAN: "pacman -S",
    PackageManager.ZYPPER: "zypper install",
    PackageManager.APK: "apk add",
    PackageManager.UNKNOWN: "",
}

# Where a package is not called as the program is.
_PACKAGES: dict[str, dict[PackageManager, str]] = {
    "bwrap": dict.fromkeys(PackageManager, "bubblewrap"),
    "newuidmap": {
        PackageManager.APT: "uidmap",
        PackageManager.DNF: "shadow-utils",
        PackageManager.PACMAN: "shadow",
        PackageManager.ZYPPER: "shadow",
        PackageManager.APK: "shadow-uidmap",
    },
    "unshare": dict.fromkeys(PackageManager, "util-linux"),
    "mount": {
        **dict.fromkeys(PackageManager, "util-linux"),
        PackageManager.APT: "mount",
    },
    "policy.json": {
        **dict.fromkeys(PackageManager, "containers-common"),
        PackageManager.APT: "golang-github-containers-common",
        PackageManager.ZYPPER: "libcontainers-common",
    },
}
_SAME = {"newgidmap": "newuidmap", "nsenter": "unshare"}


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """name: for people. as_root: what a command needs in front of it to run as root."""

    name: str
    manager: PackageManager
    as_root: str

    @classmethod
    def of_host(cls, os_release: Path = Path("/etc/os-release")) -> Self:
        """From os-release(5); an unknown or missing one gives no package manager."""
        try:
            fields = _fields(os_release.read_text(errors="replace"))
        except OSError:
            fields = {}
        words = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
        manager = next(
            (_MANAGERS[word] for word in words if word in _MANAGERS), PackageManager.UNKNOWN
        )
        if manager is PackageManager.UNKNOWN and fields.get("ID", "").startswith("opensuse"):
            manager = PackageManager.ZYPPER
        name = fields.get("PRETTY_NAME") or fields.get("NAME") or "an unknown distribution"
        return cls(name=name, manager=manager, as_root="" if os.getuid() == 0 else "sudo ")

    def package(self, tool: str) -> str:
        """The package that brings a program."""
        names = _PACKAGES.get(_SAME.get(tool, tool), {})
        return names.get(self.manager, tool)

    def install(self, tools: Iterable[str]) -> str:
        """The command that installs programs; empty when the package manager is not known."""
        packages = dict.fromkeys(map(self.package, tools))
        if not packages or self.manager is PackageManager.UNKNOWN:
            return ""
        return f"{self.as_root}{_INSTALL[self.manager]} {' '.join(packages)}"

    def root(self, command: str) -> str:
        """The command, as root."""
        return f"{self.as_root}{command}"

    def written(self, line: str, file: str) -> str:
        """The command that adds a line to a file of root's."""
        return f"echo {shlex.quote(line)} | {self.as_root}tee -a {file}"


def _fields(text: str) -> dict[str, str]:
    found = {}
    for line in text.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            try:
                found[name] = "".join(shlex.split(value))
            except ValueError:  # an open quote
                continue
    return found
