"""Caches with something in them, as builds leave them."""

import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

from lifecycle.cache_content import layer_name
from lifecycle.cache_metadata import COMMITTED, METADATA
from lifecycle.caches import BuildCache
from oci.digest import Digest
from oci.platform import Platform

PLAIN: dict[str, Any] = {
    "project": "shop",
    "app_dir": Path("/home/dev/shop"),
    "service": None,
    "platform": Platform("linux", "amd64"),
    "distro": "debian 12",
    "exec_env": "production",
}


def locate(caches: Path, **changes: object) -> BuildCache:
    """A cache that nobody has used yet."""
    cache = BuildCache.locate(caches, **{**PLAIN, **changes})
    cache.prepare()
    return cache


def filled(caches: Path, **changes: object) -> BuildCache:
    """A cache after a build: two cached layers, and a folder of a compiler."""
    cache = locate(caches, **changes)
    commit_layers(cache, layer_tar({"deps/a": b"one"}), layer_tar({"deps/b": b"two"}))
    for name in ("target", "registry"):
        (cache.build / name / "deep").mkdir(parents=True)
        (cache.build / name / "deep/data").write_text(f"{name} data")
    (cache.build / "target/link").symlink_to("/usr/bin/env")
    return cache


def commit_layers(cache: BuildCache, *layers: bytes) -> None:
    """What the lifecycle's exporter leaves."""
    committed = cache.lifecycle / COMMITTED
    shutil.rmtree(committed, ignore_errors=True)
    committed.mkdir()
    names = [str(Digest.of(layer)) for layer in layers]
    for layer in layers:
        (committed / layer_name(Digest.of(layer))).write_bytes(layer)
    kept = {f"layer-{number}": {"sha": name, "cache": True} for number, name in enumerate(names)}
    metadata = {"sbom": {"sha": ""}, "buildpacks": [{"key": "test/bp", "layers": kept}]}
    (committed / METADATA).write_text(json.dumps(metadata))


def layer_tar(files: dict[str, bytes], *, root: str = "/layers/test_bp") -> bytes:
    """A cached layer as the lifecycle writes it."""
    return raw_tar(*((f"{root}/{name}", tarfile.REGTYPE, data) for name, data in files.items()))


def raw_tar(*members: tuple[str, bytes, bytes | str]) -> bytes:
    """Any archive: names, kinds, and contents or the targets of links."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, kind, value in members:
            member = tarfile.TarInfo(name)
            member.name, member.type = name, kind
            if isinstance(value, bytes):
                member.size = len(value)
                archive.addfile(member, io.BytesIO(value))
            else:
                member.linkname = value
                archive.addfile(member)
    return stream.getvalue()


def state_of(cache: BuildCache) -> dict[str, object]:
    """Every name in a cache with what it holds, to compare; with the times that compilers see."""
    found: dict[str, object] = {}
    for root in (cache.lifecycle, cache.build):
        for path in sorted(root.rglob("*")):
            name = str(path.relative_to(cache.root))
            if path.is_symlink():
                found[name] = path.readlink()
            elif path.is_file():
                times = path.stat().st_mtime_ns if root == cache.build else 0
                found[name] = (path.read_bytes(), times)
            else:
                found[name] = "folder"
    return found
