"""OCI platforms: operating system, architecture and variant."""

import platform as host
from dataclasses import dataclass
from typing import Self

from oci.errors import UsageError

# The kernel's name of a machine → the image-spec name (Go's GOARCH) and variant.
_MACHINES = {
    "x86_64": ("amd64", ""),
    "amd64": ("amd64", ""),
    "aarch64": ("arm64", ""),
    "arm64": ("arm64", ""),
    "armv7l": ("arm", "v7"),
    "armv6l": ("arm", "v6"),
    "i686": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
}


@dataclass(frozen=True)
class Platform:
    """What an image runs on, in image-spec's words: `linux/arm64/v8`."""

    os: str
    architecture: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """From `OS/ARCH` or `OS/ARCH/VARIANT`."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(part.isascii() and part.isalnum() for part in parts):
            raise UsageError(
                f"not a platform: {text!r}", hint="write OS/ARCH[/VARIANT], such as linux/arm64"
            )
        if parts[0] != "linux":
            raise UsageError(f"{text}: only Linux images can be built")
        return cls(*parts)

    @classmethod
    def of_host(cls) -> Self:
        """The platform of the machine that this runs on."""
        machine = host.machine().lower()
        architecture, variant = _MACHINES.get(machine, (machine, ""))
        return cls("linux", architecture, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.architecture, self.variant) if part)
