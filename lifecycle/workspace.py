"""The folders of one build on the host, and what each phase sees of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import assert_never

from lifecycle.bindings import BINDINGS
from lifecycle.inputs import MountPaths
from lifecycle.phase import Phase
from lifecycle.runtime.spec import Mount, OverlayMount


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """One build's folders, below `root`, all owned by the invoking user.

    app: the user's source; it is only ever the lower folder of an overlay.
    hidden: what the build must not see of it, relative. adopted: what others own of it.
    cache: the lifecycle's cache of this project. build_cache: a plain folder that buildpacks
    may use in the build phase.
    modules: read-only mounts of added buildpacks and extensions.
    lifecycle: what takes the place of the builder's lifecycle in every phase.
    extra: read-only mounts for the phases that run buildpacks (the CA bundle).
    bindings: service bindings: their names and folders on the host. volumes: the user's mounts.
    """

    root: Path
    paths: MountPaths
    app: Path
    hidden: tuple[PurePosixPath, ...]
    cache: Path
    build_cache: Path
    modules: tuple[Mount, ...]
    adopted: tuple[PurePosixPath, ...] = ()
    extra: tuple[Mount, ...] = ()
    lifecycle: Path | None = None
    bindings: Mapping[str, Path] = field(default_factory=dict)
    volumes: tuple[Mount, ...] = ()

    @property
    def layers(self) -> Path:
        """/layers: what the phases hand each other."""
        return self.root / "layers"

    @property
    def platform(self) -> Path:
        """/platform: the user's variables and bindings, a file each."""
        return self.root / "platform"

    @property
    def layout(self) -> Path:
        """/layout-repo: run image, previous image, and the image that is made."""
        return self.root / "layout-repo"

    @property
    def sandbox(self) -> Path:
        """What the runtime keeps: bundles, overlays."""
        return self.root / "sandbox"

    def create(self) -> None:
        """Make the folders; the root is new and empty."""
        for folder in (self.layers, self.platform / "env", self.layout, self.sandbox):
            folder.mkdir(parents=True)
        # The image has this folder: its mode must not depend on the user's umask.
        self.layers.chmod(0o755)
        (self.root / "app-overlay").mkdir()
        for phase in Phase:
            # Big and on disk: the exporter keeps every layer there once, uncompressed.
            folder = self._temporary(phase)
            folder.mkdir()
            folder.chmod(0o1777)
        # /platform is read-only, so what is mounted in it needs its places before.
        for mount in (*self._bindings(), *self.volumes):
            if mount.target.is_relative_to(self.paths.platform):
                place = self.platform / mount.target.relative_to(self.paths.platform)
                if mount.source.is_dir():
                    place.mkdir(parents=True, exist_ok=True)
                else:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.touch()

    def write_binding(self, name: str, files: Mapping[str, bytes]) -> None:
        """A service binding of ours: entry by entry, beside the user's."""
        folder = self.platform / BINDINGS / name
        folder.mkdir(parents=True)
        for entry, content in files.items():
            (folder / entry).write_bytes(content)

    def write_environment(self, env: Mapping[str, str]) -> None:
        """/platform/env: a file for each variable, its bytes exactly the value."""
        for name, value in env.items():
            (self.platform / "env" / name).write_bytes(value.encode(errors="surrogateescape"))

    def mounts(self, phase: Phase) -> tuple[Mount, ...]:
        """The bind mounts of a phase."""
        if self.lifecycle is None:
            return self._mounts(phase)
        lifecycle = Mount(source=self.lifecycle, target=self.paths.lifecycle, read_only=True)
        return (*self._mounts(phase), lifecycle)

    def _mounts(self, phase: Phase) -> tuple[Mount, ...]:
        layers = Mount(source=self.layers, target=self.paths.layers)
        cache = Mount(source=self.cache, target=self.paths.cache)
        temporary = Mount(source=self._temporary(phase), target=self.paths.temporary)
        layout = Mount(source=self.layout, target=self.paths.layout, read_only=True)
        match phase:
            case Phase.ANALYZE:
                return (layers, layout, temporary)
            case Phase.DETECT:
                return (layers, temporary, *self._for_buildpacks())
            case Phase.RESTORE:
                return (layers, layout, cache, temporary)
            case Phase.BUILD:
                build_cache = Mount(source=self.build_cache, target=self.paths.build_cache)
                return (layers, temporary, build_cache, *self._for_buildpacks())
            case Phase.EXPORT:
                writable_layout = Mount(source=self.layout, target=self.paths.layout)
                return (layers, writable_layout, cache, temporary)
            case _:
                assert_never(phase)

    def overlays(self, phase: Phase) -> tuple[OverlayMount, ...]:
        """The source, for the phases that see it."""
        if phase not in (Phase.DETECT, Phase.BUILD, Phase.EXPORT):
            return ()
        overlay = OverlayMount(
            lower=self.app,
            scratch=self.root / "app-overlay",
            target=self.paths.app,
            hidden=self.hidden,
            adopted=self.adopted,
        )
        return (overlay,)

    def _temporary(self, phase: Phase) -> Path:
        return self.root / f"tmp-{phase}"

    def _for_buildpacks(self) -> tuple[Mount, ...]:
        platform = Mount(source=self.platform, target=self.paths.platform, read_only=True)
        return (platform, *self._bindings(), *self.modules, *self.extra, *self.volumes)

    def _bindings(self) -> tuple[Mount, ...]:
        folder = self.paths.platform / BINDINGS
        return tuple(
            Mount(source=source, target=folder / name, read_only=True)
            for name, source in self.bindings.items()
        )
