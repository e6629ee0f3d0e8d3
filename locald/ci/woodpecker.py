"""Woodpecker: `.woodpecker/image.yaml`, for an agent whose containers are rootless podman's."""

from typing import Any

from locald.ci.pipeline import REPORT, CacheKind, Pipeline
from locald.ci.scripts import build_script, install_script, login_script
from locald.ci.yaml_form import yaml_text

_IMAGE = "debian:12"
_COMMENT = """\
.woodpecker/image.yaml, written by `locald ci woodpecker`. The agent's containers are rootless
podman's. Secrets: registry_user, registry_password. Woodpecker keeps no artifacts: the report is
shown in the log.
"""
_SHOW_REPORT = f"cat {REPORT}\n"
_CACHE_FOLDER = "/var/cache/locald"


def woodpecker_workflow(pipeline: Pipeline) -> str:
    """The workflow file."""
    build = build_script(pipeline, cache_folder=_CACHE_FOLDER)
    scripts = [install_script(pipeline), login_script(pipeline), build]
    step: dict[str, Any] = {
        "name": "image",
        "image": pipeline.job_image or _IMAGE,
        "environment": {
            "IMAGE": pipeline.image.name,
            # Woodpecker puts its own variables in before the file is read.
            "REVISION": "${CI_COMMIT_SHA}",
            "REGISTRY_USER": {"from_secret": "registry_user"},
            "REGISTRY_PASSWORD": {"from_secret": "registry_password"},
        },
        "commands": [*scripts, _SHOW_REPORT],
    }
    if pipeline.cache is CacheKind.FOLDER:
        # A trusted repository may name a volume of the agent.
        step["volumes"] = [f"locald-cache:{_CACHE_FOLDER}"]
    document: dict[str, Any] = {
        "when": [{"event": "push", "branch": pipeline.branch}],
        **({"labels": {"runner": pipeline.runner}} if pipeline.runner else {}),
        "steps": [step],
    }
    return yaml_text(_COMMENT, document)
