"""The files and folders that every container gets from us: its network's, and room to write."""

from pathlib import Path, PurePosixPath

from lifecycle.runtime.network import hosts_file, resolv_conf
from lifecycle.runtime.spec import ContainerSpec, Mount

ETC_FILES = tuple(PurePosixPath("/etc", name) for name in ("hostname", "hosts", "resolv.conf"))
# With a read-only root these stay writable, on disk: a layer's archive may be large.
TEMPORARY_FOLDERS = (PurePosixPath("/tmp"), PurePosixPath("/var/tmp"))


def write_container_files(
    spec: ContainerSpec, folder: Path, *, host_resolv_conf: Path = Path("/etc/resolv.conf")
) -> tuple[Mount, ...]:
    """Write them into `folder`, an existing empty one; the mounts that show them. The spec's own
    mounts of the same targets win."""
    taken = spec.targets
    contents = (
        f"{spec.hostname}\n",
        hosts_file(spec.hostname),
        resolv_conf(spec.network, _text(host_resolv_conf)),
    )
    mounts: list[Mount] = []
    for target, text in zip(ETC_FILES, contents, strict=True):
        source = folder / target.name
        source.write_text(text)
        source.chmod(0o644)
        mounts.append(Mount(source=source, target=target, read_only=True))
    if spec.read_only_root:
        for target in TEMPORARY_FOLDERS:
            source = folder / target.relative_to("/").as_posix().replace("/", "-")
            source.mkdir()
            source.chmod(0o1777)
            mounts.append(Mount(source=source, target=target))
    return tuple(mount for mount in mounts if mount.target not in taken)


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
