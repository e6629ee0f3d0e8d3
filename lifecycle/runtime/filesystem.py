"""What a container in our own user namespace sees as its files: root, overlays, binds."""

from dataclasses import dataclass
from pathlib import Path

from lifecycle.runtime.container_files import ETC_FILES, write_container_files
from lifecycle.runtime.memory import (
    MOUNT_SCRIPT,
    UNMOUNT_SCRIPT,
    fill,
    memory_mounts,
    mount_points,
)
from lifecycle.runtime.rootfs_lint import check_rootfs, linked_files
from lifecycle.runtime.spec import ContainerSpec, Mount, OverlayMount
from oci.errors import ContainerError
from oci.overlay import Overlay, OverlayMounter
from oci.process import Command, CommandRunner
from oci.userns import UserNamespace


@dataclass(frozen=True, kw_only=True)
class Filesystem:
    """One container's files, mounted.

    folder: a folder of this container's own, for the runtime's files.
    rootfs: its root, a throwaway overlay, as processes in the namespace see it.
    mounts: all that is bound into it, outer targets first.
    """

    folder: Path
    rootfs: Path
    mounts: tuple[Mount, ...]


class Filesystems:
    """Those of one sandbox. A spec's overlay is mounted once, and bound into each container."""

    def __init__(self, runner: CommandRunner, namespace: UserNamespace, scratch: Path) -> None:
        self._runner = runner
        self._namespace = namespace
        self._containers = scratch / "containers"
        mounts = scratch / "mounts"
        for folder in (self._containers, mounts):
            folder.mkdir()
        self._mounter = OverlayMounter(namespace, mounts)
        self._overlays: dict[OverlayMount, Path] = {}
        self._count = 0

    def mount(self, spec: ContainerSpec) -> Filesystem:
        """Check the image, mount its overlays, write our own files."""
        self._count += 1
        folder = self._containers / f"{self._count}-{spec.name}"
        for name in ("changes", "files"):
            (folder / name).mkdir(parents=True)
        files = write_container_files(spec, folder / "files")
        overlays = tuple(
            Mount(source=self._mounted(overlay), target=overlay.target) for overlay in spec.overlays
        )
        self._refuse_links(spec, overlays)
        memory = self._in_memory(spec, folder)
        mounts = sorted_by_depth((*files, *overlays, *memory, *spec.mounts))
        return Filesystem(folder=folder, rootfs=self._root(spec, folder, mounts), mounts=mounts)

    def forget(self, spec: ContainerSpec, folder: Path) -> None:
        """Its container has ended: nothing that was only in memory stays there."""
        points = mount_points(spec, folder)
        if points:
            self._namespace.run("sh", "-c", UNMOUNT_SCRIPT, "sh", *map(str, points), check=False)

    def remove_containers(self) -> None:
        """Delete the containers' own folders, in which files may belong to subordinate ids."""
        if self._count:
            argv = self._namespace.argv("rm", "-rf", "--", str(self._containers))
            # Not in the mount namespace: there the mounted overlays would be in the way.
            outside = tuple(word for word in argv if word != "--mount")
            self._runner.run(Command(argv=outside), check=False)

    def _root(self, spec: ContainerSpec, folder: Path, mounts: tuple[Mount, ...]) -> Path:
        links = linked_files(spec.rootfs, ETC_FILES)
        check_rootfs(spec.rootfs, (m.target for m in mounts if m.target not in links))
        merged = self._mounter.mount(Overlay(lower=spec.rootfs, changes=folder / "changes"))
        if links:
            names = (str(merged / link.relative_to("/")) for link in links)
            self._namespace.run("rm", "-f", "--", *names)
        return merged

    def _refuse_links(self, spec: ContainerSpec, overlays: tuple[Mount, ...]) -> None:
        """A container before this one may have put a link where something is to be mounted."""
        for overlay in overlays:
            for mount in spec.mounts:
                if not mount.target.is_relative_to(overlay.target):
                    continue
                inside = mount.target.relative_to(overlay.target)
                seen = Path(f"/proc/{self._namespace.pid}/root{overlay.source}")
                if any((seen / path).is_symlink() for path in (inside, *inside.parents[:-1])):
                    raise ContainerError(
                        f"{spec.name}: {mount.target} has become a link since the build began"
                    )

    def _in_memory(self, spec: ContainerSpec, folder: Path) -> tuple[Mount, ...]:
        mounts = memory_mounts(spec, folder)
        if mounts:
            points = map(str, mount_points(spec, folder))
            self._namespace.run("sh", "-c", MOUNT_SCRIPT, "sh", *points)
            fill(spec, folder, process=self._namespace.pid)
        return mounts

    def _mounted(self, overlay: OverlayMount) -> Path:
        if overlay not in self._overlays:
            self._overlays[overlay] = self._mounter.mount(
                Overlay(
                    lower=overlay.lower,
                    changes=overlay.scratch,
                    hidden=overlay.hidden,
                    adopted=overlay.adopted,
                )
            )
        return self._overlays[overlay]


def sorted_by_depth(mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """Outer targets before those inside them, otherwise in the given order."""
    return tuple(sorted(mounts, key=lambda mount: len(mount.target.parts)))
