"""A /sys that does not tell of the host's network interfaces.

A sysfs shows the interfaces of the network namespace that it was mounted in. The runtimes can only
bind this host's; so one is mounted in a namespace of ours, and bound in its place. As a side
effect nothing else that the host has mounted below /sys is seen, such as its cgroups.
"""

from pathlib import Path

from oci.process import Command, CommandRunner
from oci.userns import UserNamespace

# The folder follows.
MOUNT_ARGV = ("mount", "-t", "sysfs", "-o", "ro,nosuid,nodev,noexec", "sysfs")
# Where the kernel allows no new one, as in most containers, these are hidden; what then still
# tells the name of a card is the folder of its device.
INTERFACE_PATHS = ("/sys/class/net", "/sys/devices/virtual/net")


class NoInterfaces:
    """A sysfs for containers that have no network but their own loopback.

    It is mounted beside what else is done at the start of a sandbox, and stays as long as the
    user namespace. Its network namespace is gone at once, and with it all interfaces.
    folder: does not exist yet.
    """

    def __init__(self, runner: CommandRunner, namespace: UserNamespace, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        argv = namespace.argv("unshare", "--net", *MOUNT_ARGV, str(folder))
        self._mounting = runner.begin(Command(argv=argv))
        self._mounted: bool | None = None

    @property
    def path(self) -> Path | None:
        """As the user namespace sees it; None where there can be none."""
        if self._mounted is None:
            self._mounted = self._mounting.finish(check=False).exit_code == 0
        return self._folder if self._mounted else None

    def close(self) -> None:
        """Nobody asks any more."""
        if self._mounted is None:
            self._mounted = False
            self._mounting.abandon()
