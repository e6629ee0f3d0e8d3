"""Jenkins: a declarative Jenkinsfile."""

from locald.ci.pipeline import CACHE_FOLDER, REPORT, CacheKind, Pipeline
from locald.ci.scripts import build_script, install_script, login_script

# Beside the workspace, and removed at the end.
_AUTH_FILE = "$WORKSPACE_TMP/locald-auth.json"

_JENKINSFILE = """\
// Jenkinsfile, written by `locald ci jenkins`.
// For a multibranch pipeline. Credentials: "username with password", with the id `registry`.
pipeline {
    agent @AGENT@
    options {
        timeout(time: 1, unit: 'HOURS')
        disableConcurrentBuilds()
    }
    environment {
        IMAGE = @IMAGE@
        REVISION = "${env.GIT_COMMIT}"
    }
    stages {
        stage('Install locald') {
            when { branch @BRANCH@ }
            steps {
                sh @INSTALL@
            }
        }
        stage('Build and push') {
            when { branch @BRANCH@ }
            steps {
                withCredentials([usernamePassword(
                    credentialsId: 'registry',
                    usernameVariable: 'REGISTRY_USER',
                    passwordVariable: 'REGISTRY_PASSWORD'
                )]) {
                    sh @LOGIN@
                }
                sh @BUILD@
            }
        }
    }
    post {
        always {
            sh 'rm -f "@FILE@"'
            archiveArtifacts artifacts: '@REPORT@', allowEmptyArchive: true
        }
    }
}
"""
_KEPT = f"    // The cache is the folder {CACHE_FOLDER} of the workspace: keep it between builds.\n"


def jenkinsfile(pipeline: Pipeline) -> str:
    """The Jenkinsfile."""
    values = {
        "AGENT": _agent(pipeline),
        "IMAGE": _quoted(pipeline.image.name),
        "BRANCH": _quoted(pipeline.branch),
        "REPORT": REPORT,
        "FILE": _AUTH_FILE,
        "INSTALL": _block(install_script(pipeline)),
        "LOGIN": _block(login_script(pipeline, auth_file=_AUTH_FILE)),
        "BUILD": _block(build_script(pipeline, auth_file=_AUTH_FILE)),
    }
    text = _JENKINSFILE
    if pipeline.cache is CacheKind.FOLDER:
        text = text.replace("    environment {\n", f"{_KEPT}    environment {{\n")
    # One pass: a value that looks like a place is left alone.
    parts = text.split("@")
    return "".join(values.get(part, part) for part in parts)


def _agent(pipeline: Pipeline) -> str:
    label = f" label {_quoted(pipeline.runner)}" if pipeline.runner else ""
    if pipeline.job_image is None:
        return f"{{{label} }}" if label else "any"
    inner = "; ".join(filter(None, (f"image {_quoted(pipeline.job_image)}", label.strip())))
    return f"{{ docker {{ {inner} }} }}"


def _quoted(text: str) -> str:
    """A string of Groovy's in which nothing is replaced."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _block(script: str) -> str:
    """The same of several lines."""
    escaped = script.replace("\\", "\\\\").replace("'''", "\\'\\'\\'")
    return f"'''\\\n{escaped}'''"
