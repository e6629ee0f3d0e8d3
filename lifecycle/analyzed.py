"""analyzed.toml: which run image the lifecycle believes the application stands on.

After detection an extension may have put another name there, or `extend = true`, which the
exporter refuses with layouts. What we made of it is written back as a plain run image.
Source: CNB platform specification, "analyzed.toml"; lifecycle, platform/files/analyzed.go.
"""

import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import tomli_w

from lifecycle.builder import DISTRO_NAME_LABEL, DISTRO_VERSION_LABEL
from oci.digest import Digest
from oci.errors import ImageError
from oci.image import ImageConfig
from oci.plain_file import read_plain_file

_NAME = "analyzed.toml"
_BASE_ID_LABEL = "io.buildpacks.base.id"
_MAX_BYTES = 1 << 20


def write_analyzed_run_image(
    layers: Path, *, layout: PurePosixPath, digest: Digest, config: ImageConfig
) -> None:
    """Let the restorer and the exporter take this image as the run image, not to be extended.

    layout: the image's folder, as the phases see it.
    """
    document = _read(layers)
    document["run-image"] = {
        "reference": f"{layout}@{digest}",
        "image": str(layout),
        "target": _target(config),
    }
    path = layers / _NAME
    # Not written through: what is there was made by a phase.
    path.unlink()
    path.write_bytes(tomli_w.dumps(document).encode())


def _read(layers: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_plain_file(layers, _NAME, max_bytes=_MAX_BYTES).decode())
    except OSError as error:
        raise ImageError(f"detection left no usable {_NAME}: {error.strerror}") from error
    except ImageError as error:
        raise ImageError(f"detection left an {_NAME} that is no plain small file") from error
    except (ValueError, RecursionError) as error:
        raise ImageError(f"detection left an {_NAME} that cannot be read: {error}") from error


def _target(config: ImageConfig) -> dict[str, Any]:
    labels = config.labels
    distro = {
        "name": labels.get(DISTRO_NAME_LABEL, ""),
        "version": labels.get(DISTRO_VERSION_LABEL, ""),
    }
    return {
        **({"id": labels[_BASE_ID_LABEL]} if _BASE_ID_LABEL in labels else {}),
        "os": config.os,
        "arch": config.architecture,
        **({"arch-variant": config.variant} if config.variant else {}),
        **({"distro": distro} if any(distro.values()) else {}),
    }
