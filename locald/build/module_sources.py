"""Gets what a build's own buildpacks, extensions and lifecycle are made of onto this host."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, assert_never

from lifecycle.buildpack import Buildpack, leads_out
from lifecycle.buildpack_source import (
    buildpacks_at_path,
    buildpacks_in_archive,
    buildpacks_of_image,
)
from lifecycle.ca_bundle import host_bundle
from lifecycle.inline_buildpack import InlineBuildpack
from lifecycle.lifecycle_source import (
    Lifecycle,
    lifecycle_in_archive,
    lifecycle_in_folder,
    lifecycle_of_image,
)
from lifecycle.package_toml import read_dependencies
from lifecycle.unpacked import UnpackedFolders
from locald.build.acquire import acquire_builder
from locald.build.observer import BuildObserver
from locald.config.errors import ConfigError
from locald.config.image_source import ImageSource
from locald.config.module_source import (
    BuilderOrder,
    ModuleId,
    ModuleImage,
    ModuleName,
    ModulePath,
    ModuleSource,
    ModuleUrl,
    parse_module,
)
from locald.config.modules import LifecycleSource
from locald.config.pull_policy import PullPolicy
from locald.paths import Paths
from oci.errors import ImageError, UsageError
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.store import ImageStore, StoredImage
from oci.web_address import WebAddress

if TYPE_CHECKING:
    from oci.download import Download


@dataclass(frozen=True, kw_only=True)
class ModuleSources:
    """Images come through the store, files through the download cache; what is packed is unpacked
    once and kept by its digest. ca_cert: trusted besides the host's own certificates."""

    store: ImageStore
    paths: Paths
    platform: Platform
    policy: PullPolicy
    observer: BuildObserver
    ca_cert: Path | None = None

    def modules(self, source: ModuleSource, *, limit: Path | None) -> tuple[Buildpack, ...]:
        """The modules of a source, the main one first. `limit` as in `ModuleEntry`."""
        match source:
            case ModulePath(path=path):
                return self._at_path(path, limit)
            case ModuleUrl(address=address):
                file = self._download(address)
                return buildpacks_in_archive(
                    file.path, file.digest, unpacked=self.unpacked, origin=str(address)
                )
            case ModuleImage(image=image):
                return self._of_image(image)
            case ModuleName(image=image):
                if image is None:
                    raise UsageError(f"{source}: neither a path nor an image")
                return self._of_image(image)
            case InlineBuildpack():
                key = f"inline-{source.digest.hex}"
                return (Buildpack.read(self.unpacked.folder(key, source.write)),)
            case ModuleId() | BuilderOrder():
                raise UsageError(f"{source}: only a buildpack of its own can be named here")
            case _:
                assert_never(source)

    def lifecycle(self, source: LifecycleSource) -> Lifecycle:
        """The lifecycle that takes the place of the builder's."""
        match source:
            case ModulePath(path=path) if path.is_dir():
                return lifecycle_in_folder(path)
            case ModulePath(path=path):
                return lifecycle_in_archive(path, unpacked=self.unpacked)
            case ModuleUrl(address=address):
                file = self._download(address)
                return lifecycle_in_archive(
                    file.path, unpacked=self.unpacked, origin=str(address), digest=file.digest
                )
            case ModuleImage(image=image):
                stored = self._stored(image, "lifecycle")
                return lifecycle_of_image(
                    stored.layout, stored.image, unpacked=self.unpacked, origin=str(source)
                )
            case _:
                assert_never(source)

    @cached_property
    def unpacked(self) -> UnpackedFolders:
        """What was unpacked once."""
        root = self.paths.ensure(self.paths.cache_dir / "modules")
        return UnpackedFolders(root, on_wait=self.observer.step)

    def _at_path(self, path: Path, limit: Path | None) -> tuple[Buildpack, ...]:
        layout = (path / "oci-layout").is_file()
        if path.is_dir() and (limit is not None or not layout) and leads_out(path):
            # What a link points at could be a file that nobody meant to give to the build.
            raise ImageError(
                f"{path}: links in it lead out of the folder",
                hint="give a folder or an archive that holds all of its files",
            )
        modules = buildpacks_at_path(path, unpacked=self.unpacked)
        if not path.is_dir() or layout or not modules[0].composite:
            return modules
        for dependency in read_dependencies(path):
            with told_of(dependency.key):
                source = parse_module(dependency.text, relative_to=path, limit=limit)
                if isinstance(source, ModulePath):
                    modules += buildpacks_at_path(source.path, unpacked=self.unpacked)
                else:
                    modules += self.modules(source, limit=limit)
        return modules

    def _of_image(self, image: ImageSource) -> tuple[Buildpack, ...]:
        stored = self._stored(image, "buildpack")
        return buildpacks_of_image(
            stored.layout, stored.image, unpacked=self.unpacked, origin=str(image)
        )

    def _stored(self, image: ImageSource, kind: str) -> StoredImage:
        if isinstance(image, ImageLocation) and image.transport is Transport.REGISTRY:
            if image.reference is None:
                raise UsageError(f"{image} names no image")
            image = image.reference  # the pull policy counts for it
        return acquire_builder(
            self.store, image, self.platform, self.policy, self.observer, kind=kind
        )

    def _download(self, address: WebAddress) -> "Download":
        # urllib3 takes 20 ms to import, and few builds fetch a buildpack by its address.
        from oci.download import Downloads, Freshness

        freshness = {
            PullPolicy.NEVER: Freshness.NEVER,
            PullPolicy.IF_NOT_PRESENT: Freshness.IF_ABSENT,
            PullPolicy.ALWAYS: Freshness.ALWAYS,
        }[self.policy]
        downloads = Downloads(
            self.paths.ensure(self.paths.cache_dir / "downloads"),
            ca_file=host_bundle(self.ca_cert),
            on_step=self.observer.step,
        )
        return downloads.fetch(address, freshness)


@contextmanager
def told_of(origin: str) -> Iterator[None]:
    """Errors within name the flag, or the file and key, that asked for what is wrong."""
    try:
        yield
    except ConfigError:
        raise
    except (UsageError, ImageError) as error:
        kind = UsageError if isinstance(error, UsageError) else ImageError
        raise kind(f"{origin}: {error.message}", details=error.details, hint=error.hint) from error
