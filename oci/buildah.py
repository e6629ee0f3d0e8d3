"""buildah: applies a Dockerfile to an image. Argv makers are pure; `Buildah` runs them.

It runs inside our user namespace, where it takes itself for rootless: what it starts ends with
the namespace, and its mounts are nobody else's. Its storage and every one of its configuration
files lie in a folder of ours, so that it neither sees nor changes the user's own images, and has
no credential. It pulls nothing: base images come from layouts, and RUN gets the namespace's
network or none.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from oci.errors import DISK_FULL_HINT, CommandError, HostError, ImageError, StorageError
from oci.host_tools import find_tool, missing_tool
from oci.image import ImageConfig
from oci.layout import TAG
from oci.process import Command, CommandRunner, LineSink, Stream
from oci.userns import UserNamespace

# The storage drivers, best first: those without native overlays have the others.
_DRIVERS = (
    ("--storage-driver", "overlay"),
    (
        "--storage-driver", "overlay",
        "--storage-opt", "overlay.mount_program=/usr/bin/fuse-overlayfs",
    ),
    ("--storage-driver", "vfs"),
)  # fmt: skip

_FILES = {
    "containers.conf": """\
[containers]
base_hosts_file = "none"
default_sysctls = []
http_proxy = true
pids_limit = 0

[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
hooks_dir = []
""",
    "mounts.conf": "",
    "storage.conf": '[storage]\ndriver = "overlay"\n',
    "registries.conf": "unqualified-search-registries = []\n",
    "auth.json": "{}",
    "policy.json": '{"default": [{"type": "insecureAcceptAnything"}]}',
}
_RUNTIMES = ("runc", "crun")
_DISK_FULL = "no space left on device"


@dataclass(frozen=True, kw_only=True)
class BuildahFolder:
    """Where buildah keeps everything. driver: options that choose its storage driver."""

    path: Path
    driver: tuple[str, ...] = _DRIVERS[0]

    def argv(self, *words: str) -> tuple[str, ...]:
        """A buildah command that uses this folder only."""
        return (
            "buildah",
            "--root", str(self.path / "root"),
            "--runroot", str(self.path / "run"),
            *self.driver,
            "--default-mounts-file", str(self.path / "mounts.conf"),
            *words,
        )  # fmt: skip

    def image(self, name: str) -> str:
        """An image of its storage, as containers-transports(5) writes it."""
        _, driver, *more = self.driver
        options = "".join(f":{option}" for option in more if not option.startswith("--"))
        store = f"{driver}@{self.path / 'root'}+{self.path / 'run'}{options}"
        return f"containers-storage:[{store}]{name}"

    def environment(self, uid: int) -> dict[str, str]:
        """Over the host's own settings. uid: the invoking user, as this host numbers it."""
        own = str(self.path / "tmp")
        return {
            "_CONTAINERS_USERNS_CONFIGURED": "done",
            "_CONTAINERS_ROOTLESS_UID": str(uid),
            "CONTAINERS_CONF": str(self.path / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(self.path / "storage.conf"),
            "CONTAINERS_REGISTRIES_CONF": str(self.path / "registries.conf"),
            "REGISTRY_AUTH_FILE": str(self.path / "auth.json"),
            "STORAGE_DRIVER": "",
            "STORAGE_OPTS": "",
            **dict.fromkeys(
                (
                    "HOME", "TMPDIR", "DOCKER_CONFIG", "XDG_RUNTIME_DIR",
                    "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
                ),
                own,
            ),
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DockerfileBuild:
    """One Dockerfile to apply. FROM names an image of buildah's storage.

    name: of the result. runtime: the container runtime's program. network: False keeps RUN off
    the namespace's network. created: the time of the result and of all files in it, in seconds
    since 1970.
    """

    dockerfile: Path
    context: Path
    name: str
    runtime: str
    network: bool
    created: int
    arguments: Mapping[str, str] = field(default_factory=dict)


class BuiltImage(msgspec.Struct, frozen=True):
    """What `buildah inspect` tells of an image."""

    config: ImageConfig = msgspec.field(name="OCIv1")


def build_argv(folder: BuildahFolder, build: DockerfileBuild) -> tuple[str, ...]:
    """The argv that applies a Dockerfile; it makes one layer."""
    arguments = (f"{name}={value}" for name, value in build.arguments.items())
    return folder.argv(
        "build",
        "--signature-policy", str(folder.path / "policy.json"),
        "--isolation", "oci",
        "--runtime", build.runtime,
        "--pull-never",
        "--no-cache",
        "--layers=false",
        "--identity-label=false",
        "--timestamp", str(build.created),
        "--network", "host" if build.network else "none",
        *(option for argument in arguments for option in ("--build-arg", argument)),
        "--ignorefile", str(folder.path / "mounts.conf"),
        "--file", str(build.dockerfile),
        "--tag", build.name,
        str(build.context),
    )  # fmt: skip


def load_argv(folder: BuildahFolder, layout: Path, name: str) -> tuple[str, ...]:
    """The argv that takes a layout's image into the storage."""
    return (
        "skopeo",
        "--policy", str(folder.path / "policy.json"),
        "copy",
        "--quiet",
        f"oci:{layout}:{TAG}",
        folder.image(name),
    )  # fmt: skip


def inspect_argv(folder: BuildahFolder, name: str) -> tuple[str, ...]:
    """The argv that prints what an image is, as JSON."""
    return folder.argv("inspect", "--type", "image", name)


def push_argv(folder: BuildahFolder, name: str, layout: Path) -> tuple[str, ...]:
    """The argv that writes an image into a layout."""
    return folder.argv(
        "push",
        "--signature-policy", str(folder.path / "policy.json"),
        "--format", "oci",
        "--quiet",
        name,
        f"oci:{layout}:{TAG}",
    )  # fmt: skip


def container_runtime() -> str:
    """The program that runs RUN; raises HostError."""
    found = next(filter(None, map(find_tool, _RUNTIMES)), None)
    if found is None:
        raise missing_tool(_RUNTIMES[0])
    return found


class Buildah:
    """buildah in a namespace, with a storage of its own in `folder`, an existing empty one.

    enter: a command's words that lead into the network it is to have, inside the namespace.
    """

    def __init__(
        self,
        runner: CommandRunner,
        namespace: UserNamespace,
        folder: Path,
        *,
        enter: tuple[str, ...] = (),
    ) -> None:
        if find_tool("buildah") is None:
            raise missing_tool("buildah")
        self._runner = runner
        self._namespace = namespace
        self._enter = enter
        for name in ("root", "run", "tmp"):
            (folder / name).mkdir()
        for name, text in _FILES.items():
            (folder / name).write_text(text)
        self._folder = self._usable(folder)

    def load(self, layout: Path, name: str) -> None:
        """Take a layout's image into the storage.

        FROM could say `oci:PATH`, but buildah makes the image's name of the path, which not every
        path can be: not one with capital letters, nor one that begins with a dot somewhere.
        """
        try:
            self._runner.run(self._command(load_argv(self._folder, layout, name)))
        except CommandError as error:
            raise _explained(error) from error

    def build(
        self,
        build: DockerfileBuild,
        *,
        on_line: LineSink,
        env: Mapping[str, str],
        watch: Callable[[], None] | None = None,
    ) -> None:
        """Apply a Dockerfile. Raises CommandError when it, or something in it, failed.

        env: proxies, for RUN.
        """
        command = self._command(build_argv(self._folder, build), env=env, watch=watch)
        try:
            self._runner.run(command, on_line=_Steps(on_line))
        except CommandError as error:
            raise _explained(error) from error

    def image(self, name: str) -> ImageConfig:
        """The configuration of an image that was built."""
        said = self._runner.run(self._command(inspect_argv(self._folder, name))).stdout
        try:
            return msgspec.json.decode(said, type=BuiltImage).config
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImageError(f"buildah told nothing usable of its image: {error}") from error

    def save(self, name: str, layout: Path) -> None:
        """Write an image into a layout's folder."""
        try:
            self._runner.run(self._command(push_argv(self._folder, name, layout)))
        except CommandError as error:
            raise _explained(error) from error

    def _usable(self, path: Path) -> BuildahFolder:
        """With the best storage driver that works here."""
        failures: list[str] = []
        for driver in _DRIVERS:
            folder = BuildahFolder(path=path, driver=driver)
            argv = folder.argv("images", "--quiet")
            try:
                self._runner.run(self._in_namespace(folder, argv))
            except CommandError as error:
                failures += error.details[-2:]
                self._namespace.remove_tree(path / "root")
                continue
            return folder
        raise HostError("buildah cannot keep images on this host", details=failures)

    def _command(
        self,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Command:
        return self._in_namespace(self._folder, argv, env=env or {}, watch=watch)

    def _in_namespace(
        self,
        folder: BuildahFolder,
        argv: tuple[str, ...],
        *,
        env: Mapping[str, str] | None = None,
        watch: Callable[[], None] | None = None,
    ) -> Command:
        return Command(
            argv=self._namespace.argv(*self._enter, *argv),
            env={**(env or {}), **folder.environment(os.getuid())},
            watch=watch,
        )


class _Steps:
    """Passes on the instructions and what they print; not how the base image is read, nor how
    the result is written."""

    def __init__(self, on_line: LineSink) -> None:
        self._on_line = on_line
        self._shown = True

    def __call__(self, stream: Stream, text: str) -> None:
        if text.startswith("STEP "):
            self._shown = not text.startswith("STEP 1/")
        elif text.startswith("COMMIT "):
            self._shown = False
        if self._shown or text.startswith("Error:"):
            self._on_line(stream, text)


def _explained(error: CommandError) -> CommandError | StorageError:
    if any(_DISK_FULL in line.lower() for line in error.details):
        return StorageError("buildah: the disk is full", hint=DISK_FULL_HINT)
    return error
