"""Where a request's cache comes from and goes to."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from locald.config.errors import reason
from locald.config.project_files import blamed_on
from locald.config.project_limits import place_inside
from locald.config.resolution import Resolution
from oci.errors import UsageError
from oci.location import ImageLocation, Transport, is_location
from oci.reference import DEFAULT_TAG, Reference

CacheSource = Path | ImageLocation

_LOCAL = frozenset({Transport.OCI, Transport.OCI_ARCHIVE})

# How pack's --cache begins: no folder is called like that by chance.
_PACK_FORM = re.compile(r"(?:type|format|name|source)=")
_PACK_KEYS = frozenset({"type", "format", "name", "source"})


@dataclass(frozen=True, kw_only=True)
class CacheRequest:
    """clear: forget what earlier builds left.

    folder: of caches, instead of the user's own. image: pulled before and pushed after a build.
    sources: what an empty cache is filled from, the first that is there.
    """

    clear: bool = False
    folder: Path | None = None
    image: ImageLocation | None = None
    sources: tuple[CacheSource, ...] = ()

    def own_paths(self, source: Path) -> dict[str, str]:
        """What of it is below a source, and must not go into its image."""
        places = [(self.folder, "the cache")]
        if self.image is not None:
            places.append((self.image.path, "the cache image"))
        places += [(s if isinstance(s, Path) else s.path, "a cache") for s in self.sources]
        resolved = [(path.resolve(), what) for path, what in places if path is not None]
        return {
            str(path.relative_to(source)): what
            for path, what in resolved
            if path.is_relative_to(source) and path != source
        }


def resolve_caching(resolution: Resolution, suffix: str = "") -> CacheRequest:
    """--cache, --cache-image, --cache-from, --clear-cache.

    suffix: what tells this service's cache image from its siblings'; goes behind the tag.
    """
    flags = resolution.flags
    folder, image = _cache(resolution)
    if flags.cache_image is not None:
        if image is not None:
            raise UsageError("--cache and --cache-image both name a cache image; give one")
        resolution.origins["cache_image"] = "--cache-image"
        with blamed_on("--cache-image"):
            image = _cache_image(flags.cache_image)
    if flags.cache_from:
        resolution.origins["cache_from"] = "--cache-from"
    with blamed_on("--cache-from"):
        sources = tuple(_source(text) for text in flags.cache_from)
    if flags.clear_cache:
        resolution.origins["clear_cache"] = "--clear-cache"
    return CacheRequest(
        clear=flags.clear_cache,
        folder=folder,
        image=None if image is None else _of_service(image, suffix),
        sources=tuple(
            _of_service(source, suffix) if isinstance(source, ImageLocation) else source
            for source in sources
        ),
    )


def _cache(resolution: Resolution) -> tuple[Path | None, ImageLocation | None]:
    """What --cache names, else locald.toml's folder."""
    text = resolution.flags.cache
    if text is not None:
        with blamed_on("--cache"):
            folder, image = _pack_form(text) if _PACK_FORM.match(text) else (_folder(text), None)
            _refuse_project(folder, resolution, text)
        resolution.origins["cache" if image is None else "cache_image"] = "--cache"
        return folder, image
    text = resolution.build.cache
    if text is None or resolution.files.archive is not None:  # its folder goes after the build
        return None, None
    origin = resolution.key("cache")
    resolution.origins["cache"] = origin
    with blamed_on(origin):
        if not text.strip() or "\0" in text:
            raise UsageError("names no folder")
        folder = place_inside(resolution.folder / text, resolution.folder, text=text)
        _refuse_project(folder, resolution, text)
        return _checked_folder(folder, text), None


def _refuse_project(folder: Path | None, resolution: Resolution, text: str) -> None:
    """Caches right beside the sources could not be told from them."""
    if folder is not None and folder.resolve() in (resolution.folder, resolution.files.app_dir):
        raise UsageError(
            f"{text[:200]!r} is the project's folder itself",
            hint=f"name a folder in it: {Path(text, '.cache')}",
        )


def _folder(text: str) -> Path:
    return _checked_folder(_path(text), text)


def _path(text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise UsageError("names no folder")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{text[:200]}: {error}") from error


def _checked_folder(folder: Path, text: str) -> Path:
    try:
        there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        if not there.is_dir():
            raise UsageError(f"{text[:200]} is not a folder")
    except OSError as error:
        raise UsageError(f"{text[:200]}: cannot be read: {reason(error)}") from error
    return folder


def _pack_form(text: str) -> tuple[Path | None, ImageLocation | None]:
    """pack's `type=build;format=bind;source=DIR` and `format=image;name=REF`."""
    fields: dict[str, str] = {}
    for piece in text.split(";"):
        key, separator, value = piece.partition("=")
        if not separator or key not in _PACK_KEYS or key in fields:
            raise UsageError(
                f"{piece[:100]!r} is nothing that a cache has",
                hint="write --cache DIR, or 'type=build;format=bind;source=DIR' as for pack",
            )
        fields[key] = value
    kind, form = fields.get("type", "build"), fields.get("format", "volume")
    if kind == "launch":
        raise UsageError(
            "there is no launch cache: locald takes layers over from the last image itself",
            hint="leave it out",
        )
    if kind != "build":
        raise UsageError(f"type={kind[:60]} is no cache", hint="write type=build, or --cache DIR")
    if form == "bind":
        if not fields.get("source"):
            raise UsageError("format=bind needs source=DIR", hint="write --cache DIR")
        return _folder(fields["source"]), None
    if form == "image":
        if not fields.get("name"):
            raise UsageError("format=image needs name=IMAGE", hint="write --cache-image IMAGE")
        return None, _cache_image(fields["name"])
    if form == "volume":
        raise UsageError(
            "there are no volumes: locald keeps caches in folders",
            hint="leave it out, or write --cache DIR",
        )
    raise UsageError(f"format={form[:60]} is no cache", hint="write --cache DIR")


def _cache_image(text: str) -> ImageLocation:
    location = _location(text)
    if location.reference is not None and location.reference.digest is not None:
        raise UsageError(
            f"{text[:200]!r} names one content, which can be read but not replaced",
            hint=f"give it a tag, or use --cache-from {text[:200]}",
        )
    return location


def _location(text: str) -> ImageLocation:
    if is_location(text):
        location = ImageLocation.parse(text, relative_to=Path.cwd())
        if location.transport in _LOCAL and not location.tag:
            location = replace(location, tag=DEFAULT_TAG)
    else:
        location = ImageLocation.registry(Reference.parse(text))
    if location.transport is not Transport.REGISTRY and location.transport not in _LOCAL:
        raise UsageError(
            f"a cache cannot be kept in {location.transport}:",
            hint="use a registry, " + " or ".join(f"{transport}:" for transport in sorted(_LOCAL)),
        )
    return location


def _source(text: str) -> CacheSource:
    """A path where it looks like one or is there, else an image."""
    if is_location(text):
        return _location(text)
    path = _path(text)
    if text.startswith((".", "/", "~")) or os.path.lexists(path):
        return path
    return _location(text)


def _of_service(location: ImageLocation, suffix: str) -> ImageLocation:
    """Services do not share a cache, nor its image."""
    reference = location.reference
    if not suffix or (reference is not None and reference.digest is not None):
        return location
    if location.transport is Transport.OCI_ARCHIVE and location.path is not None:
        name = location.path.stem + suffix + location.path.suffix
        return replace(location, path=location.path.with_name(name))
    if reference is None:
        return replace(location, tag=location.tag + suffix)
    return replace(location, reference=replace(reference, tag=reference.tag + suffix))
