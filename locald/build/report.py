"""What `--report FILE` writes: what went in, what came out, how long each part took."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lifecycle.execution import PhaseOutcome
from oci.errors import StorageError, UsageError
from oci.moved import Moved
from oci.reference import Reference
from oci.store import StoredImage

STDOUT = Path("-")
"""`--report -`."""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """A finished build.

    published: what each repository of a registry got.
    seconds: wall time of the whole. step_seconds: of what the platform itself did, by name.
    reused_layers: diffIDs that the previous image or the run image had already.
    """

    names: tuple[Reference, ...]
    image: StoredImage
    builder: StoredImage
    run_image: StoredImage
    run_image_name: Reference
    platform_api: str
    runtime: str
    buildpacks: tuple[str, ...]
    phases: tuple[PhaseOutcome, ...]
    seconds: float
    step_seconds: Mapping[str, float]
    outputs: tuple[str, ...]
    published: tuple[Moved, ...] = ()
    new_layers: frozenset[str]


def report_document(result: BuildResult) -> dict[str, Any]:
    """The report as plain values; its form is documented in docs/report.md."""
    image = result.image
    layers = [
        {
            "digest": layer.digest,
            "diff_id": diff_id,
            "size_bytes": layer.size,
            "reused": layer.digest not in result.new_layers,
        }
        for layer, diff_id in zip(
            image.image.manifest.layers, image.config.rootfs.diff_ids, strict=True
        )
    ]
    return {
        "image": {
            "names": [str(name) for name in result.names],
            "digest": str(image.digest),
            "config_digest": image.image.manifest.config.digest,
            "layers": layers,
        },
        "builder": {
            "name": str(result.builder.reference or ""),
            "digest": str(result.builder.digest),
        },
        "run_image": {
            "name": str(result.run_image_name),
            "digest": str(result.run_image.digest),
        },
        "platform_api": result.platform_api,
        "runtime": result.runtime,
        "buildpacks": list(result.buildpacks),
        "phases": [
            {"name": str(outcome.phase), "seconds": round(outcome.seconds, 4)}
            for outcome in result.phases
        ],
        "steps": {name: round(seconds, 4) for name, seconds in result.step_seconds.items()},
        "seconds": round(result.seconds, 4),
        "outputs": list(result.outputs),
        "published": [
            {
                "repository": moved.repository,
                "size_bytes": moved.total,
                "sent_bytes": moved.sent,
                "copied_bytes": moved.copied,
                "mounted_bytes": moved.mounted,
                "present_bytes": moved.present,
            }
            for moved in result.published
        ],
    }


def report_text(result: BuildResult, *, yaml_form: bool) -> str:
    """The report as YAML or as JSON."""
    document = report_document(result)
    if yaml_form:
        # 10 ms, and most builds write no report, or JSON.
        import yaml

        return yaml.safe_dump(document, sort_keys=False)
    return json.dumps(document, indent=2) + "\n"


def write_report(path: Path, result: BuildResult) -> None:
    """Write the report, as YAML when the file's name says so, else as JSON."""
    text = report_text(result, yaml_form=path.suffix in (".yaml", ".yml"))
    if path.is_dir():
        raise UsageError(f"--report {path}: is a folder", hint="name a file in it")
    staged = path.with_name(f".{path.name}.partial")
    try:
        staged.write_text(text)
        staged.replace(path)
    except OSError as error:
        raise StorageError(
            f"--report {path}: cannot be written: {error.strerror}",
            hint="name a file in a folder that exists and that you can write",
        ) from error
