"""What `--report FILE` writes: what went in, what came out, how long each part took.

Values that the user gave to the build are not told, only their names: they may be secret.
"""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import locald
from lifecycle.app_image import BASE_OWNER, app_layers
from lifecycle.errors import PhaseError
from lifecycle.runtime.limits import Enforcement, LimitExceeded
from lifecycle.runtime.spec import ContainerSpec
from locald.build.ledger import Inputs, Ledger, PhaseEntry
from oci.errors import Error, ImageError, StorageError, UsageError
from oci.store import StoredImage
from oci.whole_file import write_whole

STDOUT = Path("-")
"""`--report -`."""

# What locald itself or the builder image sets, and is the same for everybody.
_TOLD_VARIABLES = frozenset(
    {
        "CNB_PLATFORM_API", "CNB_EXEC_ENV", "CNB_EXPERIMENTAL_MODE", "CNB_USER_ID",
        "CNB_GROUP_ID", "SOURCE_DATE_EPOCH",
    }
)  # fmt: skip


def report_document(ledger: Ledger) -> dict[str, Any]:
    """One build as plain values; the form is documented in docs/report.md."""
    request, inputs = ledger.request, ledger.inputs
    document: dict[str, Any] = {
        "status": str(ledger.status),
        "locald": locald.__version__,
        "service": request.service,
        "platform": str(request.platform),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ledger.began)),
        "seconds": round(ledger.clock.total(), 4),
    }
    if ledger.unchanged_since:
        document["unchanged_since"] = ledger.unchanged_since
    if ledger.failure is not None:
        document["error"] = _error(ledger.failure)
    document["source"] = {
        "folder": str(request.source_path),
        "digest": None if ledger.source is None else str(ledger.source),
    }
    document["environment"] = sorted(request.env)
    if inputs is not None:
        document |= _inputs(inputs, ledger)
    document["buildpacks"] = list(ledger.buildpacks)
    document["extensions"] = list(ledger.extensions)
    if ledger.explanation is not None:
        from locald.build.explain import explanation_document

        document["detection"] = explanation_document(ledger.explanation)
    document["phases"] = [_phase(entry) for entry in ledger.phases]
    document["steps"] = {name: round(s, 4) for name, s in ledger.clock.seconds.items()}
    if ledger.image is not None:
        document["image"] = _image(ledger.image, ledger)
        document["outputs"] = list(ledger.places)
        document["outputs_kept"] = list(ledger.kept_places)
        document["published"] = [
            {
                "repository": moved.repository,
                "size_bytes": moved.total,
                "sent_bytes": moved.sent,
                "copied_bytes": moved.copied,
                "mounted_bytes": moved.mounted,
                "present_bytes": moved.present,
            }
            for moved in ledger.published
        ]
    return document


def report_text(ledgers: Sequence[Ledger], *, yaml_form: bool) -> str:
    """The report as YAML or as JSON; of several builds, a list under `builds`."""
    documents = [report_document(ledger) for ledger in ledgers]
    document = documents[0] if len(documents) == 1 else {"builds": documents}
    if yaml_form:
        # 10 ms, and most builds write no report, or JSON.
        import yaml

        return yaml.safe_dump(document, sort_keys=False)
    return json.dumps(document, indent=2) + "\n"


def write_report(path: Path, ledgers: Sequence[Ledger]) -> None:
    """Write the report, as YAML when the file's name says so, else as JSON."""
    text = report_text(ledgers, yaml_form=path.suffix in (".yaml", ".yml"))
    if path.is_dir():
        raise UsageError(f"--report {path}: is a folder", hint="name a file in it")
    try:
        write_whole(path, text.encode(), mode=0o644)
    except OSError as error:
        raise StorageError(
            f"--report {path}: cannot be written: {error.strerror}",
            hint="name a file in a folder that exists and that you can write",
        ) from error


def _error(error: Error) -> dict[str, Any]:
    return {
        "message": error.message,
        "details": list(error.details),
        "hint": error.hint,
        "exit_code": error.exit_code,
        "phase": str(error.phase) or None
        if isinstance(error, PhaseError | LimitExceeded)
        else None,
    }


def _inputs(inputs: Inputs, ledger: Ledger) -> dict[str, Any]:
    previous = inputs.previous
    return {
        "builder": {
            "name": str(inputs.builder.reference or ""),
            "digest": str(inputs.builder.digest),
            "lifecycle": inputs.lifecycle_version,
        },
        "run_image": {"name": inputs.run_image_name, "digest": str(inputs.run_image.digest)},
        "previous_image": None
        if previous is None
        else {"name": str(previous.reference or ""), "digest": str(previous.digest)},
        "added": [{"place": place, "digest": digest} for place, digest in inputs.modules.items()],
        "platform_api": str(inputs.platform_api),
        "runtime": inputs.runtime,
        "cache": inputs.cache,
    }


def _phase(entry: PhaseEntry) -> dict[str, Any]:
    return {
        "name": str(entry.phase),
        "seconds": None if entry.seconds is None else round(entry.seconds, 4),
        "given": _given(entry.given),
    }


def _given(spec: ContainerSpec) -> dict[str, Any]:
    return {
        "argv": list(spec.argv),
        "user": spec.user,
        "group": spec.group,
        "network": str(spec.network),
        "read_only_root": spec.read_only_root,
        "mounts": [
            {"target": str(m.target), "source": str(m.source), "read_only": m.read_only}
            for m in spec.mounts
        ]
        + [
            {"target": str(o.target), "source": str(o.lower), "overlay": True, "read_only": False}
            for o in spec.overlays
        ]
        + [
            {"target": str(m.target), "files": sorted(m.files), "read_only": True}
            for m in spec.memory
        ],
        "environment": {
            name: value if name in _TOLD_VARIABLES else None
            for name, value in sorted(spec.env.items())
        },
        "limits": {} if spec.limits is None else _limits(spec.limits),
    }


def _limits(held: Enforcement) -> dict[str, Any]:
    """Only what is limited."""
    limits = held.limits
    told = (
        ("memory_bytes", limits.memory, held.memory_by),
        ("pids", limits.pids, held.pids_by),
        ("disk_bytes", limits.disk, held.disk_by),
    )
    return {
        name: {"most": limit.amount, "by": by, "origin": limit.origin or "default"}
        for name, limit, by in told
        if limit is not None
    }


def _image(image: StoredImage, ledger: Ledger) -> dict[str, Any]:
    return {
        "names": [str(name) for name in ledger.request.names],
        "digest": str(image.digest),
        "config_digest": image.image.manifest.config.digest,
        "layers": _layers(image, ledger.new_layers),
    }


def _layers(image: StoredImage, new_layers: frozenset[str]) -> list[dict[str, Any]]:
    try:
        owners = [(layer.owner, layer.name) for layer in app_layers(image)]
    except ImageError:  # a lifecycle that writes no label
        owners = [("", "")] * len(image.image.manifest.layers)
    layers = zip(image.image.manifest.layers, image.config.rootfs.diff_ids, owners, strict=True)
    return [
        {
            "digest": layer.digest,
            "diff_id": diff_id,
            "size_bytes": layer.size,
            "reused": layer.digest not in new_layers,
            "owner": owner,
            "name": name,
            "base": owner == BASE_OWNER,
        }
        for layer, diff_id, (owner, name) in layers
    ]
