"""Which caches a project has, and where one from elsewhere belongs."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from lifecycle.caches import BuildCache, CacheIdentity, build_caches, folder_text
from locald.config.project_files import inside, read_project_files
from locald.config.request import BuildRequest
from locald.paths import Paths
from oci.errors import UsageError
from oci.locks import exclusive


def project_caches(folder: Path, paths: Paths) -> tuple[BuildCache, ...]:
    """The caches of a project's folder, all its services included. The folder may be gone: its
    caches are what is left of it."""
    folder = folder.resolve()
    text = folder_text(folder)
    found = [c for c in build_caches(paths.build_caches) if c.identity.app_dir == text]
    if folder.is_dir():
        for place in _own_folders(folder):
            found += build_caches(place)
    elif not found:
        raise UsageError(f"{folder}: no such folder, and no caches of one")
    return tuple(found)


def cache_name(identity: CacheIdentity) -> str:
    """What people call it."""
    return identity.project + (f" ({identity.service})" if identity.service else "")


def described(identity: CacheIdentity) -> str:
    """What it is for."""
    return ", ".join(filter(None, (identity.platform, identity.distro, identity.exec_env)))


class CacheChooser:
    """Says where the caches of an archive go, for one project.

    requests: all that the project builds. folder: of caches, instead of the usual places.
    force: take caches in that are for other projects or platforms, too.
    """

    def __init__(
        self, requests: Sequence[BuildRequest], paths: Paths, *, folder: Path | None, force: bool
    ) -> None:
        self._requests = requests
        self._paths = paths
        self._folder = folder
        self._force = force

    def targets(self, identities: Iterable[CacheIdentity], origin: str) -> tuple[BuildCache, ...]:
        """One for each. Raises UsageError where none would be of use here."""
        found = tuple(identities)
        if not self._force:
            self._check(found, origin)
        return tuple(map(self._target, found))

    def _check(self, identities: tuple[CacheIdentity, ...], origin: str) -> None:
        name = self._requests[0].project_name
        for one in identities:
            if one.project != name:
                raise UsageError(
                    f"{origin} has the cache of the project {one.project[:60]!r}; "
                    f"the one in {self._requests[0].project_dir} is {name!r}",
                    hint="add --force if both are the same application",
                )
        platforms = {str(request.platform) for request in self._requests}
        theirs = {one.platform for one in identities}
        if platforms.isdisjoint(theirs):
            raise UsageError(
                f"{origin} has caches for {_listed(theirs)}; builds here are for "
                f"{_listed(platforms)}",
                hint="add --force to keep it for builds with another --platform",
            )
        services = {request.service or "" for request in self._requests}
        if services.isdisjoint(one.service for one in identities):
            raise UsageError(
                f"{origin} has caches of {_services(one.service for one in identities)}; "
                f"this project builds {_services(services)}",
                hint="add --force to keep it all the same",
            )

    def _target(self, identity: CacheIdentity) -> BuildCache:
        first = self._requests[0]
        request = next((r for r in self._requests if (r.service or "") == identity.service), first)
        folder = self._folder or request.caching.folder
        ours = msgspec.structs.replace(
            identity,
            project=first.project_name,
            app_dir=folder_text(first.project_dir) if folder is None else "",
        )
        return BuildCache.of(folder or self._paths.ensure(self._paths.build_caches), ours)


@contextmanager
def locked(caches: Iterable[BuildCache], on_wait: Callable[[str], None]) -> Iterator[None]:
    """Nobody else uses these caches in the block, and they are in order."""
    with ExitStack() as stack:
        # Always in this order: two that want several do not wait for each other.
        for root, cache in sorted({cache.root: cache for cache in caches}.items()):
            cache.check()
            what = f"the cache of {cache_name(cache.identity)}"
            stack.enter_context(exclusive(root / cache.lock.name, what=what, on_wait=on_wait))
            cache.prepare()
        yield


def _own_folders(folder: Path) -> Iterator[Path]:
    """Those that the project's locald.toml names."""
    locald = read_project_files(folder).locald
    services = locald.services.values() if locald is not None else ()
    builds = (service.build_options for service in services)
    for text in dict.fromkeys(build.cache for build in builds if build is not None):
        if text is not None and os.path.lexists(folder / text):
            yield inside(folder / text, folder, text=text)


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(sorted(text[:60] or "no service" for text in texts)) or "nothing"


def _services(names: Iterable[str]) -> str:
    return ", ".join(sorted(f"the service {n[:60]}" if n else "the whole project" for n in names))
