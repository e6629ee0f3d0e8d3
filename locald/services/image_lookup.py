"""Which image a person means: a project's folder, or a name in the store."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from locald.config.build_flags import BuildFlags
from locald.config.errors import suggestion
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.digest import Digest
from oci.errors import ImageError, UsageError
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from oci.store import ImageStore, StoredImage
from oci.store_names import RefRecord


@dataclass(frozen=True, kw_only=True)
class FoundImage:
    """An image of the store. request: how it was built, when a project's folder was named."""

    name: Reference
    stored: StoredImage
    request: BuildRequest | None


def find_image(text: str, *, service: str | None, store: ImageStore, paths: Paths) -> FoundImage:
    """The image of a folder's project, or of that name. Nothing is fetched.

    text: a folder if there is one of that name, else an image, as `NAME[:TAG][@DIGEST]`.
    Raises UsageError when the text can mean nothing, ImageError when there is no such image.
    """
    folder = Path(text)
    if folder.is_dir():
        return _of_project(folder, service, store, paths)
    if folder.exists():
        raise UsageError(f"{text}: not a folder", hint="give the project's folder, or an image")
    if text.startswith((".", "/", "~")) or text.endswith("/"):
        raise UsageError(f"{text}: no such folder")
    if service is not None:
        raise UsageError(
            f"--service: {text[:200]} is not a project's folder",
            hint="services belong to projects; give the folder of one",
        )
    return _named(text, store)


def _of_project(folder: Path, service: str | None, store: ImageStore, paths: Paths) -> FoundImage:
    requests = read_requests(BuildFlags(path=folder, service=service), paths)
    if len(requests) > 1:
        services = ", ".join(str(request.service) for request in requests)
        raise UsageError(
            f"{folder}: the project has several services: {services}",
            hint="choose one with --service NAME",
        )
    (request,) = requests
    for name in request.names:
        stored = store.find(name, request.platform)
        if stored is not None:
            return FoundImage(name=name, stored=stored, request=request)
    command = "locald build" + (f" {folder}" if str(folder) != "." else "")
    if service is not None:
        command += f" --service {service}"
    raise ImageError(f"{request.names[0].familiar} has not been built yet", hint=f"run: {command}")


def _named(text: str, store: ImageStore) -> FoundImage:
    platform = Platform.of_host()
    for name in _readings(text):
        stored = _with_digest(name, store) if name.digest else store.find(name, platform)
        if stored is not None:
            return FoundImage(name=name.with_default_tag(), stored=stored, request=None)
    known = [_short(name) for name, _ in store.names()]
    near = suggestion(text, known) if known else ""
    raise ImageError(
        f"there is no image {text[:200]} in the store",
        hint=near
        if near.startswith("did you mean")
        else f"run: locald build --tag {text.partition('@')[0][:200]} PATH",
    )


def _readings(text: str) -> tuple[Reference, ...]:
    """As what we build is named, then as registries are read."""
    own = Reference.parse(text, default_registry=LOCALHOST)
    return tuple(dict.fromkeys((own, Reference.parse(text))))


def _with_digest(name: Reference, store: ImageStore) -> StoredImage | None:
    """`locald build` prints NAME@DIGEST without a tag, so every tag of the name is looked at."""
    fetched = store.find(name, Platform.of_host())
    if fetched is not None:
        return fetched
    for known in names_of(name.digest, store) if name.digest is not None else ():
        if (known.registry, known.repository) == (name.registry, name.repository):
            return store.find(known, Platform.of_host())
    return None


def names_of(digest: Digest, store: ImageStore) -> tuple[Reference, ...]:
    """Every name in the store that means the image with this digest."""
    names = []
    for text, path in store.names():
        repository, _, tag = text.rpartition(":")
        registry, _, inner = repository.partition("/")
        try:
            record = msgspec.json.decode(path.read_bytes(), type=RefRecord)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            continue  # being replaced, or damaged: no name of anything
        if record.digest == str(digest) and not tag.startswith("sha256-"):
            names.append(Reference(registry, inner, tag))
    return tuple(dict.fromkeys(names))


def _short(name: str) -> str:
    return name.removeprefix(f"{LOCALHOST}/").removesuffix(":latest")
