"""The names of a store: which image each means.

refs/REGISTRY/REPO…/_tags/TAG/OS-ARCH[-VARIANT].json
"""

import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from oci.digest import Digest
from oci.errors import UsageError
from oci.locks import exclusive
from oci.platform import Platform
from oci.reference import DEFAULT_TAG, Reference
from oci.removal import delete, make_way

_TAGS = "_tags"
_BY_DIGEST = "sha256-"
_UNFINISHED = ".new"
# What reading a damaged record raises.
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, IsADirectoryError)


class RefRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a name in the store means.

    digest: of the manifest as the store has it. source_digest: as its source names it, which
    differs when skopeo had to convert the manifest. fetched: seconds since the epoch.
    project, branch: of what was built here: its folder, and git's branch there.
    """

    digest: str
    source: str
    source_digest: str
    fetched: float
    project: str = ""
    branch: str = ""


@dataclass(frozen=True, kw_only=True)
class MadeFor:
    """Whose image it is: the project's folder, and the branch that was checked out."""

    project: str = ""
    branch: str = ""


@dataclass(frozen=True, kw_only=True)
class NamedImage:
    """A name for one platform. record: None when the file cannot be read.

    reference: None for a file that no name of ours leads to.
    """

    path: Path
    reference: Reference | None
    platform: str
    record: RefRecord | None

    @property
    def text(self) -> str:
        """The name, for people."""
        return self.path.parent.name if self.reference is None else self.reference.familiar


class StoreNames:
    """The names below the folder of a store."""

    def __init__(self, store: Path) -> None:
        self._refs = store / "refs"
        self._lock = store / "locks/images.lock"

    def path(self, reference: Reference, platform: Platform) -> Path:
        """The file that says what a name means for a platform."""
        return self._folder(reference) / f"{str(platform).replace('/', '-')}.json"

    def read(self, reference: Reference, platform: Platform) -> RefRecord:
        """What a name means. Raises FileNotFoundError, or msgspec.DecodeError for a damaged one."""
        data = self.path(reference, platform).read_bytes()
        return msgspec.json.decode(data, type=RefRecord)

    def write(self, reference: Reference, platform: Platform, record: RefRecord) -> None:
        """Let a name mean an image, from one moment to the next."""
        path = self.path(reference, platform)
        with exclusive(self._lock, what="the image store"):
            path.parent.mkdir(parents=True, exist_ok=True)
            for left in path.parent.glob(f"*{_UNFINISHED}"):  # by one that was killed here
                left.unlink(missing_ok=True)
            with tempfile.NamedTemporaryFile(
                dir=path.parent, suffix=_UNFINISHED, delete=False
            ) as staged:
                try:
                    staged.write(msgspec.json.encode(record))
                    staged.flush()
                    make_way(path)
                    Path(staged.name).replace(path)
                except BaseException:
                    Path(staged.name).unlink(missing_ok=True)
                    raise

    def platforms(self, reference: Reference) -> tuple[str, ...]:
        """For which platforms a name means an image: `linux/amd64`, …"""
        return tuple(sorted(_platform(path) for path in self._folder(reference).glob("*.json")))

    def all(self) -> tuple[NamedImage, ...]:
        """Every name, in order."""
        return tuple(map(self._named, self._files()))

    def texts(self) -> Iterator[tuple[str, Path]]:
        """Every name as REGISTRY/REPO:TAG, with its file, which is not read."""
        for path in self._files():
            repository, _, rest = str(path.relative_to(self._refs)).partition(f"/{_TAGS}/")
            yield f"{repository}:{rest.partition('/')[0]}", path

    def remove(self, names: tuple[NamedImage, ...]) -> None:
        """Forget names; what they mean stays."""
        with exclusive(self._lock, what="the image store"):
            for name in names:
                delete(name.path)
                self._remove_empty(name.path.parent)

    def remove_unchanged(self, names: tuple[NamedImage, ...]) -> None:
        """Forget those of them that mean what they meant when they were read."""
        with exclusive(self._lock, what="the image store"):
            for name in names:
                if self._named(name.path) == name:
                    delete(name.path)
                    self._remove_empty(name.path.parent)

    def remove_unfinished(self) -> None:
        """Delete what killed processes left beside the names."""
        with exclusive(self._lock, what="the image store"):
            for path in self._refs.rglob(f"*{_UNFINISHED}"):
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        """Repositories and tags may end in `.json` as well."""
        return sorted(self._refs.rglob(f"{_TAGS}/*/*.json"))

    def _remove_empty(self, folder: Path) -> None:
        with suppress(OSError):  # something else is in it
            while folder != self._refs:
                folder.rmdir()
                folder = folder.parent

    def _folder(self, reference: Reference) -> Path:
        tag = reference.tag or DEFAULT_TAG
        if reference.digest is not None:
            tag = f"{_BY_DIGEST}{reference.digest.hex}"
        return self._refs / reference.registry / reference.repository / _TAGS / tag

    def _named(self, path: Path) -> NamedImage:
        try:
            record = msgspec.json.decode(path.read_bytes(), type=RefRecord)
        except (OSError, *UNREADABLE):
            record = None
        return NamedImage(
            path=path, reference=self._reference(path), platform=_platform(path), record=record
        )

    def _reference(self, path: Path) -> Reference | None:
        repository, _, rest = str(path.relative_to(self._refs)).partition(f"/{_TAGS}/")
        registry, _, inner = repository.partition("/")
        tag = rest.partition("/")[0]
        if not registry or not inner or not tag:
            return None
        if tag.startswith(_BY_DIGEST):
            with suppress(UsageError):
                digest = Digest.parse(f"sha256:{tag.removeprefix(_BY_DIGEST)}")
                return Reference(registry, inner, digest=digest)
        return Reference(registry, inner, tag)


def names_by_digest(names: tuple[NamedImage, ...]) -> dict[str, tuple[NamedImage, ...]]:
    """The names of each image."""
    found: dict[str, tuple[NamedImage, ...]] = {}
    for name in names:
        if name.record is not None:
            found[name.record.digest] = (*found.get(name.record.digest, ()), name)
    return found


def _platform(path: Path) -> str:
    return path.stem.replace("-", "/")
