"""Caches in one tar archive, to carry from machine to machine by any means.

locald-cache.json      form, and what each cache belongs to
N/lifecycle/…          the layers of cache N, one tar each, and their metadata
N/build/…              its build folder
locald-cache.end       nothing: an archive without it was cut off
"""

import gzip
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import msgspec

from lifecycle.cache_content import check_committed, committed_layers
from lifecycle.cache_content import layer_name as name_of
from lifecycle.cache_metadata import COMMITTED, METADATA
from lifecycle.caches import BuildCache, CacheIdentity
from oci.errors import ImageError
from oci.hashing_reader import HashingReader
from oci.tar_headers import TarHeaders
from oci.tree_tar import TreeEntry, TreeTar, list_tree
from oci.tree_untar import DAMAGE, TreeLimits, TreeUntar

VERSION = 1
_INDEX, _END = "locald-cache.json", "locald-cache.end"
_MAX_INDEX_BYTES = 1 << 20
# Of all caches of one archive, with the headers.
_MAX_BYTES = 64 << 30
_GZIP = b"\x1f\x8b"

Choose = Callable[[tuple[CacheIdentity, ...]], Sequence[BuildCache | None]]


class _Index(msgspec.Struct, frozen=True, kw_only=True):
    version: int
    caches: tuple[CacheIdentity, ...]


def write_archive(caches: Sequence[BuildCache], sink: Callable[[bytes], object]) -> None:
    """All of these caches, their locks held. Raises StorageError."""
    for cache in caches:
        cache.check_searched()
    tar = TreeTar(sink)
    identities = tuple(msgspec.structs.replace(c.identity, app_dir="") for c in caches)
    tar.add_file(_INDEX, msgspec.json.encode(_Index(version=VERSION, caches=identities)))
    for number, cache in enumerate(caches):
        committed = cache.lifecycle / COMMITTED
        tar.add_tree(
            committed, committed_entries(committed), prefix=f"{number}/lifecycle/{COMMITTED}/"
        )
        tar.add_tree(cache.build, list_tree(cache.build), prefix=f"{number}/build/")
    tar.add_file(_END, b"")
    tar.close()


def committed_entries(committed: Path) -> tuple[TreeEntry, ...]:
    """The entries of a `committed` folder that the lifecycle has use for."""
    if committed.is_symlink():
        return ()
    wanted = {METADATA, *map(name_of, committed_layers(committed))}
    return tuple(entry for entry in list_tree(committed) if entry.path in wanted)


def read_archive(archive: IO[bytes], *, origin: str, choose: Choose) -> tuple[BuildCache, ...]:
    """Give caches the content that an archive has for them; returns which.

    archive: a buffered stream, plain or compressed by gzip. choose: for each cache of the archive
    the one that gets its content, prepared and its lock held from then on, or None. Raises
    ImageError or StorageError; then all caches are as they were.
    """
    plain = archive
    if cast(io.BufferedReader, archive).peek(2)[:2] == _GZIP:
        plain = cast(IO[bytes], gzip.GzipFile(fileobj=archive))
    reader = HashingReader(plain, _MAX_BYTES)
    try:
        return _read(reader, origin, choose)
    except DAMAGE as error:
        raise ImageError(f"{origin} is damaged, or no cache of locald: {error}") from error
    except ImageError as error:
        if error.message.startswith(origin):
            raise
        raise ImageError(f"{origin}: {error.message}", hint=error.hint) from error


def _read(reader: HashingReader, origin: str, choose: Choose) -> tuple[BuildCache, ...]:
    headers = TarHeaders(cast(IO[bytes], reader))
    members = iter(headers)
    index = _read_index(members, headers, origin)
    chosen = tuple(choose(index.caches))
    with ExitStack() as stack:
        wanted = {c.root: c for c in chosen if c is not None}
        staged = {r: stack.enter_context(c.replacement()) for r, c in wanted.items()}
        trees = [
            None if cache is None
            else TreeUntar(
                staged[cache.root], origin=origin, limits=TreeLimits(), there=("lifecycle", "build")
            )
            for cache in chosen
        ]  # fmt: skip
        complete = False
        for member in members:
            if complete:
                raise ImageError(f"{origin} has something after its end")
            complete = member.name == _END
            if not complete:
                _place(member, headers, trees, origin)
        reader.drain()
        if not complete:
            raise ImageError(f"{origin} was cut off: its end is missing")
        for tree in trees:
            if tree is not None:
                tree.finish()
        for folder in staged.values():
            check_committed(folder / "lifecycle" / COMMITTED)
    return tuple(wanted.values())


def _read_index(members: Iterator[tarfile.TarInfo], headers: TarHeaders, origin: str) -> _Index:
    first = next(members, None)
    if first is None or first.name != _INDEX or not first.isreg() or first.size > _MAX_INDEX_BYTES:
        raise ImageError(
            f"{origin} is no cache of locald", hint="give a file of `locald cache export`"
        )
    try:
        index = msgspec.json.decode(headers.content(first).read(), type=_Index)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ImageError(f"{origin}: {_INDEX} cannot be read: {error}") from error
    if index.version != VERSION:
        raise ImageError(
            f"{origin} was made by another version of locald (form {index.version}, "
            f"this one reads {VERSION})"
        )
    return index


def _place(
    member: tarfile.TarInfo,
    headers: TarHeaders,
    trees: Sequence[TreeUntar | None],
    origin: str,
) -> None:
    number, _, name = member.name.partition("/")
    inside = name.startswith((f"lifecycle/{COMMITTED}/", "build/"))
    link = member.linkname
    if member.islnk():
        other, _, link = link.partition("/")
        if other != number:
            raise ImageError(f"{origin}: a file of one cache is one of another")
    if not inside or number not in map(str, range(len(trees))):
        raise ImageError(f"{origin} has an entry of no cache: {member.name[:200]!r}")
    tree = trees[int(number)]
    if tree is not None:
        tree.make(member, name, link, headers)
