"""What end-to-end tests share: the builder, the folders, the names of images."""

import gzip
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from locald.build.builder_create import EMBEDDED_NAME
from locald.paths import CACHE_VARIABLE, CONFIG_VARIABLE, DATA_VARIABLE, Paths
from oci.image import ImageConfig
from oci.layout import Layout, LayoutImage
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import LOCALHOST, Reference
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.cli import Finished, Locald, Running

BUILDER = str(EMBEDDED_NAME)
SAMPLES = Path(__file__).parents[1] / "samples"
PAGE = "<!doctype html><title>a page</title><p>Hello from a test\n"


@dataclass(frozen=True, kw_only=True)
class Installation:
    """One store with the embedded builder in it, and caches of its own.

    prefix: the first component of the names of this session's images.
    outputs: a layout for what is built; blobs that are there are not copied again.
    """

    locald: Locald
    paths: Paths
    prefix: str
    outputs: Path

    @classmethod
    def make(cls, folder: Path, prefix: str) -> Self:
        """The store is the one that the environment names; caches and configuration are new."""
        paths = replace(
            Paths.from_environment(), cache_dir=folder / "cache", config_dir=folder / "config"
        )
        environment = {
            **os.environ,
            DATA_VARIABLE: str(paths.data_dir),
            CACHE_VARIABLE: str(paths.cache_dir),
            CONFIG_VARIABLE: str(paths.config_dir),
        }
        return cls(
            locald=Locald(environment=environment),
            paths=paths,
            prefix=prefix,
            outputs=folder / "outputs",
        )

    @property
    def store(self) -> ImageStore:
        """The image store, read directly."""
        return ImageStore(self.paths.store, Skopeo(CommandRunner()))

    def with_environment(self, *removed: str, **variables: str) -> Self:
        """The same with some variables changed."""
        return replace(self, locald=self.locald.with_environment(*removed, **variables))

    def with_caches(self, caches: Path) -> Self:
        """The same with other caches."""
        paths = replace(self.paths, cache_dir=caches)
        return replace(self.with_environment(**{CACHE_VARIABLE: str(caches)}), paths=paths)

    def within(self, *prefix: str) -> Self:
        """The same, started below another command."""
        return replace(self, locald=replace(self.locald, prefix=prefix))

    def name(self, app: Path) -> str:
        """The name that a folder's image gets."""
        return f"{LOCALHOST}/{self.prefix}/{app.name}"

    def build_arguments(
        self, app: Path, *flags: str | Path, buildpack: BuildpackFolder | None = None
    ) -> tuple[str, ...]:
        """`build`'s arguments: the embedded builder, a layout as the output; flags come last,
        and replace both."""
        words = tuple(map(str, flags))
        arguments = ["build", str(app), "--tag", self.name(app)]
        if not {"-B", "--builder"} & set(words):
            arguments += ["--builder", BUILDER]
        if not {"-o", "--output"} & set(words):
            arguments += ["--output", f"oci:{self.outputs}:{app.name}"]
        if buildpack is not None:
            arguments += ["--buildpack", str(buildpack.path)]
        return (*arguments, *words)

    def build(
        self, app: Path, *flags: str | Path, buildpack: BuildpackFolder | None = None
    ) -> Finished:
        """A build that must succeed."""
        result = self.try_build(app, *flags, buildpack=buildpack)
        assert result.code == 0, result.output
        return result

    def try_build(
        self, app: Path, *flags: str | Path, buildpack: BuildpackFolder | None = None
    ) -> Finished:
        """A build that may fail."""
        return self.locald.run(*self.build_arguments(app, *flags, buildpack=buildpack))

    def start_build(
        self, app: Path, *flags: str | Path, buildpack: BuildpackFolder | None = None
    ) -> Running:
        """A build that tells what it does as JSON."""
        arguments = self.build_arguments(app, *flags, buildpack=buildpack)
        return self.locald.start(*arguments, "--progress", "json")

    def image(self, app: Path) -> LayoutImage | None:
        """What the store has under the folder's name; digests are checked."""
        name = Reference.parse(self.name(app)).with_default_tag()
        found = self.store.find(name, Platform.of_host())
        return None if found is None else found.image

    def layout(self, app: Path) -> Layout:
        """The store's layout of the folder's image."""
        return self.layout_of(self.name(app))

    def layout_of(self, name: str) -> Layout:
        """The store's layout of an image that must be there."""
        reference = Reference.parse(name).with_default_tag()
        found = self.store.find(reference, Platform.of_host())
        assert found is not None, name
        return found.layout

    def builder_config(self) -> ImageConfig:
        """The configuration of the embedded builder."""
        return self.layout_of(BUILDER).read().config

    def forget_images(self) -> None:
        """Remove this session's names from the store and from podman's storage."""
        shutil.rmtree(self.paths.store / "refs" / LOCALHOST / self.prefix, ignore_errors=True)
        if shutil.which("podman") is None:
            return
        argv = ["podman", "images", "--format", "{{.Repository}}:{{.Tag}}"]
        listed = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
        ours = [name for name in listed if name.startswith(f"{LOCALHOST}/{self.prefix}/")]
        if ours:
            subprocess.run(["podman", "rmi", "--force", *ours], capture_output=True, check=False)


def make_app(folder: Path, files: Mapping[str, str] | None = None) -> Path:
    """A folder with an index.html, which the embedded builder builds in a second."""
    folder.mkdir(parents=True)
    for name, text in (files or {"index.html": PAGE}).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def layer_bytes(image: LayoutImage, layout: Layout) -> bytes:
    """Everything in the image's layers, decompressed, one after another."""
    blobs = (layout.blob_path(digest).read_bytes() for digest in image.layer_digests)
    return b"".join(gzip.decompress(blob) for blob in blobs)
