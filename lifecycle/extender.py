"""Applies the Dockerfiles of extensions to an image: what the lifecycle's extender does with
kaniko as root, done with buildah in a user namespace.

Source: CNB platform specification, "extender"; CNB image extension specification, "Phase:
Extension"; lifecycle, phase/extender.go.
"""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from lifecycle.dockerfile import DockerfileKind
from lifecycle.extended_image import (
    Certificates,
    NewLayers,
    compose,
    image_user,
    is_root,
    seed_layers,
    write_base,
)
from lifecycle.extension import Generated
from lifecycle.labels import REBASABLE
from lifecycle.runtime.network import PrivateNetwork, resolv_conf
from lifecycle.runtime.spec import Network
from oci.buildah import Buildah, DockerfileBuild, container_runtime
from oci.errors import CommandError, Error, ImageError
from oci.idmap import SubordinateIds
from oci.layout import Layout
from oci.overlay import Overlay, OverlayMounter
from oci.process import CommandRunner, Stream
from oci.store import StoredImage
from oci.userns import UserNamespace

# The image that the first Dockerfile is applied to, in buildah's storage.
_BASE = "localhost/base:latest"
# Before a Dockerfile's own instructions: what lower layers say of the label is not its word.
_NOT_SAID = f'LABEL {REBASABLE}=""'


class ExtendError(Error):
    """A Dockerfile of an extension failed. The code is the lifecycle's for it."""

    exit_code = 102


@dataclass(frozen=True, kw_only=True)
class ExtendedImage:
    """A base image with Dockerfiles applied. The layout has the new layers only.

    notes: what people should know all the same.
    """

    layout: Layout
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AppSource:
    """The application's source, the context of Dockerfiles that bring none."""

    folder: Path
    hidden: tuple[PurePosixPath, ...] = ()
    adopted: tuple[PurePosixPath, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Extender:
    """Applies Dockerfiles to images, for one build.

    folder: a new folder of this build's, on disk. env: the proxies. on_line: gets what the
    Dockerfiles print. created: the time of what is made, in seconds since 1970.
    """

    runner: CommandRunner
    folder: Path
    app: AppSource
    network: Network
    env: Mapping[str, str] = field(default_factory=dict)
    on_line: Callable[[Stream, str], None] = lambda _stream, _text: None
    watch: Callable[[], None] | None = None
    created: int = 0

    def extend(
        self,
        kind: DockerfileKind,
        base: StoredImage,
        generated: tuple[Generated, ...],
        *,
        certificates: Certificates | None,
    ) -> ExtendedImage:
        """Apply them, in order, to an image that is complete.

        buildah, a runtime for it, and subordinate ids are there: the caller has looked. Raises
        ExtendError when one fails, HostError when this host cannot, ImageError when the result
        may not be used.
        """
        folder = self.folder / kind
        (folder / "buildah").mkdir(parents=True)
        start = write_base(folder / "base", base, certificates)
        ids = SubordinateIds.of_current_user()
        with (
            UserNamespace(self.runner, ids=ids) as namespace,
            self._way_out(namespace, folder) as enter,
        ):
            context = _Contexts(namespace, folder, self.app)
            buildah = Buildah(self.runner, namespace, folder / "buildah", enter=enter)
            try:
                return self._apply(kind, base, start, generated, buildah, context)
            finally:
                # Its files belong to subordinate ids.
                namespace.remove_tree(folder / "buildah")

    def _apply(
        self,
        kind: DockerfileKind,
        base: StoredImage,
        start: Layout,
        generated: tuple[Generated, ...],
        buildah: Buildah,
        contexts: "_Contexts",
    ) -> ExtendedImage:
        source, config = _BASE, start.read().config
        buildah.load(start.path, source)
        first_user = image_user(config)[0]
        notes: list[str] = []
        made: list[NewLayers] = []
        rebasable = True
        for number, one in enumerate(generated, start=1):
            name = f"localhost/extended:{number}"
            user, group = image_user(config)
            file = start.path.parent / f"{number}.{one.dockerfile.kind.file_name}"
            file.write_text(one.dockerfile.text(source, first=(_NOT_SAID,)))
            arguments = {
                **one.arguments,
                "base_image": source,
                "build_id": str(uuid.uuid4()),
                "user_id": user,
                "group_id": group,
            }
            build = DockerfileBuild(
                dockerfile=file,
                context=contexts.of(one),
                name=name,
                runtime=container_runtime(),
                network=self.network is not Network.NONE,
                created=self.created,
                arguments=arguments,
            )
            self._run(buildah, build, one)
            result = buildah.image(name)
            made.append(
                NewLayers(
                    extension=one.extension,
                    file_name=kind.file_name,
                    count=len(result.rootfs.diff_ids) - len(config.rootfs.diff_ids),
                )
            )
            rebasable = rebasable and result.labels.get(REBASABLE, "").lower() in ("true", "1", "t")
            source, config = name, result
        user = image_user(config)[0]
        if kind is DockerfileKind.RUN and is_root(user):
            raise ImageError(
                f"{generated[-1]} leaves root as the run image's user",
                hint="the extension must end with: ARG user_id, and USER ${user_id}",
            )
        if user != first_user:
            notes.append(f"{generated[-1]} changed the user from {first_user} to {user}")
        return ExtendedImage(
            layout=self._result(
                base,
                start,
                source,
                buildah,
                tuple(made),
                rebasable=rebasable if kind is DockerfileKind.RUN else None,
            ),
            notes=tuple(notes),
        )

    def _run(self, buildah: Buildah, build: DockerfileBuild, one: Generated) -> None:
        said = ""

        def receive(stream: Stream, text: str) -> None:
            nonlocal said
            said = text if text.startswith("Error: ") else said
            self.on_line(stream, text)

        try:
            buildah.build(build, on_line=receive, env=self.env, watch=self.watch)
        except CommandError as error:
            raise ExtendError(
                f"{one} failed",
                details=(said,) if said else error.details[-3:],
                hint="its output stands above",
            ) from error

    def _result(
        self,
        base: StoredImage,
        start: Layout,
        name: str,
        buildah: Buildah,
        made: tuple[NewLayers, ...],
        *,
        rebasable: bool | None,
    ) -> Layout:
        folder = start.path.with_name("extended")
        seeds = seed_layers(folder, start)
        buildah.save(name, folder)
        for seed in seeds:
            if seed.exists() and seed.stat().st_size == 0:
                seed.unlink()
        layout = Layout(folder)
        compose(
            layout,
            base,
            made,
            given_layers=len(seeds),
            created=self.created,
            rebasable=rebasable,
        )
        return layout

    @contextmanager
    def _way_out(self, namespace: UserNamespace, folder: Path) -> Iterator[tuple[str, ...]]:
        """The words that put a command into the build's network."""
        with ExitStack() as stack:
            match self.network:
                case Network.NONE:
                    yield ("unshare", "--net")
                case Network.HOST:
                    yield ()
                case Network.PRIVATE:
                    (folder / "network").mkdir()
                    private = stack.enter_context(
                        PrivateNetwork(self.runner, namespace, folder / "network")
                    )
                    _mount_resolv_conf(namespace, folder / "resolv.conf")
                    yield ("nsenter", f"--net={private.path}")


def _mount_resolv_conf(namespace: UserNamespace, file: Path) -> None:
    """buildah itself asks for names (ADD), and RUN gets a copy; the host's resolver may listen
    on a loopback that the network does not reach."""
    host = Path("/etc/resolv.conf")
    try:
        text = host.read_text(errors="replace")
    except OSError:
        return
    file.write_text(resolv_conf(Network.PRIVATE, text))
    namespace.run("mount", "--bind", str(file), str(host))


class _Contexts:
    """The folders that Dockerfiles copy from, as the namespace sees them."""

    def __init__(self, namespace: UserNamespace, folder: Path, app: AppSource) -> None:
        self._namespace = namespace
        self._folder = folder
        self._app = app
        self._mounted: Path | None = None
        self._empty = folder / "empty"
        self._empty.mkdir()

    def of(self, one: Generated) -> Path:
        """The context of one Dockerfile; the source is mounted when it is first needed."""
        if one.context is not None:
            return one.context
        if not one.dockerfile.copies_from_context:
            return self._empty
        if self._mounted is None:
            mounts, changes = self._folder / "mounts", self._folder / "source"
            mounts.mkdir()
            changes.mkdir()
            self._mounted = OverlayMounter(self._namespace, mounts).mount(
                Overlay(
                    lower=self._app.folder,
                    changes=changes,
                    hidden=self._app.hidden,
                    adopted=self._app.adopted,
                )
            )
        return self._mounted
