"""What `locald builder inspect` tells, as one document for all of its formats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from lifecycle.builder import BuilderImage
from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry


@dataclass(frozen=True)
class KnownBuilder:
    """A builder in a public registry."""

    image: str
    description: str


class ModuleReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A buildpack or an extension."""

    id: str
    version: str
    name: str = ""
    homepage: str = ""


class RefReport(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A member of a group."""

    id: str
    version: str = ""
    optional: bool = False


class RunImageReport(msgspec.Struct, frozen=True, kw_only=True):
    """A run image."""

    image: str
    mirrors: tuple[str, ...]


class LifecycleReport(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The lifecycle."""

    version: str
    platform_apis: tuple[str, ...]
    buildpack_apis: tuple[str, ...]


class UserReport(msgspec.Struct, frozen=True, kw_only=True):
    """The CNB user."""

    uid: int
    gid: int


class SystemReport(msgspec.Struct, frozen=True, kw_only=True):
    """The buildpacks that join every group."""

    pre: tuple[RefReport, ...]
    post: tuple[RefReport, ...]


class BuilderReport(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """A builder."""

    name: str
    description: str
    created_by: str
    distribution: str
    stack: str
    user: UserReport
    lifecycle: LifecycleReport
    run_images: tuple[RunImageReport, ...]
    buildpacks: tuple[ModuleReport, ...]
    extensions: tuple[ModuleReport, ...]
    order: tuple[tuple[RefReport, ...], ...]
    order_extensions: tuple[tuple[RefReport, ...], ...]
    system: SystemReport

    def lines(self) -> Iterator[str]:
        """The report for people."""
        yield self.name
        for title, value in (
            ("Description", self.description),
            ("Created by", self.created_by),
            ("Distribution", self.distribution),
            ("Stack", self.stack),
            ("User", f"{self.user.uid}:{self.user.gid}"),
            ("Lifecycle", self.lifecycle.version),
            ("Platform APIs", ", ".join(self.lifecycle.platform_apis)),
            ("Buildpack APIs", ", ".join(self.lifecycle.buildpack_apis)),
        ):
            if value:
                yield f"  {title + ':':<15} {value}"
        yield ""
        yield "Run images:"
        for run in self.run_images:
            yield f"  {run.image}"
            yield from (f"    mirror: {mirror}" for mirror in run.mirrors)
        yield from _module_lines("Buildpacks", self.buildpacks)
        yield from _module_lines("Extensions", self.extensions)
        yield from _order_lines("Detection order", self.order)
        yield from _order_lines("Order of extensions", self.order_extensions)
        for title, refs in (("before", self.system.pre), ("after", self.system.post)):
            if refs:
                yield f"\nAdded {title} every group: {', '.join(map(_ref_text, refs))}"


def report_of(builder: BuilderImage, *, name: str) -> BuilderReport:
    """The report of a builder; `name` as the user knows it."""
    return BuilderReport(
        name=name,
        description=builder.description,
        created_by=builder.created_by,
        distribution=builder.distro,
        stack=builder.stack_id,
        user=UserReport(uid=builder.uid, gid=builder.gid),
        lifecycle=LifecycleReport(
            version=builder.lifecycle_version,
            platform_apis=builder.platform_apis,
            buildpack_apis=builder.buildpack_apis,
        ),
        run_images=tuple(
            RunImageReport(image=run.image, mirrors=run.mirrors) for run in builder.run_images
        ),
        buildpacks=_modules(builder.buildpacks),
        extensions=_modules(builder.extensions),
        order=_order(builder.order),
        order_extensions=_order(builder.order_extensions),
        system=SystemReport(pre=_refs(builder.system.pre), post=_refs(builder.system.post)),
    )


def known_builders() -> tuple[KnownBuilder, ...]:
    """Builders that their makers keep up to date, as pack suggests them."""
    return (
        KnownBuilder(
            "localhost/locald/builder:embedded",
            "made here, with `locald builder create --embedded`: Rust, Go, Python, Node.js, static",
        ),
        KnownBuilder(
            "paketobuildpacks/builder-jammy-base", "Java, Node.js, Go, .NET, Python, Ruby"
        ),
        KnownBuilder("paketobuildpacks/builder-jammy-full", "the same and PHP, a larger run image"),
        KnownBuilder(
            "paketobuildpacks/builder-jammy-tiny", "Go, Java; a run image without a shell"
        ),
        KnownBuilder(
            "paketobuildpacks/builder-jammy-buildpackless-static", "bring your own buildpacks"
        ),
        KnownBuilder("paketobuildpacks/ubuntu-noble-builder", "Java, Node.js, .NET; amd64, arm64"),
        KnownBuilder("heroku/builder:24", "Go, Java, Node.js, PHP, Python, Ruby, Scala, .NET"),
        KnownBuilder(
            "gcr.io/buildpacks/builder:google-22",
            ".NET, Dart, Go, Java, Node.js, PHP, Python, Ruby",
        ),
    )


def _modules(infos: Iterable[ModuleInfo]) -> tuple[ModuleReport, ...]:
    return tuple(
        ModuleReport(id=i.id, version=i.version, name=i.name, homepage=i.homepage) for i in infos
    )


def _order(entries: Iterable[OrderEntry]) -> tuple[tuple[RefReport, ...], ...]:
    return tuple(_refs(entry.group) for entry in entries)


def _refs(refs: Iterable[ModuleRef]) -> tuple[RefReport, ...]:
    return tuple(RefReport(id=r.id, version=r.version, optional=r.optional) for r in refs)


def _module_lines(title: str, modules: tuple[ModuleReport, ...]) -> Iterator[str]:
    if not modules:
        return
    yield f"\n{title}:"
    width = max(len(module.id) for module in modules)
    for module in modules:
        yield f"  {module.id:<{width}}  {module.version:<10} {module.name}".rstrip()


def _order_lines(title: str, order: tuple[tuple[RefReport, ...], ...]) -> Iterator[str]:
    if not order:
        return
    yield f"\n{title}:"
    for number, group in enumerate(order, 1):
        yield f"  group {number}: {', '.join(map(_ref_text, group))}"


def _ref_text(ref: RefReport) -> str:
    text = f"{ref.id}@{ref.version}" if ref.version else ref.id
    return f"{text} (optional)" if ref.optional else text
