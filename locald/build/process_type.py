"""The default process that was asked for, looked at before it is too late to be cheap."""

from pathlib import Path

from lifecycle.documents import read_build_metadata
from locald.config.request import BuildRequest
from oci.errors import UsageError


def check_process_type(request: BuildRequest, layers: Path) -> None:
    """The exporter would refuse it after its work. layers: after the build phase."""
    wanted = request.process_type
    if wanted is None:
        return
    known = tuple(process.type for process in read_build_metadata(layers).processes)
    if wanted not in known:
        raise UsageError(
            f"{request.origins['process_type']}: the buildpacks define no process {wanted!r}",
            hint=f"they define {', '.join(known)}" if known else "they define none at all",
        )
