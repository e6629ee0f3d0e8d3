"""Extended images for one build: from the store when they are there, else applied and kept."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lifecycle.ca_bundle import builder_bundle, host_bundle, write_joined
from lifecycle.dockerfile import DockerfileKind
from lifecycle.execution import BuildRoot
from lifecycle.extended_image import Certificates, bundle_in_layers, link_layers
from lifecycle.extender import AppSource, ExtendedImage, Extender
from lifecycle.extension import Generated
from lifecycle.extension_key import extension_key, reusable_result
from lifecycle.image_time import creation_time
from lifecycle.runtime.spec import Network
from locald.build.observer import BuildObserver
from oci.buildah import container_runtime
from oci.digest import Digest
from oci.errors import HostError
from oci.host_tools import find_tool, missing_tool
from oci.idmap import IdMap, SubordinateIds
from oci.layer_scan import scan_layer
from oci.layout import Layout
from oci.plain_layout import for_umoci
from oci.platform import Platform
from oci.process import CommandRunner, Stream
from oci.reference import LOCALHOST, Reference
from oci.store import ImageStore, StoredImage
from oci.umoci import unpack
from oci.userns import user_namespace


@dataclass(frozen=True, kw_only=True)
class Dockerfiles:
    """How the Dockerfiles of one build are applied.

    folder: of this build, does not exist yet. proxies: variables for RUN. ca_cert: the user's.
    """

    store: ImageStore
    runner: CommandRunner
    observer: BuildObserver
    folder: Path
    platform: Platform
    app: AppSource
    network: Network
    proxies: Mapping[str, str]
    ca_cert: Path | None
    watch: Callable[[], None] | None

    def run_image(self, base: StoredImage, generated: tuple[Generated, ...]) -> StoredImage:
        """The run image with the Dockerfiles applied; its layers are in the store."""
        kind = DockerfileKind.RUN
        name, found = self._found(kind, base, generated)
        if found is not None:
            return found
        _require_tools(generated[0])
        if not base.complete:
            self.observer.step("Fetching the run image's layers, to extend it")
            self.store.complete(base, self.platform)
        made = self._apply(kind, base, generated, lambda: bundle_in_layers(base))
        return self.store.commit(made.layout, (name,), self.platform)

    def build_root(
        self, builder: StoredImage, rootfs: Path, id_map: IdMap, generated: tuple[Generated, ...]
    ) -> BuildRoot:
        """The builder with the Dockerfiles applied, unpacked. rootfs: the builder's own."""
        kind = DockerfileKind.BUILD
        name, found = self._found(kind, builder, generated)
        if found is None:
            made = self._apply(kind, builder, generated, lambda: _bundle_in_folder(rootfs))
            if not reusable_result(generated):
                return self._unpacked_here(made.layout, builder, id_map)
            found = self.store.commit(made.layout, (name,), self.platform)
        unpacked = self.store.unpack(found, id_map, tell=self.observer.step)
        return BuildRoot(rootfs=unpacked, env=found.config.config.environment)

    def _found(
        self, kind: DockerfileKind, base: StoredImage, generated: tuple[Generated, ...]
    ) -> tuple[Reference, StoredImage | None]:
        """The name of the result, and the result if an earlier build has left it."""
        key = extension_key(base.digest, generated)
        name = Reference(LOCALHOST, f"locald/extended-{kind}", key.hex[:32])
        found = self.store.find(name, self.platform) if reusable_result(generated) else None
        if found is None or not found.complete:
            return name, None
        self.observer.detail(f"the {kind} image is extended already: {name}")
        return name, found

    def _apply(
        self,
        kind: DockerfileKind,
        base: StoredImage,
        generated: tuple[Generated, ...],
        own_bundle: Callable[[], Certificates | None],
    ) -> ExtendedImage:
        _require_tools(generated[0])
        self.observer.step(
            f"Extending the {kind} image: {', '.join(one.extension for one in generated)}"
        )
        extender = Extender(
            runner=self.runner,
            folder=self.folder,
            app=self.app,
            network=self.network,
            env=self.proxies,
            on_line=self._line,
            watch=self.watch,
            created=creation_time(),
        )
        made = extender.extend(kind, base, generated, certificates=self._certificates(own_bundle()))
        for note in made.notes:
            self.observer.note(note)
        return made

    def _line(self, stream: Stream, text: str) -> None:
        self.observer.extension_line(stream, text)

    def _certificates(self, own: Certificates | None) -> Certificates | None:
        """The image's own authorities with those of the host; none where the image has none."""
        host = host_bundle(self.ca_cert)
        if own is None or host is None:
            return None
        self.folder.mkdir(exist_ok=True)
        image, joined = self.folder / "image.crt", self.folder / "joined.crt"
        image.write_bytes(own.content)
        write_joined(joined, (image, host))
        return Certificates(path=own.path, content=joined.read_bytes())

    def _unpacked_here(self, layout: Layout, builder: StoredImage, id_map: IdMap) -> BuildRoot:
        """For this build only."""
        self.observer.step("Unpacking the extended build image, for this build only")
        image = layout.read()
        own = len(builder.image.layer_digests)
        diff_ids = image.config.rootfs.diff_ids
        for layer, diff_id in zip(image.manifest.layers[own:], diff_ids[own:], strict=True):
            # The builder's own were looked through when it was unpacked.
            path = layout.blob_path(layer.parsed_digest())
            scan_layer(path, media_type=layer.media_type, diff_id=Digest.parse(diff_id))
        link_layers(layout, builder)
        bundle = self.folder / "root"
        ids = None if id_map.single else SubordinateIds.of_current_user()
        with user_namespace(self.runner, ids=ids) as namespace:
            ours = for_umoci(layout, image, self.folder / "for-umoci")
            unpack(ours.path, bundle, id_map=id_map, namespace=namespace)
        return BuildRoot(rootfs=bundle / "rootfs", env=image.config.config.environment)


def _bundle_in_folder(rootfs: Path) -> Certificates | None:
    path = builder_bundle(rootfs)
    inside = rootfs / path.relative_to("/")
    if inside.is_symlink() or not inside.is_file():
        return None
    return Certificates(path=path, content=inside.read_bytes())


def _require_tools(one: Generated) -> None:
    """Before anything is fetched for it."""
    try:
        if find_tool("buildah") is None:
            raise missing_tool("buildah")
        container_runtime()
        SubordinateIds.of_current_user().require("buildah")
    except HostError as error:
        raise HostError(f"{one} has to be applied, and {error.message}", hint=error.hint) from error
