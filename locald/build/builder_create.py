"""Makes builder images: from a builder.toml, or the embedded one together with its base images."""

from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.base_image import BaseImage, write_base_image
from lifecycle.builder import BuilderImage, RunImageChoice
from lifecycle.builder_content import BuilderContent, Creator, resolve_order
from lifecycle.builder_image import write_builder
from lifecycle.builder_toml import BuilderToml, build_config_files, read_builder_toml
from lifecycle.buildpack import Buildpack, ModuleKind
from lifecycle.embedded_builder import EmbeddedBase, embedded_builder
from lifecycle.image_time import creation_time
from lifecycle.module import OrderEntry, SystemModules
from locald import __version__
from locald.build.builder_sources import (
    INPUTS_ANNOTATION,
    BuilderSources,
    BuilderTools,
    lifecycle_uri,
    up_to_date,
)
from oci.digest import Digest
from oci.errors import UsageError
from oci.layout import Layout
from oci.locks import exclusive
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.rootfs_tarball import RootfsBuild, begin_rootfs
from oci.store import StoredImage

EMBEDDED_NAME = Reference(LOCALHOST, "locald/builder", "embedded")


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


def create_builder(request: BuilderRequest, tools: BuilderTools) -> CreatedBuilder:
    """Make the builder, and with the embedded one its base images, unless they are up to date."""
    lock = tools.store.root / "locks/builder-create.lock"
    with exclusive(lock, what="the making of builders", on_wait=tools.on_step):
        config = request.config or embedded_builder().config
        document = read_builder_toml(config)
        made = _make_bases(document, request, tools) if request.config is None else []
        stored, fresh = _assemble(config, document, request, tools)
    if fresh:
        made.append(request.name)
    builder = BuilderImage.from_config(stored.config, origin=str(request.name))
    return CreatedBuilder(stored=stored, builder=builder, made=tuple(made))


@dataclass(frozen=True, kw_only=True)
class _BaseAtWork:
    """A base image whose root filesystem is being made."""

    base: EmbeddedBase
    name: Reference
    tarball: Path
    build: RootfsBuild


def _make_bases(
    document: BuilderToml, request: BuilderRequest, tools: BuilderTools
) -> list[Reference]:
    """Make those base images of the embedded builder that are not up to date, side by side."""
    embedded = embedded_builder()
    wanted = (
        (embedded.run_base, Reference.parse(document.run_images[0].image)),
        (embedded.build_base, Reference.parse(document.build_image)),
    )
    missing = [
        (base, name)
        for base, name in wanted
        if request.force
        or up_to_date(tools.store, name, request.platform, str(base.inputs)) is None
    ]
    if not missing:
        return []
    if request.platform != Platform.of_host():
        raise UsageError(
            f"the embedded builder can only be made for this host's platform, "
            f"{Platform.of_host()}, not {request.platform}"
        )
    with ExitStack() as stack:
        staging = stack.enter_context(tools.store.staging())
        at_work = []
        for base, name in missing:
            tools.on_step(f"Making {name.familiar}: {base.title}")
            tarball = staging / f"{base.id}.tar"
            build = begin_rootfs(tools.runner, base.rootfs, tarball, time=creation_time())
            at_work.append(
                _BaseAtWork(base=base, name=name, tarball=tarball, build=stack.enter_context(build))
            )
        for one in at_work:
            one.build.finish()
            _commit_base(one, staging, request, tools)
    return [name for _, name in missing]


def _commit_base(
    work: _BaseAtWork, staging: Path, request: BuilderRequest, tools: BuilderTools
) -> None:
    base = work.base
    layout = Layout.create(staging / base.id)
    image = BaseImage(
        user=base.user,
        for_building=base.for_building,
        created=creation_time(),
        comment=f"mmdebstrap {base.rootfs.suite}",
        labels={
            "io.buildpacks.base.id": base.id,
            "io.buildpacks.base.maintainer": "locald",
            "io.buildpacks.base.description": base.title,
        },
        annotations={INPUTS_ANNOTATION: str(base.inputs)},
    )
    write_base_image(layout, work.tarball, image, request.platform)
    work.tarball.unlink()
    tools.store.commit(layout, (work.name,), request.platform)


def _assemble(
    config: Path, document: BuilderToml, request: BuilderRequest, tools: BuilderTools
) -> tuple[StoredImage, bool]:
    """The builder in the store, and whether it was made just now."""
    sources = BuilderSources(
        folder=config.parent.absolute(), platform=request.platform, tools=tools
    )
    base = sources.base_image(document.build_image)
    inputs = str(_inputs(config, document, base, request, sources))
    if not request.force:
        found = up_to_date(tools.store, request.name, request.platform, inputs)
        if found is not None:
            return found, False
    with tools.store.staging() as staging:
        scratch = staging / "unpacked"
        scratch.mkdir()
        content = _content(document, request, sources, inputs=inputs, scratch=scratch)
        tools.on_step(f"Assembling {request.name.familiar}")
        layout = Layout.create(staging / "builder")
        write_builder(layout, base.image, content)
        return tools.store.commit(layout, (request.name,), request.platform), True


def _inputs(
    config: Path,
    document: BuilderToml,
    base: StoredImage,
    request: BuilderRequest,
    sources: BuilderSources,
) -> Digest:
    """Everything that the builder depends on."""
    parts = [__version__, str(creation_time()), str(request.platform)]
    parts += [str(Digest.of_file(config)), str(base.digest)]
    parts += [f"{name}={value}" for name, value in sorted(request.labels.items())]
    texts = [one.uri or one.image for one in (*document.buildpacks, *document.extensions)]
    parts += [f"{text} {sources.digest(text)}" for text in texts]
    lifecycle = lifecycle_uri(document.lifecycle) or str(embedded_builder().lifecycle)
    parts.append(f"lifecycle {sources.digest(lifecycle)}")
    return Digest.of("\0".join(parts).encode())


def _content(
    document: BuilderToml,
    request: BuilderRequest,
    sources: BuilderSources,
    *,
    inputs: str,
    scratch: Path,
) -> BuilderContent:
    buildpacks, extensions = ModuleKind.BUILDPACK, ModuleKind.EXTENSION
    modules = _once(
        module
        for kind, listed in ((buildpacks, document.buildpacks), (extensions, document.extensions))
        for source in listed
        for module in sources.modules(source, kind, scratch=scratch)
    )
    system = document.system
    parts = (system.pre.buildpacks, system.post.buildpacks)
    pre, post = resolve_order(
        (OrderEntry(tuple(member.ref() for member in part)) for part in parts), modules, buildpacks
    )
    return BuilderContent(
        description=document.description,
        lifecycle=sources.lifecycle(document.lifecycle, scratch=scratch),
        modules=modules,
        order=resolve_order((group.entry() for group in document.order), modules, buildpacks),
        order_extensions=resolve_order(
            (group.entry() for group in document.order_extensions), modules, extensions
        ),
        system=SystemModules(pre=pre.group, post=post.group),
        run_images=tuple(RunImageChoice(run.image, run.mirrors) for run in document.run_images),
        build_config=build_config_files(document.build.env),
        stack_id=document.stack.id,
        labels=request.labels,
        annotations={INPUTS_ANNOTATION: inputs},
        created=creation_time(),
        creator=Creator(name="locald", version=__version__),
    )


def _once(modules: Iterable[Buildpack]) -> tuple[Buildpack, ...]:
    """Each module once; buildpackages often bring the same parts along."""
    return tuple({(m.kind, m.id, m.version): m for m in modules}.values())
