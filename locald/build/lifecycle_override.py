"""`--lifecycle`: another lifecycle than the builder's."""

from dataclasses import dataclass, replace
from pathlib import Path

from lifecycle.builder import BuilderImage
from lifecycle.lifecycle_override import mountable_folder
from locald.build.module_sources import ModuleSources, told_of
from locald.config.modules import LifecycleEntry


@dataclass(frozen=True, kw_only=True)
class OverriddenLifecycle:
    """folder: mounted over /cnb/lifecycle; None leaves the builder's. origin: who named it.
    builder: as it is with that lifecycle: what decides about APIs is not the builder's label.
    """

    folder: Path | None
    origin: str
    builder: BuilderImage


def override_lifecycle(
    entry: LifecycleEntry | None, builder: BuilderImage, sources: ModuleSources
) -> OverriddenLifecycle:
    """Find the lifecycle that was asked for, if any. Raises ImageError that names the flag."""
    if entry is None:
        return OverriddenLifecycle(folder=None, origin="", builder=builder)
    with told_of(entry.origin):
        lifecycle = sources.lifecycle(entry.source)
        folder = mountable_folder(
            lifecycle, sources.platform, unpacked=sources.unpacked, origin=str(entry.source)
        )
    sources.observer.detail(f"lifecycle {lifecycle.version} from {entry.source}")
    return OverriddenLifecycle(
        folder=folder,
        origin=f"{entry.origin} {entry.source}",
        builder=replace(
            builder,
            lifecycle_version=lifecycle.version,
            platform_apis=lifecycle.apis.platform.all,
            buildpack_apis=lifecycle.apis.buildpack.all,
        ),
    )
