"""Everything that decides what a build makes, in a few digests: the same digests, the same image.

What only decides how the image is made or where it goes is not in it: the runtime, the pull
policy, the cache, outputs, reports, logins, proxies, the host's own certificates.
"""

import hmac
import json
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import msgspec

import locald
from lifecycle.documents import SourceMetadata
from lifecycle.source_digest import source_digest
from locald.config.request import BuildRequest
from oci.digest import Digest
from oci.file_digests import FileDigests
from oci.removal import make_way
from oci.store import StoredImage
from oci.tree_digest import digest_tree
from oci.whole_file import write_whole

_FORM = "1"
_KEY_BYTES = 32

# Fields of the request that are no part of "flags": most change nothing, the others have a
# part of their own, by content. Whatever field comes new counts until it is named here.
_OTHER_FIELDS = frozenset(
    {
        "app_dir", "project_dir", "project_name", "service", "source_rules",  # the source is
        "builder", "run_image",  # their digests are
        "env", "ca_cert",  # parts of their own
        "pull_policy", "registries", "runtime", "timeout_seconds", "limits",
        "caching", "outputs", "sparse", "artifacts", "if_changed", "detect_only", "explain",
        "notes", "origins",
    }
)  # fmt: skip

Fingerprint = Mapping[str, str]
"""What it is of, in words → a digest in hex. Values that may be secret are in it as a digest."""


def take_fingerprint(
    request: BuildRequest,
    *,
    source: Digest,
    revision: SourceMetadata,
    builder: StoredImage,
    run_image: tuple[str, StoredImage],
    modules: Mapping[PurePosixPath, Path],
    digests: FileDigests,
    environ: Mapping[str, str],
    key: bytes,
) -> Fingerprint:
    """source: of what the build sees. revision: what the image will say of it. run_image: with
    the name that the image will know it by. modules: place in the container → folder here.
    environ: where secrets may come from. key: see `fingerprint_key`.

    Raises OSError or ImageError when something cannot be read.
    """
    flags = {
        field.name: plain(getattr(request, field.name))
        for field in fields(request)
        if field.name not in _OTHER_FIELDS
    }
    mounted = {
        os.fsdecode(path): _content(path, digests) for path in sorted(set(_paths(request.mounts)))
    }
    variables = [secret.variable for secret in request.mounts.secrets if secret.variable]
    secrets = {name: environ.get(name) for name in variables}

    def digest(*values: object) -> str:
        return hmac.digest(key, _text(values), "sha256").hex()

    return {
        "the version of locald": digest(_FORM, locald.__version__),
        "the source": source.hex,
        "its revision": digest(plain(revision)),
        "the builder": builder.digest.hex,
        "the run image": digest(run_image[0], str(run_image[1].source_digest)),
        "the buildpacks": digest(
            {str(place): str(digest_tree(folder)) for place, folder in modules.items()}
        ),
        "the environment": digest(dict(request.env)),
        "what is mounted": digest(mounted, secrets),
        "the certificates": digest(
            "" if request.ca_cert is None else str(Digest.of_file(request.ca_cert))
        ),
        "the flags": digest(flags),
    }


def differences(earlier: Fingerprint, now: Fingerprint) -> tuple[str, ...]:
    """What is not the same, in words."""
    return tuple(name for name in now if earlier.get(name) != now[name])


def plain(value: object) -> Any:
    """A value of a request as JSON has it, always in the same form. TypeError for what has none."""
    if isinstance(value, Enum):
        return plain(value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return os.fsdecode(value)
    if isinstance(value, bytes):
        return value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        return {"": type(value).__name__, **named}
    if isinstance(value, msgspec.Struct):
        named = {name: plain(getattr(value, name)) for name in value.__struct_fields__}
        return {"": type(value).__name__, **named}
    if isinstance(value, Mapping):
        return sorted(([plain(key), plain(item)] for key, item in value.items()), key=repr)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=repr)
    raise TypeError(f"no plain form: {type(value).__name__}")


def fingerprint_key(store: Path) -> bytes:
    """What makes the digests of short secrets useless to whoever gets only a cache to see: it
    lies beside the images, which are what a fingerprint is good for. Made where there is none.

    Raises OSError.
    """
    path = store / "fingerprint-key"
    try:
        key = path.read_bytes()
    except (FileNotFoundError, IsADirectoryError):
        make_way(path)
        key = b""
    if len(key) < _KEY_BYTES:
        key = os.urandom(_KEY_BYTES)
        write_whole(path, key)
    return key


def _text(values: tuple[object, ...]) -> bytes:
    # ASCII with escapes, so that text that is no Unicode has a form too.
    return json.dumps([plain(value) for value in values]).encode()


def _paths(value: object) -> Iterator[Path]:
    """Every file and folder of this host that a part of the request names."""
    if isinstance(value, Path):
        yield value
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            yield from _paths(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _paths(item)
    elif isinstance(value, tuple | list | set | frozenset):
        for item in value:
            yield from _paths(item)


def _content(path: Path, digests: FileDigests) -> str:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        return str(source_digest(path, digests))
    if stat.S_ISREG(status.st_mode):
        resolved = path.resolve()
        return digests.digest(os.fsencode(resolved), resolved.lstat()).hex()
    return stat.filemode(status.st_mode)
