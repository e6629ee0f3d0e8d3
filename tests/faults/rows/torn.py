"""Files of the store and of the caches that a power loss left short, empty, zero, or not at all."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case, Row

_BOOTED = {"booted": True}


def _truncated(part: float) -> Callable[[Path], None]:
    def damage(path: Path) -> None:
        data = path.read_bytes()
        size = max(0, len(data) - 1) if part == 1.0 else int(len(data) * part)
        _replace(path, data[:size])

    return damage


def _zeroed(path: Path) -> None:
    _replace(path, bytes(path.stat().st_size))


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    if data:
        data[len(data) // 2] ^= 1
    _replace(path, bytes(data))


def _deleted(path: Path) -> None:
    path.unlink()


def _replaced_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _swapped(path: Path) -> None:
    others = [p for p in sorted(path.parent.iterdir()) if p.is_file() and p != path]
    if not others:
        return _zeroed(path)
    mine, theirs = path.read_bytes(), others[0].read_bytes()
    _replace(path, theirs)
    return _replace(others[0], mine)


_DAMAGES: dict[str, Callable[[Path], None]] = {
    "empty": _truncated(0.0),
    "half": _truncated(0.5),
    "one byte short": _truncated(1.0),
    "zeros": _zeroed,
    "a wrong bit": _flipped,
    "deleted": _deleted,
    "swapped with its neighbour": _swapped,
    "a folder in its place": _replaced_by_folder,
}


def _replace(path: Path, data: bytes) -> None:
    """Another file: what the machines of other cases share must stay as it is."""
    status = path.stat()
    path.unlink()
    path.write_bytes(data)
    path.chmod(status.st_mode & 0o7777)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _files(place: Place) -> Iterator[Path]:
    """Of the store and the caches, relative to the machine; what is in unpacked root file systems
    belongs to other users and is not looked at again."""
    for top in (place.store, place.cache):
        for folder, folders, names in os.walk(top):
            if Path(folder) == place.store / "rootfs":
                for bundle in sorted(Path(folder).iterdir()):
                    yield from (p for p in sorted(bundle.iterdir()) if p.is_file())
                folders.clear()
                continue
            folders[:] = [name for name in sorted(folders) if not Path(folder, name).is_symlink()]
            yield from (
                Path(folder, name)
                for name in sorted(names)
                if not name.endswith("lock") and not Path(folder, name).is_symlink()
            )


def _cases(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    warm = laboratory.warm
    found = [_case(path.relative_to(warm.root), kind) for path in _files(warm) for kind in _DAMAGES]
    return tuple(found[:: max(1, len(found) // 6)][:6]) if quick else tuple(found)


def _case(path: Path, kind: str) -> Case:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            _DAMAGES[kind](here.root / path)
            result = here.build(fault=_BOOTED)
            here.check_told(result)
            # What the build had no need of is not looked at by it.
            verified = here.locald().run("verify-store")
            here.check_told(verified)
            if result.code == verified.code == 0:
                here.check_good(result)
                return
            if result.code:
                check("hint" in result.stderr.lower(), f"no remedy: {result.stderr}")
            here.check_as_good_as_new()

    return Case(name=f"{_short(path)}: {kind}", hold=hold)


def _short(path: Path) -> str:
    return "/".join(part[:24] for part in path.parts)


def _folders(laboratory: Laboratory, quick: bool) -> tuple[Case, ...]:
    names = [
        "data/store/blobs", "data/store/images", "data/store/refs", "data/store/rootfs",
        "data/store/tmp", "data/store/locks", "data/store", "data/work", "data", "cache",
        "cache/builds", "config", "outputs",
    ]  # fmt: skip
    for place in (laboratory.warm.store / "images", laboratory.warm.store / "rootfs"):
        names += [str(p.relative_to(laboratory.warm.root)) for p in sorted(place.iterdir())]
    for cache in sorted((laboratory.warm.cache / "builds").iterdir()):
        names += [
            str(p.relative_to(laboratory.warm.root)) for p in (cache, *sorted(cache.glob("**/")))
        ]
    names = list(dict.fromkeys(names))
    return tuple(Case(name=name, hold=_gone(name)) for name in (names[:2] if quick else names))


def _gone(name: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.warm) as here:
            path = here.root / name
            laboratory.namespace.remove_tree(path)
            if name == "outputs":
                shutil.rmtree(path, ignore_errors=True)
            result = here.build()
            here.check_told(result)
            here.check_as_good_as_new()

    return hold


ROWS = (
    Row(
        key="torn",
        title="a damaged file in the store or a cache, after a restart",
        cases=_cases,
        minutes=16,
    ),
    Row(key="deleted", title="a folder of the store or a cache is gone", cases=_folders),
)
