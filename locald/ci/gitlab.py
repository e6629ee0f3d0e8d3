"""GitLab CI: `.gitlab-ci.yml`, for a runner whose executor is rootless podman."""

import json
from typing import Any

from locald.ci.pipeline import CACHE_FOLDER, REPORT, CacheKind, Pipeline
from locald.ci.scripts import build_script, install_script, login_script
from locald.ci.yaml_form import yaml_text

_IMAGE = "debian:12"
_COMMENT = """\
.gitlab-ci.yml, written by `locald ci gitlab`. The runner's containers are rootless podman's.
Masked CI/CD variables: REGISTRY_USER, REGISTRY_PASSWORD.
"""


def gitlab_pipeline(pipeline: Pipeline) -> str:
    """The pipeline file."""
    job: dict[str, Any] = {
        "image": pipeline.job_image or _IMAGE,
        **({"tags": [pipeline.runner]} if pipeline.runner else {}),
        "rules": [{"if": f"$CI_COMMIT_BRANCH == {json.dumps(pipeline.branch)}"}],
        "timeout": "1 hour",
        "variables": {
            "IMAGE": pipeline.image.name,
            "REVISION": "$CI_COMMIT_SHA",
            # On the volume of the builds, not in the container's own layers.
            "LOCALD_DATA_DIR": "$CI_BUILDS_DIR/.locald",
        },
        "script": [install_script(pipeline), login_script(pipeline), build_script(pipeline)],
        "artifacts": {"when": "always", "paths": [REPORT]},
    }
    if pipeline.cache is CacheKind.FOLDER:
        job["cache"] = {"key": "locald-$CI_COMMIT_REF_SLUG", "paths": [f"{CACHE_FOLDER}/"]}
    return yaml_text(_COMMENT, {"build-image": job})
