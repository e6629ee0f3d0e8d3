"""What a builder.toml names, found: base images, buildpacks, a lifecycle."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lifecycle.base_image import BaseImage, write_base_image
from lifecycle.builder_toml import LifecycleTable, ModuleSource
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.buildpack_source import buildpacks_at_path, buildpacks_of_image
from lifecycle.embedded_builder import embedded_builder
from lifecycle.go_lifecycle import GoLifecycle
from lifecycle.image_time import creation_time
from lifecycle.lifecycle_source import (
    Lifecycle,
    lifecycle_in_archive,
    lifecycle_in_folder,
    lifecycle_of_image,
)
from lifecycle.unpacked import UnpackedFolders
from locald.paths import Paths
from oci.digest import Digest
from oci.errors import ImageError, UsageError
from oci.layout import Layout
from oci.location import ImageLocation, Transport, is_location
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.store import ImageStore, StoredImage
from oci.tree_digest import digest_tree

INPUTS_ANNOTATION = "dev.locald.inputs"
LIFECYCLE_REPOSITORY = "docker.io/buildpacksio/lifecycle"
_ARCHIVES = (".tar", ".tgz", ".gz", ".xz", ".cnb")


@dataclass(frozen=True, kw_only=True)
class BuilderTools:
    """What the work needs. on_step is told what begins that may take a while."""

    runner: CommandRunner
    store: ImageStore
    paths: Paths
    on_step: Callable[[str], None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class BuilderSources:
    """Finds sources; relative paths start at `folder`, that of the builder.toml."""

    folder: Path
    platform: Platform
    tools: BuilderTools

    def digest(self, text: str) -> Digest:
        """What a source is now. Images are brought into the store for it."""
        path = self._local(text)
        if path is None:
            return self._image(text).digest
        # Links out of a buildpack's folder take what they point to along, so that counts as well.
        root = path.resolve()
        linked = {
            link.resolve()
            for link in (path.rglob("*") if path.is_dir() else ())
            if link.is_symlink() and not link.resolve().is_relative_to(root)
        }
        digests = [digest_tree(path), *(digest_tree(one) for one in sorted(linked) if one.exists())]
        return Digest.of("".join(str(digest) for digest in digests).encode())

    def base_image(self, text: str) -> StoredImage:
        """The build image: an image, or one made from a root filesystem archive."""
        path = self._local(text)
        if path is None:
            return self._image(text)
        if not path.is_file():
            raise UsageError(f"build.image: no such root filesystem archive: {path}")
        inputs = str(digest_tree(path))
        name = Reference(LOCALHOST, "locald/rootfs", Digest.parse(inputs).short)
        found = up_to_date(self.tools.store, name, self.platform, inputs)
        if found is not None:
            return found
        self.tools.on_step(f"Reading {path.name}")
        with self.tools.store.staging() as staging:
            layout = Layout.create(staging / "image")
            image = BaseImage(
                user="cnb",
                for_building=True,
                created=creation_time(),
                comment=f"root filesystem {path.name}",
                labels={},
                annotations={INPUTS_ANNOTATION: inputs},
            )
            write_base_image(layout, path, image, self.platform)
            return self.tools.store.commit(layout, (name,), self.platform)

    def modules(
        self, source: ModuleSource, kind: ModuleKind, *, scratch: Path
    ) -> tuple[Buildpack, ...]:
        """The buildpacks (or the extension) of a source, the main one first."""
        text = source.uri or source.image
        path = self._local(text)
        unpacked = UnpackedFolders(scratch / "unpacked")
        if path is not None:
            modules = buildpacks_at_path(path, unpacked=unpacked, allowed_root=self.folder)
        else:
            stored = self._image(text)
            modules = buildpacks_of_image(
                stored.layout, stored.image, unpacked=unpacked, origin=text
            )
        main = modules[0]
        if main.kind is not kind:
            raise ImageError(f"{text} is {_with_article(main.kind)}, not {_with_article(kind)}")
        for what, wanted, found in (
            ("id", source.id, main.id),
            ("version", source.version, main.version),
        ):
            if wanted and wanted != found:
                raise ImageError(f"{text}: its {what} is {found}, builder.toml says {wanted}")
        return modules

    def lifecycle(self, table: LifecycleTable, *, scratch: Path) -> Lifecycle:
        """The lifecycle; without any source the one that is pinned here."""
        uri = lifecycle_uri(table)
        lifecycle = self._lifecycle(uri, scratch)
        if table.version and table.version.removeprefix("v") != lifecycle.version:
            raise ImageError(
                f"{uri}: its version is {lifecycle.version}, builder.toml says {table.version}"
            )
        return lifecycle

    def _lifecycle(self, uri: str, scratch: Path) -> Lifecycle:
        path = self._local(uri) if uri else embedded_builder().lifecycle
        unpacked = UnpackedFolders(scratch / "unpacked")
        if path is None:
            stored = self._image(uri)
            return lifecycle_of_image(stored.layout, stored.image, unpacked=unpacked, origin=uri)
        if (path / "go.mod").is_file():
            cache = self.tools.paths.ensure(self.tools.paths.cache_dir / "lifecycle")
            module = GoLifecycle(self.tools.runner, path, cache=cache)
            return module.build(self.platform, on_step=self.tools.on_step)
        if path.is_dir():
            return lifecycle_in_folder(path)
        if not path.is_file():
            raise UsageError(f"lifecycle.uri: no such file or folder: {path}")
        return lifecycle_in_archive(path, unpacked=unpacked)

    def _local(self, text: str) -> Path | None:
        """The file or folder that a source names, or None for the name of an image."""
        if text.startswith("file://"):
            return Path(text.removeprefix("file://"))
        if text.startswith(("http://", "https://", "urn:")):
            raise UsageError(
                f"builder.toml: {text} cannot be fetched here",
                hint="download it, and give its path",
            )
        if is_location(text):
            return None
        path = self.folder / text
        explicit = text.startswith((".", "/")) or text.endswith(_ARCHIVES)
        return path if explicit or path.exists() else None

    def _image(self, text: str) -> StoredImage:
        """A whole image: from the store, or fetched into it."""
        store = self.tools.store
        if is_location(text):
            location = ImageLocation.parse(text, relative_to=self.folder)
            if location.transport is not Transport.REGISTRY or location.reference is None:
                self.tools.on_step(f"Reading {location}")
                return store.fetch(location, self.platform, reference=None)
            reference = location.reference
        else:
            reference = Reference.parse(text).with_default_tag()
        found = store.find(reference, self.platform)
        if found is not None and found.complete:
            return found
        if reference.registry == LOCALHOST:
            raise ImageError(f"the image {reference} is not in the store, and no registry has it")
        self.tools.on_step(f"Fetching {reference.familiar}")
        return store.fetch(ImageLocation.registry(reference), self.platform, reference=reference)


def lifecycle_uri(table: LifecycleTable) -> str:
    """Where `[lifecycle]` says to look; empty for the one that is pinned here."""
    if not table.uri and table.version:
        return f"{LIFECYCLE_REPOSITORY}:{table.version}"
    return table.uri


def up_to_date(
    store: ImageStore, name: Reference, platform: Platform, inputs: str
) -> StoredImage | None:
    """The image of that name, if it is whole and was made from these inputs."""
    found = store.find(name, platform)
    if found is None or found.image.manifest.annotations.get(INPUTS_ANNOTATION) != inputs:
        return None
    return found if found.complete else None


def _with_article(kind: ModuleKind) -> str:
    return "an extension" if kind is ModuleKind.EXTENSION else "a buildpack"
