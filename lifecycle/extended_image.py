"""Image documents around the application of Dockerfiles: what goes in, and what comes of it.

In goes the base image with one layer more: the host's certificate authorities joined to the
image's own, so that RUN can fetch through a proxy that inspects TLS. That layer is left out of
the result, which is the base image, its layers byte for byte, and the layers the Dockerfiles made.
"""

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from lifecycle.ca_bundle import BUNDLE_PATHS
from lifecycle.image_time import rfc3339
from lifecycle.labels import REBASABLE
from oci.errors import ImageError
from oci.image import ImageConfig
from oci.layer_writer import LayerWriter, open_tarball
from oci.layout import Layout, LayoutImage
from oci.store import StoredImage

_MAX_BUNDLE_BYTES = 16 << 20
_ROOT = ("0", "root")


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """A bundle of certificate authorities, and where the image has its own."""

    path: PurePosixPath
    content: bytes


@dataclass(frozen=True, kw_only=True)
class NewLayers:
    """The layers of one Dockerfile, for the image's history. count: how many it made."""

    extension: str
    file_name: str
    count: int


def image_user(config: ImageConfig) -> tuple[str, str]:
    """User and group of an image, as Dockerfiles are told them; the group may be empty."""
    user, _, group = config.config.user.partition(":")
    return user, group


def is_root(user: str) -> bool:
    """Is that the user of all rights?"""
    return user in _ROOT


def bundle_in_layers(stored: StoredImage) -> Certificates | None:
    """The bundle of an image that is not unpacked, or None when it has none."""
    wanted = {str(path.relative_to("/")): path for path in BUNDLE_PATHS}
    found: Certificates | None = None
    for layer in stored.image.manifest.layers:
        try:
            blob = stored.layout.blob_path(layer.parsed_digest())
            with open_tarball(blob) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
                for member in archive:
                    path = wanted.get(member.name.removeprefix("./").lstrip("/"))
                    if path is None or not member.isreg() or member.size > _MAX_BUNDLE_BYTES:
                        continue
                    file = archive.extractfile(member)
                    content = b"" if file is None else file.read()
                    found = Certificates(path=path, content=content)
        except (tarfile.TarError, EOFError, OSError):
            # A compression that tarfile does not know: then without certificates.
            continue
    return found


def link_layers(layout: Layout, stored: StoredImage) -> None:
    """Give a layout with its own folder of blobs the layers of an image of the store."""
    for digest in dict.fromkeys(stored.image.layer_digests):
        layout.blob_path(digest).symlink_to(stored.layout.blob_path(digest).absolute())


def write_base(folder: Path, stored: StoredImage, certificates: Certificates | None) -> Layout:
    """The image to apply Dockerfiles to, in a new folder; its layers are links to the store's.

    Triggers of ONBUILD are left out: nobody has checked them.
    """
    layout = Layout.create(folder)
    link_layers(layout, stored)
    config = msgspec.json.decode(stored.image.config_bytes)
    (config.get("config") or {}).pop("OnBuild", None)
    manifest = msgspec.json.decode(stored.image.manifest_bytes)
    # What the image says of other images is not about this one.
    manifest.pop("annotations", None)
    config["history"] = _history(config, len(manifest["layers"]))
    if certificates is not None:
        with LayerWriter(layout) as layer:
            layer.add_file(certificates.path, certificates.content)
        manifest["layers"].append(msgspec.to_builtins(layer.written.descriptor))
        config["rootfs"]["diff_ids"].append(str(layer.written.diff_id))
        config["history"].append({"created_by": "certificate authorities"})
    layout.write_image(config, manifest["layers"])
    return layout


def seed_layers(folder: Path, base: Layout) -> tuple[Path, ...]:
    """Empty files in the place of the base's layers, in the folder of a layout to be written:
    buildah takes a layer that is there as written, and compresses only what is new."""
    blobs = folder / "blobs/sha256"
    blobs.mkdir(parents=True)
    seeds = tuple(
        blobs / diff_id.removeprefix("sha256:") for diff_id in base.read().config.rootfs.diff_ids
    )
    for seed in seeds:
        seed.touch()
    return seeds


def compose(
    built: Layout,
    stored: StoredImage,
    made: tuple[NewLayers, ...],
    *,
    given_layers: int,
    created: int,
    rebasable: bool | None,
) -> LayoutImage:
    """Turn what buildah wrote into the image that stands on `stored`, in the same layout.

    given_layers: how many layers the image had that the Dockerfiles were applied to.
    rebasable: the label of a run image; None leaves labels alone.
    """
    image = built.read()
    base = stored.image
    config = msgspec.json.decode(image.config_bytes)
    manifest = msgspec.json.decode(image.manifest_bytes)
    new_diff_ids = list(image.config.rootfs.diff_ids[given_layers:])
    if sum(layers.count for layers in made) != len(new_diff_ids):
        raise ImageError("buildah made an image with other layers than it told of")
    time = rfc3339(created)
    base_config = msgspec.json.decode(base.config_bytes)
    base_manifest = msgspec.json.decode(base.manifest_bytes)
    config["created"] = time
    config["rootfs"] = {
        "type": "layers",
        "diff_ids": [*base.config.rootfs.diff_ids, *new_diff_ids],
    }
    config["history"] = [
        *_history(base_config, len(base.manifest.layers)),
        *(
            {"created": time, "created_by": extension_history(layers)}
            for layers in made
            for _ in range(layers.count)
        ),
    ]
    if rebasable is not None:
        container = config.setdefault("config", {})
        container["Labels"] = {
            **(container.get("Labels") or {}),
            REBASABLE: "true" if rebasable else "false",
        }
    layers = [*base_manifest["layers"], *manifest["layers"][given_layers:]]
    return built.write_image(config, layers)


def extension_history(layers: NewLayers) -> str:
    """As the lifecycle's extender writes it."""
    return f"Layer: '{layers.file_name}', Created by extension: {layers.extension}"


def _history(config: dict[str, Any], layers: int) -> list[dict[str, Any]]:
    history = [entry for entry in config.get("history") or [] if not entry.get("empty_layer")]
    if len(history) == layers:
        return list(config["history"])
    return [{"created_by": "the base image"} for _ in range(layers)]
