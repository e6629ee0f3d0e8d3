"""Where faults are tried: a registry of its own, a builder of a few megabytes, an application, and
two machines to start from, one that never built and one that did."""

import secrets
import shutil
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from locald.build.builder_create import EMBEDDED_NAME
from locald.paths import CACHE_VARIABLE, CONFIG_VARIABLE, DATA_VARIABLE
from oci.idmap import SubordinateIds
from oci.layout import Layout
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.userns import UserNamespace
from tests.faults.place import Place
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import Installation
from tests.support.publishing import push
from tests.support.registry import Registry, serve_registry
from tests.support.registry_faults import Front, serve_faults

_RUN = Reference(LOCALHOST, "locald/run", "embedded")
_BUILDER = """\
description = "for faults"
[lifecycle]
uri = "lifecycle"
[[buildpacks]]
uri = "buildpack"
[[order]]
[[order.group]]
id = "faults/app"
version = "1.0.0"
[build]
image = "{build}"
[[run.images]]
image = "{run}"
"""
# A layer for the image, one for the cache, which `seed` makes another one, and a time in which it
# can be killed.
_BUILD = """\
mkdir -p "$CNB_LAYERS_DIR/made" "$CNB_LAYERS_DIR/kept"
if [[ -e $CNB_LAYERS_DIR/kept/data ]]; then echo "cache: used"; else echo "cache: empty"; fi
head -c 300000 /dev/zero >"$CNB_LAYERS_DIR/kept/data"
if [[ -e seed ]]; then cat seed >>"$CNB_LAYERS_DIR/kept/data"; rm seed; fi
head -c 200000 /dev/zero >"$CNB_LAYERS_DIR/made/data"
printf '[types]\\ncache = true\\n' >"$CNB_LAYERS_DIR/kept.toml"
printf '[types]\\nlaunch = true\\n' >"$CNB_LAYERS_DIR/made.toml"
printf '[[processes]]\\ntype = "web"\\ncommand = ["true"]\\ndefault = true\\n' \\
    >"$CNB_LAYERS_DIR/launch.toml"
sleep "$(cat pause)"
"""


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """front: between locald and the registry; does nothing unless a case asks it to.

    cold, warm: the machines that cases start from. namespace: owns subordinate ids.
    """

    folder: Path
    registry: Registry
    front: Front
    namespace: UserNamespace
    cold: Place
    warm: Place

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator["Laboratory"]:
        """Make it in a new folder, gone after the block. Needs the embedded builder in the store
        that the environment names."""
        with ExitStack() as stack:
            folder.mkdir(parents=True)
            runner = CommandRunner()
            namespace = stack.enter_context(
                UserNamespace(runner, ids=SubordinateIds.of_current_user())
            )
            stack.callback(namespace.remove_tree, folder)
            registry = stack.enter_context(serve_registry(folder / "registry"))
            front = stack.enter_context(serve_faults(registry))
            _publish_builder(folder / "maker", registry, front)
            cold = _cold_place(folder / "cold", front)
            laboratory = cls(
                folder=folder,
                registry=registry,
                front=front,
                namespace=namespace,
                cold=cold,
                warm=cold,
            )
            yield replace(laboratory, warm=laboratory._warm())

    @contextmanager
    def place(self, template: Place) -> Iterator[Place]:
        """A copy of a machine, gone after the block; the registry does as registries should."""
        self.front.faults.clear()
        self.front.asked.clear()
        place = template.moved(self.folder / "places" / secrets.token_hex(4))
        place.root.mkdir(parents=True)
        try:
            self._copy(template, place)
            yield place
        finally:
            self.front.faults.clear()
            place.end_what_runs()
            self.namespace.remove_tree(place.root)

    def _warm(self) -> Place:
        warm = self.cold.moved(self.folder / "warm")
        self._copy(self.cold, warm)
        built = warm.build()
        again = warm.build()
        assert built.code == again.code == 0, built.output + again.output
        assert built.digest == again.digest, "the application is not reproducible"
        assert "cache: used" in again.output, again.output
        return replace(warm, digest=built.digest)

    def _copy(self, template: Place, place: Place) -> None:
        run = self.namespace.run
        place.root.mkdir(parents=True, exist_ok=True)
        for entry in sorted(template.root.iterdir()):
            if entry != template.data:
                run("cp", "-a", "--", str(entry), str(place.root))
        if not template.store.is_dir():
            return
        place.store.mkdir(parents=True, mode=0o700)
        for entry in sorted(template.data.iterdir()):
            if entry != template.store:
                run("cp", "-a", "--", str(entry), str(place.data))
        for entry in sorted(template.store.iterdir()):
            # Large, and replaced, never written over.
            links = ["--link"] if entry.name in ("blobs", "rootfs") else []
            run("cp", "-a", *links, "--", str(entry), str(place.store))
        for link in (place.store / "images").glob("*/blobs"):
            link.unlink()
            link.symlink_to(place.store / "blobs")


def _cold_place(root: Path, front: Front) -> Place:
    (root / "app").mkdir(parents=True)
    (root / "app/pause").write_text("0")
    for name in ("data", "tmp", "config"):
        (root / name).mkdir()
    # For commands that have no flag for it.
    (root / "config/config.toml").write_text(f'insecure-registries = ["{front.host}"]\n')
    return Place(root=root, app=root / "app", front=front)


def _publish_builder(folder: Path, registry: Registry, front: Front) -> None:
    """The builder and its run image into the registry; names in them are those of the front."""
    folder.mkdir()
    origin = Installation.make(folder / "origin", "faults")
    maker = origin.with_environment(
        **{
            DATA_VARIABLE: str(folder / "data"),
            CACHE_VARIABLE: str(folder / "cache"),
            CONFIG_VARIABLE: str(folder / "config"),
        }
    )
    maker = replace(maker, paths=replace(origin.paths, data_dir=folder / "data"))
    push(origin.layout_of(str(_RUN)), registry, "base/run:1")
    base = _build_image(origin, maker, folder / "base")
    _lifecycle(origin, folder / "lifecycle")
    buildpack = BuildpackFolder.make(folder / "buildpack", id="faults/app", build=_BUILD)
    for script in (buildpack.path / "bin").iterdir():
        script.write_text(script.read_text().replace("/usr/bin/env bash", "/bin/bash"))
    run_image = f"{front.host}/base/run:1"
    (folder / "builder.toml").write_text(_BUILDER.format(build=base, run=run_image))
    name = f"{LOCALHOST}/faults/builder:1"
    made = maker.locald.run("builder", "create", name, "-c", folder / "builder.toml")
    assert made.code == 0, made.output
    push(maker.layout_of(name), registry, "team/builder:1")
    shutil.rmtree(folder)


def _build_image(origin: Installation, maker: Installation, folder: Path) -> Reference:
    """The run image with the variables of a build image."""
    source = origin.layout_of(str(_RUN))
    image = source.read()
    layout = Layout.create(folder)
    for digest in image.layer_digests:
        shutil.copyfile(source.blob_path(digest), layout.blob_path(digest))
    layout.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
    layout.rewrite(
        lambda config: config["config"]["Env"].extend(
            ("CNB_USER_ID=1001", "CNB_GROUP_ID=1001", "HOME=/tmp")
        )
    )
    name = Reference(LOCALHOST, "faults/build", "1")
    maker.store.commit(layout, (name,), Platform.of_host())
    return name


def _lifecycle(origin: Installation, folder: Path) -> None:
    """The embedded builder's, so that none has to be compiled."""
    layout = origin.layout_of(str(EMBEDDED_NAME))
    image = layout.read()
    history = [entry for entry in image.config.history or () if not entry.empty_layer]
    index = next(i for i, e in enumerate(history) if e.created_by.startswith("lifecycle "))
    with tarfile.open(layout.blob_path(image.layer_digests[index])) as archive:
        for member in archive:
            if member.name.startswith("cnb/lifecycle/"):
                member.name = member.name.removeprefix("cnb/lifecycle/")
                archive.extract(member, folder)
