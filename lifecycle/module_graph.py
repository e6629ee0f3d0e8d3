"""Composite buildpacks name others: is all that they name there, and does it come to an end?"""

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

import msgspec

from lifecycle.buildpack import Buildpack
from lifecycle.buildpack_source import BUILDPACK_LAYERS_LABEL
from lifecycle.module import OrderEntry
from oci.errors import ImageError

Orders: TypeAlias = Mapping[tuple[str, str], tuple[OrderEntry, ...]]
"""Id and version of each buildpack → its order; empty unless it is a composite."""


class _Entry(msgspec.Struct, frozen=True):
    order: tuple[OrderEntry, ...] | None = None


def builder_orders(labels: Mapping[str, str], *, origin: str) -> Orders:
    """What a builder's label tells of its composites; empty without the label."""
    text = labels.get(BUILDPACK_LAYERS_LABEL, "")
    if text in ("", "null"):
        return {}
    try:
        document = msgspec.json.decode(text, type=dict[str, dict[str, _Entry]])
    except (msgspec.DecodeError, RecursionError) as error:
        raise ImageError(
            f"{origin}: the label {BUILDPACK_LAYERS_LABEL} cannot be read: {error}"
        ) from error
    return {
        (name, version): entry.order or ()
        for name, versions in document.items()
        for version, entry in versions.items()
    }


def check_graph(
    added: Iterable[Buildpack], known: Collection[tuple[str, str]], builder: Orders
) -> None:
    """Raise ImageError when an added composite needs what is nowhere, or needs itself.

    known: id and version of what the builder has. builder: the orders of its composites; what is
        added takes the place of the same there.
    The detector would follow a circle until its stack is full.
    """
    orders = {**builder, **{(module.id, module.version): module.order for module in added}}
    for module in added:
        for entry in module.order:
            for ref in entry.group:
                if (ref.id, ref.version) not in orders and (ref.id, ref.version) not in known:
                    raise ImageError(
                        f"{module} needs {ref}, which neither the builder nor the command line has",
                        hint="give its buildpackage, or name what it needs in its package.toml",
                    )
    for module in added:
        circle = _circle((module.id, module.version), orders)
        if circle:
            names = " → ".join(f"{name}@{version}" for name, version in circle)
            raise ImageError(f"composite buildpacks that need each other: {names}")


def _circle(start: tuple[str, str], orders: Orders) -> tuple[tuple[str, str], ...]:
    """The way from `start` back to itself; empty when there is none. Each node is seen once."""
    came_from: dict[tuple[str, str], tuple[str, str]] = {}
    pending = [start]
    while pending:
        node = pending.pop()
        for entry in orders.get(node, ()):
            for ref in entry.group:
                follower = (ref.id, ref.version)
                if follower == start:
                    way = [start, node]
                    while way[-1] != start:
                        way.append(came_from[way[-1]])
                    return tuple(reversed(way)) if node != start else (start, start)
                if follower not in came_from:
                    came_from[follower] = node
                    pending.append(follower)
    return ()
