"""Which combinations of buildpacks the detector tries, and in which order.

The detector's output names only the buildpacks of a combination; which group of the order they
are, and which groups of the composite buildpacks in it, follows from repeating its steps.
Source: lifecycle 0.21, phase/detector.go and phase/hermetic_factory.go.
"""

import tomllib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import msgspec

from lifecycle.module import ModuleRef, OrderEntry, folder_name
from lifecycle.runtime.spec import ContainerSpec
from oci.errors import ImageError
from oci.plain_file import read_plain_file

_MAX_ATTEMPTS = 10_000
_MAX_DEPTH = 100
_MAX_FILE_BYTES = 1 << 20

FindOrder = Callable[[ModuleRef], tuple[OrderEntry, ...]]
"""The order of a composite buildpack; empty for one that detects by itself."""


@dataclass(frozen=True, kw_only=True)
class Combination:
    """group: number in the order, from 1. members: those that are asked, in order.
    skipped: for other execution environments, and not asked.
    via: the groups of composites and of the extensions that led to it: (name, number from 1; 0
    when an optional composite was left out)."""

    group: int
    members: tuple[ModuleRef, ...]
    skipped: tuple[ModuleRef, ...] = ()
    via: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, kw_only=True)
class DetectionOrder:
    """order: system buildpacks included. extensions: tried before each group."""

    order: tuple[OrderEntry, ...]
    extensions: tuple[OrderEntry, ...] = ()
    find_order: FindOrder = lambda _: ()

    def combinations(self, skipped: Collection[str]) -> tuple[Combination, ...]:
        """All that are tried as long as none fits.

        skipped: `id@version` of what is for other execution environments.
        """
        return tuple(_Walk(self, skipped).combinations())


class _Element(NamedTuple):
    ref: ModuleRef
    extension: bool = False


class _Walk:
    """The detector's recursion, where every combination fails."""

    def __init__(self, order: DetectionOrder, skipped: Collection[str]) -> None:
        self._order = order
        self._skipped = skipped
        self._left = _MAX_ATTEMPTS

    def combinations(self) -> Iterator[Combination]:
        extensions = [
            [_Element(ref, extension=True) for ref in entry.group]
            for entry in self._order.extensions
        ]
        for number, entry in enumerate(self._order.order, start=1):
            group = [_Element(ref) for ref in entry.group]
            path = _Path(number=number)
            if extensions:
                yield from self._choices("extensions", extensions, group, path, optional=True)
            else:
                yield from self._group(group, path)

    def _group(self, group: Sequence[_Element], path: "_Path") -> Iterator[Combination]:
        for index, element in enumerate(group):
            ref = element.ref
            if any((ref.id, element.extension) == (e.ref.id, e.extension) for e in path.done):
                continue
            composite = not element.extension and len(path.via) < _MAX_DEPTH
            if composite and (order := self._order.find_order(ref)):
                choices = [[_Element(inner) for inner in entry.group] for entry in order]
                rest = group[index + 1 :]
                yield from self._choices(str(ref), choices, rest, path, optional=ref.optional)
                return
            if str(ref) in self._skipped:
                path = replace(path, skipped=(*path.skipped, ref))
            else:
                path = replace(path, done=(*path.done, element))
        if self._left > 0:
            self._left -= 1
            yield Combination(
                group=path.number,
                members=tuple(element.ref for element in path.done),
                skipped=path.skipped,
                via=path.via,
            )

    def _choices(
        self,
        name: str,
        choices: Sequence[Sequence[_Element]],
        rest: Sequence[_Element],
        path: "_Path",
        *,
        optional: bool,
    ) -> Iterator[Combination]:
        for number, choice in enumerate(choices, start=1):
            if self._left <= 0:
                return
            yield from self._group((*choice, *rest), path.through(name, number))
        if optional:
            yield from self._group(rest, path.through(name, 0))


@dataclass(frozen=True, kw_only=True)
class _Path:
    """How far the recursion is."""

    number: int
    done: tuple[_Element, ...] = ()
    skipped: tuple[ModuleRef, ...] = ()
    via: tuple[tuple[str, int], ...] = ()

    def through(self, name: str, number: int) -> "_Path":
        return replace(self, via=(*self.via, (name, number)))


class _OrderFile(msgspec.Struct, frozen=True, kw_only=True):
    order: tuple[OrderEntry, ...] = ()
    order_extensions: tuple[OrderEntry, ...] = msgspec.field(default=(), name="order-extensions")


class _SystemPart(msgspec.Struct, frozen=True):
    buildpacks: tuple[ModuleRef, ...] = ()


class _SystemFile(msgspec.Struct, frozen=True):
    pre: _SystemPart = _SystemPart()
    post: _SystemPart = _SystemPart()


class _DescriptorFile(msgspec.Struct, frozen=True):
    order: tuple[OrderEntry, ...] = ()


def read_detection_order(spec: ContainerSpec, *, system: bool) -> DetectionOrder | None:
    """The order that a detect container works through, from the files that it sees; None when
    they cannot be read.

    system: does this Platform API know system.toml?
    """
    files = _ContainerFiles(spec)
    path = _argument(spec.argv, "-order") or "/cnb/order.toml"
    try:
        text = files.read(PurePosixPath(path))
        order = msgspec.convert(tomllib.loads(text), _OrderFile)
        entries = order.order
        if system:
            entries = _with_system(entries, files, _argument(spec.argv, "-system"))
    except (OSError, ValueError, RecursionError, ImageError, msgspec.ValidationError):
        return None
    extensions = tuple(
        OrderEntry(tuple(ModuleRef(ref.id, ref.version, optional=True) for ref in entry.group))
        for entry in order.order_extensions
    )
    return DetectionOrder(order=entries, extensions=extensions, find_order=files.order_of)


def _with_system(
    order: tuple[OrderEntry, ...], files: "_ContainerFiles", path: str
) -> tuple[OrderEntry, ...]:
    try:
        text = files.read(PurePosixPath(path or "/cnb/system.toml"))
    except FileNotFoundError:
        return order
    system = msgspec.convert(tomllib.loads(text), _SystemFile)

    def missing(part: _SystemPart, group: tuple[ModuleRef, ...]) -> tuple[ModuleRef, ...]:
        there = {ref.id for ref in group}
        # system.toml has no optional members.
        return tuple(ModuleRef(r.id, r.version) for r in part.buildpacks if r.id not in there)

    return tuple(
        OrderEntry(
            (*missing(system.pre, entry.group), *entry.group, *missing(system.post, entry.group))
        )
        for entry in order
    )


class _ContainerFiles:
    """Files as a container sees them: of its mounts, else of its root file system."""

    def __init__(self, spec: ContainerSpec) -> None:
        self._rootfs = spec.rootfs
        self._mounts = sorted(
            ((mount.target, mount.source) for mount in spec.mounts),
            key=lambda pair: len(pair[0].parts),
            reverse=True,
        )
        self._orders: dict[str, tuple[OrderEntry, ...]] = {}

    def read(self, path: PurePosixPath) -> str:
        folder, relative = self._rootfs, path.relative_to("/")
        for target, source in self._mounts:
            if path == target:
                folder, relative = source.parent, PurePosixPath(source.name)
                break
            if path.is_relative_to(target):
                folder, relative = source, path.relative_to(target)
                break
        return read_plain_file(Path(folder), str(relative), max_bytes=_MAX_FILE_BYTES).decode()

    def order_of(self, ref: ModuleRef) -> tuple[OrderEntry, ...]:
        """Empty also for what cannot be read: the detector would have failed on it."""
        known = self._orders.get(str(ref))
        if known is None:
            folder = PurePosixPath("/cnb/buildpacks", folder_name(ref.id), ref.version)
            try:
                text = self.read(folder / "buildpack.toml")
                known = msgspec.convert(tomllib.loads(text), _DescriptorFile).order
            except (OSError, ValueError, RecursionError, ImageError, msgspec.ValidationError):
                known = ()
            self._orders[str(ref)] = known
        return known


def _argument(argv: Sequence[str], flag: str) -> str:
    return argv[argv.index(flag) + 1] if flag in argv[:-1] else ""
