"""The secrets of one build: read before it, searched for after it.

A build that was given secrets marks its project's cache as *unsearched* before a buildpack runs.
The mark goes when the cache was searched and nothing was found. Where it stays, because the build
was killed or nobody could search, the next build clears the cache: a secret never outlives the
build that leaked it by more than that.
"""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from lifecycle.app_image import BASE_OWNER, app_layers
from lifecycle.build_secret import BuildSecret, needles
from lifecycle.caches import BuildCache
from lifecycle.secret_scan import Finding, SecretScan
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest
from locald.config.secret import SecretSource
from oci.errors import BusyError, Error, ImageError, UsageError
from oci.layout import Layout, LayoutImage
from oci.process import CommandRunner
from oci.scratch import remove
from oci.store import ImageStore, StoredImage

_MAX_BYTES = 500 * 1024
_HINT = (
    "a buildpack wrote it there: let it use /run/secrets/ID where it needs it and keep no copy; "
    "a secret that may be in the image is given with --env"
)


def read_secrets(
    request: BuildRequest, environ: Mapping[str, str], observer: BuildObserver
) -> tuple[BuildSecret, ...]:
    """Their values. Raises UsageError that names what gave the source, or what would give a
    secret that the project needs."""
    for identity, flag in request.mounts.missing_secrets.items():
        raise UsageError(
            f"{request.origins['missing_secrets']}: the build needs the secret {identity}, "
            "which was not given",
            hint=f"pass {flag}",
        )
    secrets = tuple(BuildSecret(id=s.id, value=_value(s, environ)) for s in request.mounts.secrets)
    for secret in secrets:
        if not secret.searchable:
            observer.note(
                f"the secret {secret.id} has so few bytes that it cannot be searched for "
                "in what is built"
            )
    return secrets


def clear_unsearched(cache: BuildCache, runner: CommandRunner, observer: BuildObserver) -> None:
    """What a build left that had secrets and did not come to its end. The cache is locked."""
    mark = cache.unsearched
    if os.path.lexists(mark):
        observer.note(
            "the last build had secrets and did not come to its end: its cache is cleared"
        )
        _clear(cache, runner)
        mark.unlink()


class SecretGuard:
    """Sees that no secret stays in what a build leaves.

    layers: the build's folder of that name. runner: for removing what others own in a cache.
    """

    def __init__(
        self,
        secrets: tuple[BuildSecret, ...],
        cache: BuildCache,
        layers: Path,
        *,
        runner: CommandRunner,
        observer: BuildObserver,
    ) -> None:
        self._secrets = secrets
        self._cache = cache
        self._layers = layers
        self._runner = runner
        self._observer = observer
        self._mark = cache.unsearched
        self._since_ns = 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While buildpacks run and the exporter keeps what they made."""
        if not self._secrets:
            yield
            return
        os.close(os.open(self._mark, os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self._since_ns = self._mark.lstat().st_ctime_ns
        try:
            yield
        except BusyError:  # there is no time for it
            raise
        except Error:
            # The failure is what people should read; the cache must be clean all the same.
            if self._in_cache(SecretScan(needles(self._secrets))):
                self._observer.note("the build put a secret into its cache: the cache is cleared")
                _clear(self._cache, self._runner)
            self._mark.unlink()
            raise

    def check(self, layout: Layout, image: LayoutImage, store: ImageStore) -> None:
        """Raise ImageError when a secret is in the image, its documents or the cache.

        layout: where the exporter put the image; layers that it lacks are in the store.
        """
        if not self._secrets:
            return
        exported = StoredImage(
            reference=None, layout=layout, image=image, source=None, source_digest=image.digest
        )
        scan = SecretScan(needles(self._secrets))
        found = [*self._in_image(scan, exported, store), *self._in_documents(scan)]
        in_cache = self._in_cache(scan)
        if in_cache:
            _clear(self._cache, self._runner)
        self._mark.unlink(missing_ok=True)
        for path in scan.unread:
            self._observer.note(f"{path} could not be searched for secrets")
        if not found and not in_cache:
            return
        found += in_cache
        names = ", ".join(sorted({finding.secret for finding in found}))
        cleared = "; the cache is cleared" if in_cache else ""
        raise ImageError(
            f"the secret {names} is in what was built; nothing of it is kept{cleared}",
            details=[f"{f.where} ({f.secret}, {f.form})" for f in found],
            hint=_HINT,
        )

    def _in_image(
        self, scan: SecretScan, exported: StoredImage, store: ImageStore
    ) -> Iterator[Finding]:
        image = exported.image
        yield from scan.text(image.config_bytes, "the image's configuration or labels")
        yield from scan.text(image.manifest_bytes, "the image's manifest")
        for layer in app_layers(exported):
            if layer.owner == BASE_OWNER:
                continue
            digest = layer.descriptor.parsed_digest()
            places = (exported.layout.blob_path(digest), store.blobs / "sha256" / digest.hex)
            path = next((path for path in places if path.is_file()), None)
            name = f"layer {layer.name}" if layer.name else "layer"
            if path is None:
                self._observer.detail(f"{name} of {layer.owner} is not here to be searched")
            else:
                yield from scan.layer(path, f"{name} of {layer.owner}")

    def _in_documents(self, scan: SecretScan) -> Iterator[Finding]:
        """What people may be given besides the image."""
        yield from scan.tree(self._layers / "sbom", "the bill of materials")
        yield from scan.tree(self._layers / "config", "the build's metadata")
        for path in sorted(self._layers.glob("*.toml")):
            if stat.S_ISREG(path.lstat().st_mode):
                yield from scan.text(path.read_bytes(), path.name)

    def _in_cache(self, scan: SecretScan) -> tuple[Finding, ...]:
        since = self._since_ns
        cache, build = self._cache.lifecycle, self._cache.build
        return (
            *scan.tree(cache, "the cache", changed_since_ns=since),
            *scan.tree(build, "the buildpacks' own cache", changed_since_ns=since),
        )


def _clear(cache: BuildCache, runner: CommandRunner) -> None:
    cache.clear(remove=lambda folder: remove(folder, runner))


def _value(source: SecretSource, environ: Mapping[str, str]) -> bytes:
    where = f"{source.origin}: the secret {source.id}"
    if source.variable is not None:
        value = environ.get(source.variable, "").encode(errors="surrogateescape")
        if not value:
            raise UsageError(f"{where}: the variable {source.variable} is not set")
    else:
        value = _content(source.path or Path(), where)
    if len(value) > _MAX_BYTES:
        raise UsageError(f"{where} is larger than {_MAX_BYTES // 1024} KiB")
    if not value.strip():
        raise UsageError(f"{where} is empty")
    return value


def _content(path: Path, where: str) -> bytes:
    """Not only of plain files: `src=/dev/fd/3` is a pipe that some program fills."""
    try:
        with path.open("rb") as file:
            return file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        why = (error.strerror or "") if isinstance(error, OSError) else str(error)
        raise UsageError(f"{where}: {path}: {why.lower()}") from error
