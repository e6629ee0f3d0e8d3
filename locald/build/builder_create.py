"""Makes builder images: from a builder.toml, or the embedded one together with its base images."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.base_image import BaseImage, write_base_image
from lifecycle.builder import BuilderImage, RunImageChoice
from lifecycle.builder_content import BuilderContent, Creator, resolve_order
from lifecycle.builder_image import write_builder
from lifecycle.builder_toml import (
    BuilderToml,
    ModuleSource,
    build_config_files,
    read_builder_toml,
)
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.buildpack_source import buildpacks_at_path, buildpacks_of_image
from lifecycle.embedded_builder import EmbeddedBase, embedded_builder
from lifecycle.go_lifecycle import GoLifecycle
from lifecycle.image_time import creation_time
from lifecycle.lifecycle_source import (
    Lifecycle,
    lifecycle_in_archive,
    lifecycle_in_folder,
    lifecycle_of_image,
)
from lifecycle.module import SystemModules
from locald import __version__
from locald.paths import Paths
from oci.digest import Digest
from oci.errors import ImageError, UsageError
from oci.layout import Layout
from oci.location import ImageLocation, Transport, is_location
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.rootfs_tarball import make_rootfs
from oci.store import ImageStore, StoredImage
from oci.tree_digest import digest_tree

EMBEDDED_NAME = Reference(LOCALHOST, "locald/builder", "embedded")
INPUTS_ANNOTATION = "dev.locald.inputs"
_LIFECYCLE_REPOSITORY = "docker.io/buildpacksio/lifecycle"


@dataclass(frozen=True, kw_only=True)
class BuilderRequest:
    """What to make. config: a builder.toml; None means the embedded one.

    force: make it again though nothing changed. labels: added to the builder's.
    """

    name: Reference
    config: Path | None
    platform: Platform
    force: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CreatedBuilder:
    """The builder in the store. made: the names of the images that this run made."""

    stored: StoredImage
    builder: BuilderImage
    made: tuple[Reference, ...]


@dataclass(frozen=True, kw_only=True)
class BuilderTools:
    """What the work needs. on_step is told what begins that may take a while."""

    runner: CommandRunner
    store: ImageStore
    paths: Paths
    on_step: Callable[[str], None] = lambda _: None


def create_builder(request: BuilderRequest, tools: BuilderTools) -> CreatedBuilder:
    """Make the builder, and with the embedded one its base images, unless they are up to date."""
    made: list[Reference] = []
    config = request.config
    if config is None:
        embedded = embedded_builder()
        config = embedded.config
        document = read_builder_toml(config)
        for base, text in (
            (embedded.build_base, document.build_image),
            (embedded.run_base, document.run_images[0].image),
        ):
            name = Reference.parse(text)
            if _make_base(base, name, request, tools):
                made.append(name)
    else:
        document = read_builder_toml(config)
    stored, fresh = _Assembly(request, document, config.parent.absolute(), tools).run(config)
    if fresh:
        made.append(request.name)
    builder = BuilderImage.from_config(stored.config, origin=str(request.name))
    return CreatedBuilder(stored=stored, builder=builder, made=tuple(made))


def _make_base(
    base: EmbeddedBase, name: Reference, request: BuilderRequest, tools: BuilderTools
) -> bool:
    """Make one of the embedded builder's base images; False when it is up to date."""
    inputs = str(base.inputs)
    if not request.force and _up_to_date(tools.store, name, request.platform, inputs) is not None:
        return False
    if request.platform != Platform.of_host():
        raise UsageError(
            f"the embedded builder can only be made for this host's platform, "
            f"{Platform.of_host()}, not {request.platform}"
        )
    tools.on_step(f"Making {name.familiar}: {base.title}")
    with tools.store.staging() as staging:
        tarball = staging / "rootfs.tar"
        created = creation_time()
        make_rootfs(tools.runner, base.rootfs, tarball, time=created)
        layout = Layout.create(staging / "image")
        labels = {
            "io.buildpacks.base.id": base.id,
            "io.buildpacks.base.maintainer": "locald",
            "io.buildpacks.base.description": base.title,
        }
        image = BaseImage(
            user=base.user,
            created=created,
            comment=f"mmdebstrap {base.rootfs.suite}",
            labels=labels,
            annotations={INPUTS_ANNOTATION: inputs},
        )
        write_base_image(layout, tarball, image, request.platform)
        tools.store.commit(layout, (name,), request.platform)
    return True


def _up_to_date(
    store: ImageStore, name: Reference, platform: Platform, inputs: str
) -> StoredImage | None:
    found = store.find(name, platform)
    if found is None or found.image.manifest.annotations.get(INPUTS_ANNOTATION) != inputs:
        return None
    return found if found.complete else None


class _Assembly:
    """One builder.toml on its way to an image."""

    def __init__(
        self, request: BuilderRequest, document: BuilderToml, folder: Path, tools: BuilderTools
    ) -> None:
        self._request = request
        self._document = document
        self._folder = folder
        self._tools = tools

    def run(self, config: Path) -> tuple[StoredImage, bool]:
        """The builder in the store, and whether it was made just now."""
        request, store = self._request, self._tools.store
        base = self._base_image()
        inputs = str(self._inputs(config, base))
        if not request.force:
            found = _up_to_date(store, request.name, request.platform, inputs)
            if found is not None:
                return found, False
        with store.staging() as staging:
            scratch = staging / "unpacked"
            scratch.mkdir()
            content = self._content(scratch, inputs)
            self._tools.on_step(f"Assembling {request.name.familiar}")
            layout = Layout.create(staging / "builder")
            write_builder(layout, base.image, content)
            return store.commit(layout, (request.name,), request.platform), True

    def _content(self, scratch: Path, inputs: str) -> BuilderContent:
        document = self._document
        modules = tuple(
            module
            for kind, sources in (
                (ModuleKind.BUILDPACK, document.buildpacks),
                (ModuleKind.EXTENSION, document.extensions),
            )
            for source in sources
            for module in self._modules(source, kind, scratch)
        )
        buildpacks, extensions = ModuleKind.BUILDPACK, ModuleKind.EXTENSION
        return BuilderContent(
            description=document.description,
            lifecycle=self._lifecycle(scratch),
            modules=_once(modules),
            order=resolve_order((g.entry() for g in document.order), modules, buildpacks),
            order_extensions=resolve_order(
                (g.entry() for g in document.order_extensions), modules, extensions
            ),
            system=SystemModules(
                pre=tuple(member.ref() for member in document.system.pre.buildpacks),
                post=tuple(member.ref() for member in document.system.post.buildpacks),
            ),
            run_images=tuple(RunImageChoice(run.image, run.mirrors) for run in document.run_images),
            build_config=build_config_files(document.build.env),
            stack_id=document.stack.id,
            labels=self._request.labels,
            annotations={INPUTS_ANNOTATION: inputs},
            created=creation_time(),
            creator=Creator(name="locald", version=__version__),
        )

    def _inputs(self, config: Path, base: StoredImage) -> Digest:
        """Everything that the builder depends on, read from here and not from any registry."""
        parts = [__version__, str(creation_time()), str(self._request.platform)]
        parts += [str(Digest.of_file(config)), str(base.digest)]
        parts += [f"{name}={value}" for name, value in sorted(self._request.labels.items())]
        for text in self._sources():
            path = self._local(text)
            if path is not None:
                parts.append(f"{text} {self._digest_local(path)}")
            else:
                parts.append(f"{text} {self._image(text).digest}")
        return Digest.of("\0".join(parts).encode())

    def _sources(self) -> Iterable[str]:
        document = self._document
        yield from (s.uri or s.image for s in (*document.buildpacks, *document.extensions))
        lifecycle = document.lifecycle
        if lifecycle.uri:
            yield lifecycle.uri
        elif lifecycle.version:
            yield f"{_LIFECYCLE_REPOSITORY}:{lifecycle.version}"

    def _digest_local(self, path: Path) -> Digest:
        # Links out of a buildpack's folder take what they point to along, so that counts as well.
        linked = sorted(
            {
                link.resolve()
                for link in (path.rglob("*") if path.is_dir() else ())
                if link.is_symlink() and not link.resolve().is_relative_to(path.resolve())
            }
        )
        digests = [digest_tree(path), *(digest_tree(one) for one in linked if one.exists())]
        return Digest.of("".join(str(digest) for digest in digests).encode())

    def _base_image(self) -> StoredImage:
        text = self._document.build_image
        path = self._local(text)
        if path is None:
            return self._image(text)
        if not path.is_file():
            raise UsageError(f"build.image: no such root filesystem archive: {path}")
        return self._base_from_tarball(path)

    def _base_from_tarball(self, tarball: Path) -> StoredImage:
        store, platform = self._tools.store, self._request.platform
        inputs = str(digest_tree(tarball))
        name = Reference(LOCALHOST, "locald/rootfs", Digest.parse(inputs).short)
        found = _up_to_date(store, name, platform, inputs)
        if found is not None:
            return found
        self._tools.on_step(f"Reading {tarball.name}")
        with store.staging() as staging:
            layout = Layout.create(staging / "image")
            image = BaseImage(
                user="cnb",
                created=creation_time(),
                comment=f"root filesystem {tarball.name}",
                labels={},
                annotations={INPUTS_ANNOTATION: inputs},
            )
            write_base_image(layout, tarball, image, platform)
            return store.commit(layout, (name,), platform)

    def _modules(
        self, source: ModuleSource, kind: ModuleKind, scratch: Path
    ) -> tuple[Buildpack, ...]:
        text = source.uri or source.image
        path = self._local(text)
        if path is not None:
            modules = buildpacks_at_path(path, scratch=scratch, allowed_root=self._folder)
        else:
            stored = self._image(text)
            modules = buildpacks_of_image(stored.layout, stored.image, scratch=scratch, origin=text)
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

    def _lifecycle(self, scratch: Path) -> Lifecycle:
        table = self._document.lifecycle
        lifecycle = self._lifecycle_source(table.uri, table.version, scratch)
        if table.version and table.version.removeprefix("v") != lifecycle.version:
            raise ImageError(
                f"{table.uri}: its version is {lifecycle.version}, "
                f"builder.toml says {table.version}"
            )
        return lifecycle

    def _lifecycle_source(self, uri: str, version: str, scratch: Path) -> Lifecycle:
        if not uri and version:
            uri = f"{_LIFECYCLE_REPOSITORY}:{version}"
        path = self._local(uri) if uri else embedded_builder().lifecycle
        if path is None:
            stored = self._image(uri)
            return lifecycle_of_image(stored.layout, stored.image, scratch=scratch, origin=uri)
        if (path / "go.mod").is_file():
            cache = self._tools.paths.ensure(self._tools.paths.cache_dir / "lifecycle")
            module = GoLifecycle(self._tools.runner, path, cache=cache)
            return module.build(self._request.platform, on_step=self._tools.on_step)
        if path.is_dir():
            return lifecycle_in_folder(path)
        return lifecycle_in_archive(path, scratch=scratch)

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
        path = self._folder / text
        explicit = text.startswith((".", "/")) or text.endswith((".tar", ".tgz", ".gz", ".cnb"))
        return path if explicit or path.exists() else None

    def _image(self, text: str) -> StoredImage:
        """A whole image: from the store, or fetched into it."""
        store, platform = self._tools.store, self._request.platform
        if is_location(text):
            location = ImageLocation.parse(text, relative_to=self._folder)
            if location.transport is not Transport.REGISTRY or location.reference is None:
                self._tools.on_step(f"Reading {location}")
                return store.fetch(location, platform, reference=None)
            reference = location.reference
        else:
            reference = Reference.parse(text).with_default_tag()
        found = store.find(reference, platform)
        if found is not None and found.complete:
            return found
        if reference.registry == LOCALHOST:
            raise ImageError(f"the image {reference} is not in the store, and no registry has it")
        self._tools.on_step(f"Fetching {reference.familiar}")
        return store.fetch(ImageLocation.registry(reference), platform, reference=reference)


def _once(modules: tuple[Buildpack, ...]) -> tuple[Buildpack, ...]:
    """Each module once; buildpackages often bring the same parts along."""
    return tuple({(m.kind, m.id, m.version): m for m in modules}.values())


def _with_article(kind: ModuleKind) -> str:
    return "an extension" if kind is ModuleKind.EXTENSION else "a buildpack"
