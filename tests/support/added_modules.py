"""A builder's description and the sources of modules, for tests that add some to a build."""

from pathlib import Path

from lifecycle.builder import BuilderImage
from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry
from locald.build.added_modules import AddedModules, add_modules
from locald.build.module_sources import ModuleSources
from locald.cli.console import Console, Verbosity
from locald.config.module_source import ModuleEntry, ModuleSource, parse_module
from locald.config.modules import ModuleRequest
from locald.config.pull_policy import PullPolicy
from locald.paths import Paths
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore

AMD64 = Platform("linux", "amd64")
BUILDER = BuilderImage(
    uid=1000,
    gid=1000,
    env={},
    platform_apis=("0.12",),
    lifecycle_version="0.21.0",
    run_images=(),
    buildpacks=(
        ModuleInfo(id="acme/a", version="1.0.0"),
        ModuleInfo(id="acme/b", version="1.0.0"),
        ModuleInfo(id="acme/many", version="1.0.0"),
        ModuleInfo(id="acme/many", version="2.0.0"),
    ),
    order=(
        OrderEntry((ModuleRef("acme/a", "1.0.0"), ModuleRef("acme/b", "", optional=True))),
        OrderEntry((ModuleRef("acme/b", "1.0.0"),)),
    ),
    stack_id="",
    distro="",
    description="",
    extensions=(ModuleInfo(id="acme/curl", version="1.0.0"),),
    order_extensions=(OrderEntry((ModuleRef("acme/curl"),)),),
    buildpack_apis=("0.9", "0.10"),
)


def make_sources(tmp_path: Path) -> ModuleSources:
    """With a store and caches below `tmp_path`."""
    paths = Paths.from_environment(
        {"LOCALD_DATA_DIR": str(tmp_path / "data"), "LOCALD_CACHE_DIR": str(tmp_path / "cache")}
    )
    return ModuleSources(
        store=ImageStore(paths.store, Skopeo(CommandRunner())),
        paths=paths,
        platform=AMD64,
        policy=PullPolicy.IF_NOT_PRESENT,
        observer=Console(verbosity=Verbosity.QUIET),
    )


def entries(
    *texts: str | Path | ModuleSource, limit: Path | None = None
) -> tuple[ModuleEntry, ...]:
    """As `--buildpack` gives them."""
    return tuple(
        ModuleEntry(
            source=parse_module(str(text), relative_to=Path("/"))
            if isinstance(text, str | Path)
            else text,
            origin="--buildpack",
            limit=limit,
        )
        for text in texts
    )


def add(
    sources: ModuleSources, *order: str | Path | ModuleSource, builder: BuilderImage = BUILDER
) -> AddedModules:
    """With these instead of the builder's order."""
    return add_modules(ModuleRequest(order=entries(*order)), builder, sources, labels={})
