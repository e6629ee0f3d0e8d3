"""`SRC:DST[:ro|rw]`: something of this host that the build sees."""

from pathlib import Path, PurePosixPath

from lifecycle.bindings import BINDINGS
from lifecycle.inputs import MountPaths
from lifecycle.runtime.spec import Mount
from oci.errors import UsageError

_FORM_HINT = "write SRC:DST, SRC:DST:ro or SRC:DST:rw, DST an absolute path"
# Docker's and podman's options, and why each has no meaning here.
_OTHER_OPTIONS = {
    **dict.fromkeys(("z", "Z"), "SELinux labels of your files are never changed, nor needed"),
    **dict.fromkeys(("cached", "delegated", "consistent"), "there is no virtual machine between"),
    **dict.fromkeys(
        ("O", "U"), "the build's user is you, and what it may not write it may not change"
    ),
}
# What containers are made of; nothing of the host belongs there.
_SYSTEM = tuple(PurePosixPath(path) for path in ("/proc", "/sys", "/dev", "/run/secrets"))


def parse_volume(text: str, *, relative_to: Path) -> Mount:
    """Read-only unless it says rw. The last colon before DST divides, so SRC may hold some.

    Raises UsageError when SRC does not exist, and for anything that is not of this form.
    """
    rest, options = text, ""
    head, colon, tail = text.rpartition(":")
    if colon and tail and not tail.startswith("/"):
        rest, options = head, tail
    # Without a DST the option may have been one: `folder:target`.
    source, colon, target = rest.rpartition(":")
    if not colon or not source or not target:
        raise UsageError(f"{text[:200]!r} is not a volume", hint=_FORM_HINT)
    return Mount(
        source=_source(source, relative_to),
        target=_target(target),
        read_only=_read_only(options),
    )


def check_volume_target(target: PurePosixPath, paths: MountPaths) -> None:
    """Refuse a place that is the platform's own, or what containers are made of.

    Allowed within them are a service binding, as `pack` takes it, and what lies below the source.
    """
    bindings = paths.platform / BINDINGS
    if target == bindings or target.is_relative_to(bindings):
        return
    if target == paths.app:
        raise UsageError(
            f"{target} is the source itself",
            hint=f"choose a folder below it, or outside of {target}",
        )
    # A buildpack may be mounted below one of these; what is in it is the builder's.
    own = (
        PurePosixPath("/cnb"), paths.layers, paths.platform, paths.cache, paths.layout,
        paths.build_cache, *_SYSTEM,
    )  # fmt: skip
    for folder in own:
        if target.is_relative_to(folder) or folder.is_relative_to(target):
            raise UsageError(
                f"nothing can be mounted at {target}: {folder} is the build's own",
                hint="choose another path, such as /mnt/NAME",
            )
    if target == paths.temporary:
        raise UsageError(
            f"nothing can be mounted at {target}: it is the phase's own",
            hint=f"choose a folder below it, such as {target}/NAME",
        )


def _source(text: str, relative_to: Path) -> Path:
    if "\0" in text:
        raise UsageError(f"{text[:200]!r} is not a path")
    path = relative_to / Path(text).expanduser() if text.startswith("~") else relative_to / text
    try:
        return path.resolve(strict=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: no home folder, a loop of links
        raise UsageError(
            f"{text[:200]}: no such file or folder",
            hint="give a folder or a file of this host; there are no volumes with names",
        ) from error


def _target(text: str) -> PurePosixPath:
    path = PurePosixPath(text)
    # The kernel would understand these, the check of reserved places would not.
    if not text.startswith("/") or text.startswith("//") or ".." in path.parts:
        raise UsageError(f"{text[:200]!r} is not an absolute path without `..`", hint=_FORM_HINT)
    if path == PurePosixPath("/"):
        raise UsageError("nothing can be mounted at /: it is the builder itself")
    if not text.isprintable():
        raise UsageError(f"{text[:200]!r} has characters that are not printable")
    return path


def _read_only(options: str) -> bool:
    if options in ("", "ro"):
        return True
    words = options.split(",")
    for word in words:
        if word in _OTHER_OPTIONS:
            raise UsageError(
                f"the option {word} is not known: {_OTHER_OPTIONS[word]}", hint="leave it out"
            )
    if set(words) == {"rw"}:
        return False
    raise UsageError(f"{options[:60]!r} is neither ro nor rw", hint=_FORM_HINT)
