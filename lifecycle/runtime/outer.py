"""What a build lacks in somebody's container, and what takes its place."""

import logging
import os
from dataclasses import replace
from pathlib import Path

from lifecycle.runtime.network import require_tun
from lifecycle.runtime.spec import ContainerSpec, Network
from oci.errors import HostError

log = logging.getLogger(__name__)

_MARKS = (Path("/run/.containerenv"), Path("/.dockerenv"))
# A pod of Kubernetes may have none of the files.
_VARIABLES = frozenset({"container", "KUBERNETES_SERVICE_HOST"})


def in_container() -> bool:
    """Does this process run in somebody's container?"""
    return any(mark.exists() for mark in _MARKS) or not _VARIABLES.isdisjoint(os.environ)


def with_possible_network(spec: ContainerSpec, *, quiet: bool = False) -> ContainerSpec:
    """The same, with the outer container's network where no private one can be had in it.

    quiet: somebody has been told. Raises HostError where this is nobody's container.
    """
    if spec.network is not Network.PRIVATE:
        return spec
    try:
        require_tun()
    except HostError as error:
        if not in_container():
            raise
        if not quiet:
            log.warning("%s: %s; it shares this container's network", spec.name, error.message)
        return replace(spec, network=Network.HOST)
    return spec
