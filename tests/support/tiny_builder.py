"""A builder of a few megabytes, whose build image is the embedded run image: what is applied to
it is applied in a second. Its extension and its buildpack do what the application says.

    APP/ext/…      the extension `e2e/app` hands this on: Dockerfiles, contexts, extend-config.toml
    APP/build.sh   what the buildpack `e2e/tiny` runs; its process `web` runs `cat /etc/made`
"""

import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locald.build.builder_create import EMBEDDED_NAME
from oci.layout import Layout, LayoutImage
from oci.platform import Platform
from oci.reference import LOCALHOST, Reference
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import Installation

RUN_IMAGE = Reference(LOCALHOST, "locald/run", "embedded")
# The run image's user.
USER_ID = 1001

_EXTENSION = """\
api = "0.10"
[extension]
id = "{id}"
version = "1.0.0"
name = "Test"
"""
_GENERATE = '[ ! -d ext ] || cp -R ext/. "$CNB_OUTPUT_DIR"'
_BUILD = """\
[ ! -e build.sh ] || sh build.sh
printf '[[processes]]\\ntype = "web"\\ncommand = ["cat", "/etc/made"]\\ndefault = true\\n' \\
    >"$CNB_LAYERS_DIR/launch.toml"
"""
_BUILDER = """\
description = "tiny"
[lifecycle]
uri = "lifecycle"
[[buildpacks]]
uri = "buildpack"
[[extensions]]
uri = "extension"
[[order]]
[[order.group]]
id = "e2e/tiny"
version = "1.0.0"
[[order-extensions]]
[[order-extensions.group]]
id = "e2e/app"
version = "1.0.0"
[build]
image = "{build}"
[[run.images]]
image = "{run}"
"""


@dataclass(frozen=True, kw_only=True)
class TinyBuilder:
    """name: of the builder. other_run: an image that a Dockerfile can switch to."""

    name: str
    other_run: str


def make_extension(path: Path, *, id: str, generate: str = _GENERATE) -> Path:
    """An extension's folder. generate: of its script, run in the application's folder."""
    (path / "bin").mkdir(parents=True)
    (path / "extension.toml").write_text(_EXTENSION.format(id=id))
    for name, body in (("detect", "exit 0"), ("generate", generate)):
        script = path / "bin" / name
        script.write_text(f"#!/bin/sh\nset -eu\n{body}\n")
        script.chmod(0o755)
    return path


def make_tiny_builder(installation: Installation, folder: Path) -> TinyBuilder:
    """Make it with `locald builder create`, under names of this session."""
    prefix = installation.prefix
    base = Reference(LOCALHOST, f"{prefix}/tiny-base", "1")
    other = Reference(LOCALHOST, f"{prefix}/other-run", "1")
    user = [f"CNB_USER_ID={USER_ID}", f"CNB_GROUP_ID={USER_ID}", "HOME=/tmp"]
    _derive(installation, folder / "base", base, {"Env": user})
    _derive(installation, folder / "other", other, {"Labels": {"other": "yes"}})
    _extract_lifecycle(installation, folder / "lifecycle")
    buildpack = BuildpackFolder.make(folder / "buildpack", id="e2e/tiny", build=_BUILD)
    for script in (buildpack.path / "bin").iterdir():
        # The run image has no bash in the place where env would look for it.
        script.write_text(script.read_text().replace("/usr/bin/env bash", "/bin/bash"))
    make_extension(folder / "extension", id="e2e/app")
    (folder / "builder.toml").write_text(_BUILDER.format(build=base, run=RUN_IMAGE))
    name = f"{LOCALHOST}/{prefix}/tiny-builder:1"
    made = installation.locald.run("builder", "create", name, "-c", folder / "builder.toml")
    assert made.code == 0, made.output
    return TinyBuilder(name=name, other_run=str(other))


def _derive(
    installation: Installation, folder: Path, name: Reference, changes: dict[str, Any]
) -> None:
    """The run image under another name, with more variables or labels."""
    image = _embedded(installation, RUN_IMAGE)
    layout = Layout.create(folder)
    layout.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)

    def edit(config: dict[str, Any]) -> None:
        container = config["config"]
        container["Env"] = [*container["Env"], *changes.get("Env", [])]
        container["Labels"] = {**(container.get("Labels") or {}), **changes.get("Labels", {})}

    layout.rewrite(edit)
    installation.store.commit(layout, (name,), Platform.of_host())


def _extract_lifecycle(installation: Installation, folder: Path) -> None:
    """The embedded builder's lifecycle, so that none has to be compiled."""
    image = _embedded(installation, EMBEDDED_NAME)
    layout = installation.layout_of(str(EMBEDDED_NAME))
    history = [entry for entry in image.config.history or () if not entry.empty_layer]
    index = next(i for i, e in enumerate(history) if e.created_by.startswith("lifecycle "))
    with tarfile.open(layout.blob_path(image.layer_digests[index])) as archive:
        for member in archive:
            if member.name.startswith("cnb/lifecycle/"):
                member.name = member.name.removeprefix("cnb/lifecycle/")
                archive.extract(member, folder)


def _embedded(installation: Installation, name: Reference) -> LayoutImage:
    return installation.layout_of(str(name)).read()
