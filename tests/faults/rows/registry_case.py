"""What rows about registries share: a build whose registry fails, and what must hold after it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from oci.registry_clients import RegistryClients
from tests.faults.laboratory import Laboratory
from tests.faults.place import Place, check
from tests.faults.row import Case
from tests.support.cli import Finished
from tests.support.registry_faults import Fault, Front


def count_requests(
    laboratory: Laboratory, template: Place, *flags: str, publish: bool
) -> tuple[str, ...]:
    """What a build that nothing happens to asks of the registry: `METHOD /path`."""
    with laboratory.place(template) as here:
        flags += publishing(laboratory.front, here) if publish else ()
        result = here.build(*flags)
        check(result.code == 0, result.output)
        return tuple(map(str, laboratory.front.asked))


def case_of(name: str, template: Place, fault: Mapping[str, Any], *, publish: bool = False) -> Case:
    """A build that meets a fault. It must meet it."""

    def hold(laboratory: Laboratory) -> None:
        with laboratory.place(template) as here:
            flags = publishing(laboratory.front, here) if publish else ()
            met = Fault(**fault)
            before = met.times
            laboratory.front.add(met)
            result = here.build(*flags)
            laboratory.front.faults.clear()
            check(met.times < before, "the request did not come")
            check_after(laboratory, here, result, flags)

    return Case(name=name, hold=hold)


def check_after(
    laboratory: Laboratory, here: Place, result: Finished, flags: tuple[str, ...]
) -> None:
    """Of a build whose registry failed."""
    here = replace(here, digest=laboratory.warm.digest)
    here.check_told(result)
    if flags:
        check_published(laboratory, here, must=result.code == 0)
    if result.code == 0:
        here.check_good(result)
        return
    check("hint" in result.stderr.lower() or "http" in result.stderr.lower(), result.stderr)
    here.check_nothing_runs()
    here.check_visible()
    here.check_as_good_as_new(*flags)
    if flags:
        check_published(laboratory, here, must=True)


def publishing(front: Front, here: Place) -> tuple[str, ...]:
    """Flags. To a repository of the machine's own, so that everything has to be pushed."""
    return ("--tag", f"{front.host}/{_published(here)}", "--publish")


def _published(here: Place) -> str:
    return f"{here.root.name}/app:1"


def check_published(laboratory: Laboratory, here: Place, *, must: bool) -> None:
    """The tag is there with all that belongs to it, or, unless it must be, not at all."""
    manifest = manifest_of(laboratory, _published(here))
    if manifest is None:
        check(not must, "the tag is not in the registry")
        return
    digest = f"sha256:{hashlib.sha256(manifest).hexdigest()}"
    check(digest == laboratory.warm.digest, "the tag means another image")
    check_whole(laboratory, manifest)


def manifest_of(laboratory: Laboratory, name: str) -> bytes | None:
    """What a tag of the registry means."""
    registry = laboratory.registry
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(name))
    return None if found is None else found.data


def check_whole(laboratory: Laboratory, manifest: bytes) -> None:
    """The registry has all that a manifest leads to."""
    blobs = laboratory.registry.data / "docker/registry/v2/blobs/sha256"
    document = json.loads(manifest)
    for entry in (document["config"], *document["layers"]):
        hexadecimal = entry["digest"].removeprefix("sha256:")
        data = blobs / hexadecimal[:2] / hexadecimal / "data"
        check(data.is_file(), f"{entry['digest']} is missing")
        found = hashlib.sha256(data.read_bytes()).hexdigest()
        check(found == hexadecimal, f"{entry['digest']} is torn")
