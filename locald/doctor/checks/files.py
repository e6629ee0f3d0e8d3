"""The folders that builds write to, and the file systems that they are on."""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir

import msgspec

from locald.doctor.check import Check
from locald.doctor.checks.namespaces import NATIVE_OVERLAYS, kernel_version
from locald.doctor.finding import Finding, Level, Remedy, fine, note
from locald.doctor.host import Host
from locald.doctor.place import nearest
from locald.doctor.trial import Step
from locald.paths import CACHE_VARIABLE, DATA_VARIABLE
from oci.errors import Error, HostError
from oci.overlay import Overlay, OverlayMounter, Rung
from oci.process import Command, CommandRunner
from oci.store_names import RefRecord
from oci.userns import user_namespace

_GIB = 1 << 30
_MIB = 1 << 20
# The embedded builder takes 1.5 GiB with what it was made from; less is enough for a small one.
_ADVISED_BYTES = 10 * _GIB
_SMALL_BYTES = 2 * _GIB
# The smallest sample took 4 MiB of a work folder, 3 were too few.
_TOO_SMALL_BYTES = 4 * _MIB
_FEW_FILES = 100_000
_TOO_FEW_FILES = 1000
_NETWORK_FILE_SYSTEMS = frozenset(
    (
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "lustre", "gpfs", "beegfs",
        "glusterfs", "ecryptfs", "virtiofs",
    )
)  # fmt: skip
_PASSING_FILE_SYSTEMS = frozenset(("tmpfs", "ramfs", "overlay"))
_MOST_NAMES = 2000
_TRIES = 20
_PREFIX = ".locald-doctor-"
_TEMPORARY = Path("/var/tmp")
_RUNGS = {
    Rung.MEMORY: "changes of a build are kept in memory",
    Rung.FUSE: "through fuse-overlayfs, which is slower",
    Rung.COPY: "none: every phase copies the whole builder",
}


def folders(host: Host) -> Finding:
    """All that builds do with a folder, done in each."""
    data = (host.paths.work, host.paths.store)
    for folder, variable in (
        *((folder, DATA_VARIABLE) for folder in data),
        (host.paths.build_caches, CACHE_VARIABLE),
    ):
        place = nearest(folder)
        problem = _problem(place)
        if problem:
            return Finding(
                level=Level.FAIL,
                symptom=f"{folder} cannot be used: {problem} ({place})",
                remedy=Remedy(text=f"set {variable} to a folder of yours on a local disk"),
            )
    refused = _not_executable(nearest(host.paths.work), host.runner)
    if refused:
        return Finding(
            level=host.unless(Step.UNPACK, Step.CONTAINER, Step.NETWORK),
            symptom=f"programs in {host.paths.data_dir} cannot be run: is it mounted noexec?",
            details=(refused,),
            remedy=Remedy(text=f"set {DATA_VARIABLE} to a folder where they can"),
        )
    foreign = _foreign(host)
    if foreign is not None:
        name = f"{host.uid}:{os.getgid()}"
        return Finding(
            level=Level.WARN,
            symptom=f"{foreign} belongs to another user",
            remedy=Remedy(commands=(host.distribution.root(f"chown -R {name} {foreign}"),)),
        )
    return fine(f"{host.paths.data_dir} and {host.paths.cache_dir} can be used")


def _problem(place: Path) -> str:
    """What cannot be done there; empty when all can."""
    try:
        with TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
            first, second = Path(folder, "first"), Path(folder, "second")
            descriptor = os.open(first, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                os.write(descriptor, b"some text\n")
                os.fsync(descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            finally:
                os.close(descriptor)
            first.chmod(0o700)
            first.replace(second)
            Path(folder, "link").symlink_to("second")
            os.link(second, first)
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _not_executable(place: Path, runner: CommandRunner) -> str:
    """Why a program there cannot be run; empty when it can."""
    with TemporaryDirectory(prefix=_PREFIX, dir=place) as folder:
        script = Path(folder, "script")
        script.write_text("#!/bin/sh\nexit 0\n")
        script.chmod(0o700)
        for _ in range(_TRIES):
            try:
                runner.run(Command(argv=(str(script),)))
            except Error as error:
                # What another thread starts just now may still hold it open for writing.
                if os.strerror(errno.ETXTBSY) in error.message:
                    time.sleep(0.02)
                    continue
                return error.message
            return ""
    return ""


def _foreign(host: Host) -> Path | None:
    """One of our folders that somebody else made, often root by sudo."""
    paths = host.paths
    own = (paths.data_dir, paths.store, paths.work, paths.cache_dir, paths.build_caches)
    inside = (entry for folder in (paths.store, paths.build_caches) for entry in _entries(folder))
    for folder in (*own, *inside):
        if folder.is_dir() and folder.lstat().st_uid != host.uid:
            return folder
    return None


def _entries(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())[:_MOST_NAMES]
    except OSError:
        return


def file_system(host: Host) -> Finding:
    """What kind is under each folder?"""
    mounts = _mounts(host.text("/proc/self/mountinfo"))
    kinds = {}
    for folder, variable in (
        (host.paths.work, DATA_VARIABLE),
        (host.paths.build_caches, CACHE_VARIABLE),
    ):
        place = nearest(folder).resolve()
        point = next((p for p in (place, *place.parents) if p in mounts), Path("/"))
        kinds[variable] = (place, mounts.get(point, "unknown"))
    for variable, (place, kind) in kinds.items():
        if kind in _NETWORK_FILE_SYSTEMS or kind.startswith("fuse."):
            return Finding(
                level=Level.WARN,
                symptom=f"{place} is on {kind}: owners, locks and overlays may not work there",
                remedy=Remedy(
                    text=f"a folder on a local disk, such as {_TEMPORARY}/locald-{host.uid}",
                    commands=(f"export {variable}={_TEMPORARY}/locald-{host.uid}",),
                ),
            )
    for place, kind in kinds.values():
        if kind in _PASSING_FILE_SYSTEMS:
            return note(f"{place} is on {kind}: what is kept there may be gone after a restart")
    return fine(", ".join(sorted({kind for _, kind in kinds.values()})))


def _mounts(text: str) -> dict[Path, str]:
    """Mount point → kind of file system; of several on one point the last counts."""
    found = {}
    for line in text.splitlines():
        head, separator, tail = line.partition(" - ")
        if separator:
            point = head.split()[4].encode().decode("unicode_escape")
            found[Path(point)] = tail.split()[0]
    return found


def space(host: Host) -> Finding:
    """Room and files; the caches may be full, images may not."""
    least: tuple[int, Path] | None = None
    for folder in (host.paths.work, host.paths.store, host.paths.build_caches, _TEMPORARY):
        place = nearest(folder)
        status = os.statvfs(place)
        free, files = status.f_bavail * status.f_frsize, status.f_favail
        vital = folder in (host.paths.work, host.paths.store)
        if free < _TOO_SMALL_BYTES or (status.f_files and files < _TOO_FEW_FILES):
            what = f"{free // _MIB} MiB" if free < _TOO_SMALL_BYTES else f"{files} files"
            return _full(Level.FAIL if vital else Level.WARN, f"only {what} are free at {place}")
        if status.f_files and files < _FEW_FILES:
            return _full(Level.WARN, f"only {files} files can still be made at {place}")
        if least is None or free < least[0]:
            least = (free, place)
    if least is None:
        return fine("enough")
    free, place = least
    told = f"{free / _GIB:.1f} GiB are free at {place}"
    if free < _SMALL_BYTES:
        return _full(Level.WARN, f"{told}; a build with a large builder needs more")
    if free < _ADVISED_BYTES:
        return note(f"{told}; {_ADVISED_BYTES // _GIB} GiB are advised")
    return fine(told)


def _full(level: Level, symptom: str) -> Finding:
    return Finding(
        level=level,
        symptom=symptom,
        remedy=Remedy(text="free some space, for example", commands=("locald cache clear --all",)),
    )


def overlay(host: Host) -> Finding:
    """Mount one, where builds mount theirs."""
    if host.trial is None or host.namespace_error is not None:
        return note("not tried: there is no work folder, or no user namespace")
    place = host.trial.place / "overlay"
    for name in ("lower", "changes", "mounts"):
        (place / name).mkdir(parents=True)
    try:
        with user_namespace(host.runner, ids=None) as namespace:
            mounter = OverlayMounter(namespace, place / "mounts")
            mounter.mount(Overlay(lower=place / "lower", changes=place / "changes"))
            rung = mounter.rung
    except HostError as error:
        return host.told(host.unless(Step.RUNTIME, Step.CONTAINER), error)
    if rung is Rung.DISK:
        return fine("by the kernel, on disk")
    return Finding(
        level=Level.NOTE if rung is Rung.MEMORY else Level.WARN,
        symptom=f"overlays: {_RUNGS[rung]}",
        remedy=Remedy(text="Linux 5.13 or newer, and a local disk that is no overlay itself"),
    )


def fuse(host: Host) -> Finding:
    """Only where the kernel has no overlays for ordinary users."""
    if kernel_version() >= NATIVE_OVERLAYS:
        return fine("not needed")
    device = host.root / "dev/fuse"
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        return note(
            f"{device} cannot be opened ({error.strerror}), so that fuse-overlayfs cannot help",
            remedy=Remedy(commands=(host.distribution.root("modprobe fuse"),)),
        )
    return fine("can be used")


def temporary(host: Host) -> Finding:
    """podman's and Python's temporary folders."""
    for folder in dict.fromkeys((Path(gettempdir()), _TEMPORARY)):
        try:
            with TemporaryDirectory(prefix="locald-", dir=folder):
                pass
        except OSError as error:
            return Finding(
                level=Level.WARN,
                symptom=f"{folder} cannot be written: {error.strerror}; podman needs it",
                remedy=Remedy(commands=(host.distribution.root(f"chmod 1777 {folder}"),)),
            )
    return fine("can be written")


def store(host: Host) -> Finding:
    """A quick look: does every name lead to an image?"""
    root = host.paths.store
    if ":" in str(root):
        return Finding(
            level=Level.FAIL,
            symptom=f"{root} has a colon in it, which skopeo and umoci cannot take",
            remedy=Remedy(text=f"set {DATA_VARIABLE} to a folder without one"),
        )
    images, damaged = 0, []
    for path in sorted((root / "refs").rglob("*.json"))[:_MOST_NAMES]:
        images += 1
        try:
            record = msgspec.json.decode(path.read_bytes(), type=RefRecord)
            there = (root / "images" / record.digest.partition(":")[2] / "index.json").is_file()
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            there = False
        if not there:
            damaged.append(str(path.relative_to(root / "refs")))
    if damaged:
        return Finding(
            level=Level.WARN,
            symptom=f"{len(damaged)} of {images} names lead to no image",
            details=tuple(damaged[:5]),
            remedy=Remedy(text="they are fetched or built again when they are needed"),
        )
    return fine(f"{images} names" if images else "nothing is in it yet")


FILE_CHECKS = (
    Check(name="folders", title="Folders", probe=folders),
    Check(name="file-system", title="File systems", probe=file_system),
    Check(name="space", title="Space", probe=space),
    Check(name="overlay", title="Overlays", probe=overlay),
    Check(name="fuse", title="/dev/fuse", probe=fuse),
    Check(name="temporary-folders", title="Temporary folders", probe=temporary),
    Check(name="store", title="Image store", probe=store),
)
