"""Tekton: a Task that clones, builds and pushes, and a TaskRun that starts it."""

from typing import Any

from locald.ci.pipeline import REPORT, CacheKind, Pipeline
from locald.ci.scripts import build_script, install_script
from locald.ci.yaml_form import yaml_text

_API = "tekton.dev/v1"
_NAME = "locald-image"
_IMAGE = "debian:12"
_SOURCE = "/workspace/source"
_CACHE_FOLDER = "/workspace/cache"
_COMMENT = """\
Written by `locald ci tekton`: `kubectl apply` the Task, `kubectl create` the TaskRun.
Secret `registry-auth`, of the type kubernetes.io/dockerconfigjson. The pod has a user namespace of
its own (hostUsers: false), so its root is no root of the node.
"""

_CLONE = f"""\
set -eu
git clone --depth 1 --branch "$BRANCH" -- "$REPOSITORY" {_SOURCE}
cd {_SOURCE}
REVISION=$(git rev-parse HEAD)
export REVISION
"""
# What the next step, or the next task, may read.
_RESULTS = f"""\
cat {REPORT}
printf '%s' "$REVISION" >"$REVISION_RESULT"
"""


def tekton_task(pipeline: Pipeline) -> str:
    """Both documents."""
    return yaml_text(_COMMENT, _task(pipeline), _task_run(pipeline))


def _task(pipeline: Pipeline) -> dict[str, Any]:
    build = build_script(pipeline, auth_file="/auth/.dockerconfigjson", cache_folder=_CACHE_FOLDER)
    workspaces = [{"name": "registry-auth", "mountPath": "/auth", "readOnly": True}]
    if pipeline.cache is CacheKind.FOLDER:
        workspaces.append({"name": "cache", "mountPath": _CACHE_FOLDER})
    step = {
        "name": "image",
        "image": pipeline.job_image or _IMAGE,
        # Every value comes as a variable: none becomes part of the script.
        "env": [
            {"name": "IMAGE", "value": pipeline.image.name},
            {"name": "REPOSITORY", "value": "$(params.repository)"},
            {"name": "BRANCH", "value": "$(params.branch)"},
            {"name": "REVISION_RESULT", "value": "$(results.revision.path)"},
            {"name": "HOME", "value": "/root"},
            {"name": "LOCALD_DATA_DIR", "value": "/var/lib/locald"},
        ],
        "volumeMounts": [{"name": "data", "mountPath": "/var/lib/locald"}],
        "script": "\n".join(("#!/bin/sh", install_script(pipeline), _CLONE, build, _RESULTS)),
    }
    return {
        "apiVersion": _API,
        "kind": "Task",
        "metadata": {"name": _NAME},
        "spec": {
            "params": [
                {"name": "repository", "type": "string", "description": "What git clones."},
                {"name": "branch", "type": "string", "default": pipeline.branch},
            ],
            "results": [{"name": "revision", "description": "The commit, which is the tag too."}],
            "workspaces": workspaces,
            "volumes": [{"name": "data", "emptyDir": {}}],
            "steps": [step],
        },
    }


def _task_run(pipeline: Pipeline) -> dict[str, Any]:
    workspaces: list[dict[str, Any]] = [
        {"name": "registry-auth", "secret": {"secretName": "registry-auth"}}
    ]
    if pipeline.cache is CacheKind.FOLDER:
        claim = {"claimName": "locald-cache"}
        workspaces.append({"name": "cache", "persistentVolumeClaim": claim})
    selector = {"nodeSelector": {"runner": pipeline.runner}} if pipeline.runner else {}
    return {
        "apiVersion": _API,
        "kind": "TaskRun",
        "metadata": {"generateName": f"{_NAME}-"},
        "spec": {
            "taskRef": {"name": _NAME},
            "timeout": "1h",
            "podTemplate": {"hostUsers": False, **selector},
            "params": [{"name": "repository", "value": "https://git.example/team/app.git"}],
            "workspaces": workspaces,
        },
    }
