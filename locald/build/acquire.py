"""Gets a build's images into the store: the builder whole, the run image without its layers."""

import re
from collections.abc import Sequence

from lifecycle.builder import BuilderImage
from lifecycle.run_image import candidates
from locald.build.observer import BuildObserver
from locald.config.image_component import image_component
from locald.config.image_source import ImageSource
from locald.config.pull_policy import PullPolicy
from oci.errors import Error, ImageError, RegistryError
from oci.location import ImageLocation, Transport
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.store import ImageStore, StoredImage


def acquire_builder(
    store: ImageStore,
    source: ImageSource,
    platform: Platform,
    policy: PullPolicy,
    observer: BuildObserver,
    *,
    kind: str = "builder",
) -> StoredImage:
    """The builder image, or another image that is needed whole, complete."""
    if isinstance(source, ImageLocation):
        observer.step(f"Reading the {kind} {source}")
        return store.fetch(source, platform, reference=name_of(source))
    found = _in_store(store, source, platform, policy)
    if found is not None and found.complete:
        return found
    _refuse_unfetchable(store, source, platform, policy, kind=kind)
    observer.step(f"Fetching the {kind} {source.familiar}")
    return store.fetch(ImageLocation.registry(source), platform, reference=source)


def acquire_run_image(
    store: ImageStore,
    builder: BuilderImage,
    chosen: ImageSource | None,
    platform: Platform,
    policy: PullPolicy,
    observer: BuildObserver,
    *,
    registries: Sequence[str],
    preferred: Sequence[Reference] = (),
) -> tuple[Reference, StoredImage]:
    """The run image and the name that the image will know it by. Layers may be missing.

    registries, preferred: see `candidates`.
    """
    if isinstance(chosen, ImageLocation) and chosen.transport is Transport.REGISTRY:
        chosen = chosen.reference  # looked up, not fetched
    if isinstance(chosen, ImageLocation):
        observer.step(f"Reading the run image {chosen}")
        name = name_of(chosen)
        return name, store.fetch(chosen, platform, reference=name)
    names = candidates(builder, chosen=chosen, registries=registries, preferred=preferred)
    # One in the store is no better than one beside the place that is published to.
    near = [name for name in names if name.registry in registries and name.registry != LOCALHOST]
    for name in () if near and policy is not PullPolicy.NEVER else names:
        found = _in_store(store, name, platform, policy)
        if found is not None:
            return name, found
    failure: Error | None = None
    for name in names:
        try:
            found = _in_store(store, name, platform, policy)
            if found is not None:
                return name, found
            _refuse_unfetchable(store, name, platform, policy, kind="run image")
            observer.step(f"Looking up the run image {name.familiar}")
            location = ImageLocation.registry(name)
            return name, store.fetch_sparse(location, platform, reference=name)
        except (RegistryError, ImageError) as error:
            failure = failure or error
    raise failure or ImageError("the builder names no run image")


def name_of(location: ImageLocation) -> Reference:
    """The name by which the store keeps an image that came from a place without one."""
    if location.reference is not None and location.transport in (
        Transport.REGISTRY,
        Transport.STORAGE,
    ):
        return location.reference
    path = location.path.name if location.path is not None else ""
    tag = re.sub(r"[^A-Za-z0-9_.-]", "-", location.tag).lstrip("-.") or "latest"
    return Reference(LOCALHOST, f"imported/{image_component(path)}", tag)


def _in_store(
    store: ImageStore, reference: Reference, platform: Platform, policy: PullPolicy
) -> StoredImage | None:
    # An image that no registry has is never looked up again, whatever the policy.
    if policy is PullPolicy.ALWAYS and reference.registry != LOCALHOST:
        return None
    return store.find(reference, platform)


def _refuse_unfetchable(
    store: ImageStore, reference: Reference, platform: Platform, policy: PullPolicy, *, kind: str
) -> None:
    if reference.registry == LOCALHOST:
        others = store.platforms(reference)
        if others and str(platform) not in others:
            raise ImageError(
                f"the {kind} {reference} is here for {', '.join(others)}, not for {platform}",
                hint="choose another one, or another --platform",
            )
        raise ImageError(
            f"the {kind} {reference} is not in the store, and no registry has it",
            hint="`locald builder create --embedded` makes a builder and its run image here",
        )
    if policy is PullPolicy.NEVER:
        raise ImageError(
            f"the {kind} {reference.familiar} is not in the store, and --pull-policy is never",
            hint="run once with --pull-policy if-not-present",
        )
