"""What is in `lifecycle/embedded`, and how its base images are made."""

from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from oci.digest import Digest
from oci.rootfs_tarball import DebianRootfs, mmdebstrap_argv, package_names

_SUITE = "bookworm"


@dataclass(frozen=True, kw_only=True)
class EmbeddedBase:
    """One of the two base images. user: the one that its hook adds. title: for labels."""

    rootfs: DebianRootfs
    user: str
    for_building: bool
    id: str
    title: str

    @property
    def inputs(self) -> Digest:
        """Changes when what the image is made from changes; not when Debian's packages do."""
        # The hook by its content, not its place.
        argv = mmdebstrap_argv(replace(self.rootfs, hook=Path()), output=Path())
        hook = str(Digest.of_file(self.rootfs.hook))
        return Digest.of(
            repr((argv, self.user, self.for_building, self.id, self.title, hook)).encode()
        )


@dataclass(frozen=True, kw_only=True)
class EmbeddedBuilder:
    """The folder of the embedded builder."""

    folder: Path

    @property
    def config(self) -> Path:
        """Its builder.toml."""
        return self.folder / "builder.toml"

    @property
    def lifecycle(self) -> Path:
        """The Go module that pins the lifecycle."""
        return self.folder / "lifecycle"

    @property
    def build_base(self) -> EmbeddedBase:
        """The image that buildpacks run in."""
        return EmbeddedBase(
            rootfs=self._rootfs("build", variant="apt"),
            user="cnb",
            for_building=True,
            id="dev.locald.build",
            title="Debian 12 with compilers, for building",
        )

    @property
    def run_base(self) -> EmbeddedBase:
        """The image that applications stand on."""
        # Its hook removes apt's own files, which mmdebstrap would remove afterwards.
        skip = ("cleanup/apt", "cleanup/mmdebstrap")
        return EmbeddedBase(
            rootfs=self._rootfs("run", variant="essential", skip=skip),
            user="app",
            for_building=False,
            id="dev.locald.run",
            title="Debian 12, as little as applications need",
        )

    def _rootfs(self, name: str, *, variant: str, skip: tuple[str, ...] = ()) -> DebianRootfs:
        folder = self.folder / "base"
        return DebianRootfs(
            suite=_SUITE,
            variant=variant,
            packages=package_names(folder / f"{name}.packages"),
            hook=folder / f"hooks/{name}.sh",
            skip=skip,
        )


def embedded_builder() -> EmbeddedBuilder:
    """The one that is installed with this package."""
    return EmbeddedBuilder(folder=Path(str(files("lifecycle") / "embedded")))
