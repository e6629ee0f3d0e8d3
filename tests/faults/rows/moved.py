"""The builder's and the run image's tags move to other images while a build goes on."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lifecycle.phase import Phase
from oci.digest import Digest
from oci.layout import Layout
from oci.registry_clients import RegistryClients
from tests.faults.laboratory import Laboratory
from tests.faults.place import check
from tests.faults.row import Case, Row
from tests.support.publishing import push

_NAMES = ("team/builder:1", "base/run:1")


def _cases(_: Laboratory, quick: bool) -> tuple[Case, ...]:
    found = [
        Case(name=f"{name} moves {when}", hold=_moved(name, when))
        for name in _NAMES
        for when in ("at its manifest", *(f"in {phase}" for phase in Phase))
    ]
    return (found[0],) if quick else tuple(found)


def _moved(name: str, when: str) -> Any:
    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(laboratory.cold) as here:
            old, new = _two_images(laboratory, name, here.root)
            try:
                with here.start() as build:
                    if when == "at its manifest":
                        repository = name.partition(":")[0]
                        while build.running() and not laboratory.front.count(
                            f"/v2/{repository}/manifests/"
                        ):
                            time.sleep(0.001)
                    else:
                        build.wait_for_event("phase-started", phase=when.removeprefix("in "))
                    push(new, laboratory.registry, name)
                    result = build.finish(seconds=120)
                check(result.code == 0, result.stderr[-3000:])
                here.check_nothing_runs()
                here.check_visible()
                # One resolution: what was built is what the next build, which asks no registry,
                # makes of the same images.
                replace(here, digest=result.digest).check_as_good_as_new()
                if when != "at its manifest":
                    check(result.digest == laboratory.warm.digest, "the new image was taken later")
            finally:
                push(old, laboratory.registry, name)

    return hold


def _two_images(laboratory: Laboratory, name: str, folder: Path) -> tuple[Layout, Layout]:
    """What the name means now, and the same with another label."""
    registry = laboratory.registry
    blobs = registry.data / "docker/registry/v2/blobs/sha256"
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(name))
    assert found is not None
    layouts = []
    for number in (0, 1):
        layout = Layout.create(folder / f"image-{number}")

        def data(digest: str) -> bytes:
            hexadecimal = digest.removeprefix("sha256:")
            return (blobs / hexadecimal[:2] / hexadecimal / "data").read_bytes()

        document = json.loads(found.data)
        for layer in document["layers"]:
            layout.blob_path(Digest.parse(layer["digest"])).write_bytes(data(layer["digest"]))
        layout.write(
            found.data, data(document["config"]["digest"]), media_type=document["mediaType"]
        )
        layouts.append(layout)
    layouts[1].rewrite(lambda config: config["config"].setdefault("Labels", {}).update(moved="yes"))
    return layouts[0], layouts[1]


ROWS = (Row(key="moved-tag", title="a tag moves between the steps of a build", cases=_cases),)
