"""Where builds write outside of their containers: what a project's file chose of that is in no
folder where programs of a build write themselves.

Such a program could leave a link there after the path was looked at and before it is written to,
and the link may lead anywhere.
"""

from collections.abc import Iterator
from pathlib import Path

from locald.config.errors import ConfigError
from locald.config.request import BuildRequest

_CACHE = "the cache"


def check_written_places(requests: tuple[BuildRequest, ...]) -> None:
    """The requests of one run, some of which may build at the same time. Raises ConfigError."""
    folders = {(folder, what) for request in requests for folder, what in _written_by(request)}
    for request in requests:
        for path, origin in _chosen_by_project(request):
            for folder, what in folders:
                # Services may share a folder of caches: each has a folder of its own in it.
                shared = (path, what, origin) == (folder, _CACHE, request.origins.get("cache"))
                if path.is_relative_to(folder) and not shared:
                    raise ConfigError(
                        f"{origin}: {path} is in {what} {folder}, where builds write",
                        hint="choose a folder beside it",
                    )


def _written_by(request: BuildRequest) -> Iterator[tuple[Path, str]]:
    if request.caching.folder is not None:
        yield request.caching.folder.resolve(), _CACHE
    for mount in request.mounts.volumes:
        if not mount.read_only:
            yield mount.source.resolve(), "the volume"


def _chosen_by_project(request: BuildRequest) -> Iterator[tuple[Path, str]]:
    origins = request.origins
    output, cache = origins.get("outputs", "--"), origins.get("cache", "--")
    if not output.startswith("--"):
        yield from ((one.path.resolve(), output) for one in request.outputs if one.path is not None)
    if not cache.startswith("--") and request.caching.folder is not None:
        yield request.caching.folder.resolve(), cache
