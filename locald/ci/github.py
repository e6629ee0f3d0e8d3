"""GitHub Actions: `.github/workflows/image.yml`. Forgejo Actions reads the same."""

from typing import Any

from locald.ci.pipeline import CACHE_FOLDER, REPORT, CacheKind, Pipeline
from locald.ci.scripts import build_script, install_script, login_script, namespaces_script
from locald.ci.yaml_form import yaml_text

_RUNNER = "ubuntu-24.04"
_AUTH_FILE = "$RUNNER_TEMP/locald-auth.json"
_COMMENT = """\
.github/workflows/image.yml (Forgejo: .forgejo/workflows/image.yml), written by `locald ci github`.
Secrets of the repository: REGISTRY_USER, REGISTRY_PASSWORD.
"""


def github_workflow(pipeline: Pipeline) -> str:
    """The workflow file."""
    job: dict[str, Any] = {"runs-on": pipeline.runner or _RUNNER}
    if pipeline.job_image is not None:
        job["container"] = {"image": pipeline.job_image}
    job |= {
        "timeout-minutes": 60,
        "env": {"IMAGE": pipeline.image.name, "REVISION": "${{ github.sha }}"},
        "defaults": {"run": {"shell": "sh"}},
        "steps": list(_steps(pipeline)),
    }
    return yaml_text(
        _COMMENT,
        {
            "name": "image",
            "on": {"push": {"branches": [pipeline.branch]}},
            "permissions": {"contents": "read"},
            "jobs": {"image": job},
        },
    )


def _steps(pipeline: Pipeline) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = [
        {"uses": "actions/checkout@v4", "with": {"persist-credentials": False}}
    ]
    if pipeline.job_image is None:
        steps.append({"name": "Allow user namespaces", "run": namespaces_script()})
    steps.append({"name": "Install locald", "run": install_script(pipeline)})
    if pipeline.cache is CacheKind.FOLDER:
        prefix = f"locald-{pipeline.branch}-"
        steps.append(
            {
                "uses": "actions/cache@v4",
                "with": {
                    "path": CACHE_FOLDER,
                    "key": prefix + "${{ github.sha }}",
                    "restore-keys": prefix,
                },
            }
        )
    secrets = {
        name: f"${{{{ secrets.{name} }}}}" for name in ("REGISTRY_USER", "REGISTRY_PASSWORD")
    }
    return [
        *steps,
        {"name": "Log in", "env": secrets, "run": login_script(pipeline, auth_file=_AUTH_FILE)},
        {"name": "Build and push", "run": build_script(pipeline, auth_file=_AUTH_FILE)},
        {
            "uses": "actions/upload-artifact@v4",
            "if": "always()",
            "with": {"name": "report", "path": REPORT, "if-no-files-found": "ignore"},
        },
    ]
