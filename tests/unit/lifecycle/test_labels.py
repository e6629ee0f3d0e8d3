"""The labels of application images."""

import json

import pytest

from lifecycle.labels import (
    BUILD_METADATA,
    LIFECYCLE_METADATA,
    build_metadata,
    default_process,
    lifecycle_metadata,
)
from oci.errors import ImageError
from oci.image import ContainerConfig, ImageConfig


def config(**labels: object) -> ImageConfig:
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in labels.items()}
    return ImageConfig(config=ContainerConfig(labels=texts))


def test_lifecycle_metadata_as_the_exporter_writes_it() -> None:
    metadata = lifecycle_metadata(
        config(
            **{
                LIFECYCLE_METADATA: {
                    "app": [{"sha": "sha256:a"}],
                    "sbom": {"sha": "sha256:s"},
                    "process-types": {"sha": "sha256:p"},
                    "buildpacks": [
                        {
                            "key": "acme/node",
                            "version": "1.0",
                            "layers": {"modules": {"sha": "sha256:m", "launch": True, "data": 3}},
                            "store": None,
                        }
                    ],
                    "runImage": {"topLayer": "sha256:t", "reference": "r", "image": "i"},
                    "new": "field",
                }
            }
        ),
        origin="app",
    )
    assert metadata.sbom is not None
    assert metadata.sbom.sha == "sha256:s"
    assert metadata.process_types is not None
    assert metadata.process_types.sha == "sha256:p"
    assert metadata.run_image.top_layer == "sha256:t"
    assert metadata.buildpacks is not None
    assert metadata.buildpacks[0].layers["modules"].launch
    assert metadata.config is None


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ({"type": "web", "command": ["a", "b"], "args": ["c"]}, ("a", "b", "c")),
        ({"type": "web", "command": "a b", "args": ["c"]}, ("a b", "c")),
        ({"type": "web", "command": ["a"], "args": None}, ("a",)),
    ],
)
def test_commands_of_new_and_old_images_become_words(
    process: dict[str, object], words: tuple[str, ...]
) -> None:
    metadata = build_metadata(config(**{BUILD_METADATA: {"processes": [process]}}), origin="app")
    assert metadata.processes is not None
    assert metadata.processes[0].words == words


@pytest.mark.parametrize("text", ["{", "[]", "3", '{"app": 3}', "[" * 100_000, "\0"])
def test_a_label_that_cannot_be_read_is_named(text: str) -> None:
    with pytest.raises(ImageError, match=f"app: the label {LIFECYCLE_METADATA} cannot be read"):
        lifecycle_metadata(config(**{LIFECYCLE_METADATA: text}), origin="app")


def test_an_image_without_labels_was_not_built_by_buildpacks() -> None:
    for read, label in (
        (lifecycle_metadata, LIFECYCLE_METADATA),
        (build_metadata, BUILD_METADATA),
    ):
        with pytest.raises(ImageError, match=f"app was not built by buildpacks.*{label}"):
            read(ImageConfig(), origin="app")


@pytest.mark.parametrize(
    ("entrypoint", "process"),
    [
        (("/cnb/process/web",), "web"),
        (("/cnb/lifecycle/launcher",), ""),
        (("/bin/sh",), ""),
        ((), ""),
        (None, ""),
    ],
)
def test_the_default_process_is_in_the_entry_point(
    entrypoint: tuple[str, ...] | None, process: str
) -> None:
    image = ImageConfig(config=ContainerConfig(entrypoint=entrypoint))
    assert default_process(image) == process
