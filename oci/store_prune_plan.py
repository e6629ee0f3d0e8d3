"""Decides what of a store can go: a value that comes from a value, nothing is touched.

A name is kept, and what it means with it, except the names that locald itself gives to what it can
make again. What no kept image needs goes; age and a size budget choose among what can be made again
on this host: unpacked roots, and images with such names.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from oci.reference import Reference
from oci.store_contents import KeptImage, KeptRoot, StoreContents
from oci.store_names import NamedImage

REMAKEABLE_KEPT_SECONDS = 30 * 86400.0


@dataclass(frozen=True, kw_only=True)
class PruneRules:
    """now: seconds since the epoch. unused_seconds: what can be made again goes when nobody has
    used it for so long; None: unpacked roots stay, images stay for 30 days. max_bytes: of the
    whole store. remakeable: is this name one that locald gives to what it can make again?"""

    now: float
    unused_seconds: float | None = None
    max_bytes: int | None = None
    remakeable: Callable[[Reference], bool] = lambda _: False


@dataclass(frozen=True, kw_only=True)
class PrunePlan:
    """What goes. Blobs are not listed: those that no kept image is made of."""

    names: tuple[NamedImage, ...] = ()
    images: tuple[KeptImage, ...] = ()
    roots: tuple[KeptRoot, ...] = ()
    strays: tuple[Path, ...] = ()

    def kept_images(self, contents: StoreContents) -> tuple[KeptImage, ...]:
        """The others."""
        gone = {image.hex for image in self.images}
        return tuple(image for image in contents.images if image.hex not in gone)

    def kept_roots(self, contents: StoreContents) -> tuple[KeptRoot, ...]:
        """The others."""
        gone = {root.path for root in self.roots}
        return tuple(root for root in contents.roots if root.path not in gone)

    def kept_bytes(self, contents: StoreContents) -> int:
        """The size of what stays."""
        images = self.kept_images(contents)
        return (
            contents.blob_bytes(images)
            + sum(image.own_bytes for image in images)
            + sum(root.size_bytes for root in self.kept_roots(contents))
        )


def plan_prune(contents: StoreContents, rules: PruneRules) -> PrunePlan:
    """What goes by these rules."""
    present = {f"sha256:{image.hex}" for image in contents.images}
    dead = tuple(
        name for name in contents.names if name.record is None or name.record.digest not in present
    )
    plan = PrunePlan(names=dead, strays=contents.strays)
    for image in contents.images:
        if not image.names or _forgotten(image, rules):
            plan = _without(plan, image)
    kept = {image.hex for image in plan.kept_images(contents)}
    unused = tuple(
        root
        for root in contents.roots
        if root.image not in kept or root.record is None or _old(root.used, rules)
    )
    plan = replace(plan, roots=unused)
    return plan if rules.max_bytes is None else _within(plan, contents, rules, rules.max_bytes)


def _within(
    plan: PrunePlan, contents: StoreContents, rules: PruneRules, max_bytes: int
) -> PrunePlan:
    """Take away what was not used for longest, until the rest is small enough or needed."""
    candidates: list[KeptImage | KeptRoot] = [
        *plan.kept_roots(contents),
        *(image for image in plan.kept_images(contents) if _remakeable(image, rules)),
    ]
    for candidate in sorted(candidates, key=lambda one: one.used):
        if plan.kept_bytes(contents) <= max_bytes:
            break
        if isinstance(candidate, KeptRoot):
            if candidate not in plan.roots:
                plan = replace(plan, roots=(*plan.roots, candidate))
            continue
        plan = _without(plan, candidate)
        roots = [root for root in plan.kept_roots(contents) if root.image == candidate.hex]
        plan = replace(plan, roots=(*plan.roots, *roots))
    return plan


def _without(plan: PrunePlan, image: KeptImage) -> PrunePlan:
    return replace(plan, images=(*plan.images, image), names=(*plan.names, *image.names))


def _forgotten(image: KeptImage, rules: PruneRules) -> bool:
    limit = REMAKEABLE_KEPT_SECONDS if rules.unused_seconds is None else rules.unused_seconds
    return _remakeable(image, rules) and rules.now - image.used > limit


def _old(used: float, rules: PruneRules) -> bool:
    return rules.unused_seconds is not None and rules.now - used > rules.unused_seconds


def _remakeable(image: KeptImage, rules: PruneRules) -> bool:
    return bool(image.names) and all(
        name.reference is not None and rules.remakeable(name.reference) for name in image.names
    )
