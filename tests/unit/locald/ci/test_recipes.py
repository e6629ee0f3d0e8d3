"""Pipelines in the form of each system, against the schemas that their makers publish.

GitHub's, GitLab's and Woodpecker's come with check-jsonschema; Tekton's is in this folder. Jenkins
has none: its file is held against the grammar of Groovy's strings and brackets.
"""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from locald.ci.pipeline import CacheKind, Pipeline, System
from locald.ci.recipe import recipe
from oci.reference import Reference
from tests.support.ci_scripts import groovy_strings

_VENDORED = {
    System.GITHUB: "github-workflows",
    System.GITLAB: "gitlab-ci",
    System.WOODPECKER: "woodpecker-ci",
}
_TEKTON = Path(__file__).with_name("tekton-v1.json")
PLAIN = Pipeline(
    image=Reference.parse("registry.example/team/app"),
    branch="main",
    path=".",
    requirement="git+https://git.example/locald.git@v1",
    cache=CacheKind.IMAGE,
)
FULL = Pipeline(
    image=Reference.parse("registry.example:5000/team/app"),
    branch="release/2",
    path="services/web",
    requirement="locald @ https://files.example/locald-0.1.0-py3-none-any.whl",
    cache=CacheKind.FOLDER,
    job_image="registry.example/ci/locald:1",
    runner="linux-big",
    flags=("-B", "registry.example/builder:1", "-e", "GREETING=it's \\ here"),
)


def problems(system: System, text: str) -> list[str]:
    """What the schema of a system has against a pipeline file."""
    if system is System.TEKTON:
        schema = json.loads(_TEKTON.read_text())
        return [
            problem
            for document in yaml.safe_load_all(text)
            for problem in _problems(
                {"$ref": f"#/definitions/v1.{document['kind']}", **schema}, document
            )
        ]
    # YAML 1.1, which PyYAML reads, takes a bare `on` for true; ours is quoted.
    name = f"builtin_schemas/vendor/{_VENDORED[system]}.json"
    schema = json.loads((files("check_jsonschema") / name).read_text())
    return _problems(schema, yaml.safe_load(text))


def _problems(schema: dict[str, Any], document: object) -> list[str]:
    found = jsonschema.Draft7Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]


WITH_SCHEMA = [system for system in System if system is not System.JENKINS]


@pytest.mark.parametrize("pipeline", [PLAIN, FULL], ids=["plain", "full"])
@pytest.mark.parametrize("system", WITH_SCHEMA)
def test_a_pipeline_has_the_form_of_its_system(system: System, pipeline: Pipeline) -> None:
    assert problems(system, recipe(system, pipeline)) == []


@pytest.mark.parametrize(
    ("system", "good", "bad"),
    [
        (System.GITHUB, "runs-on:", "run-on:"),
        (System.GITLAB, "when: always", "when: sometimes"),
        (System.WOODPECKER, "event: push", "event: pushed"),
        (System.TEKTON, "mountPath: /auth", "mountPth: /auth"),
        (System.TEKTON, "podTemplate:", "podTemplat:"),
    ],
)
def test_the_schemas_find_mistakes(system: System, good: str, bad: str) -> None:
    text = recipe(system, PLAIN)
    assert good in text
    assert problems(system, text.replace(good, bad)) != []


@pytest.mark.parametrize("pipeline", [PLAIN, FULL], ids=["plain", "full"])
def test_a_jenkinsfile_is_closed_strings_and_brackets(pipeline: Pipeline) -> None:
    text = recipe(System.JENKINS, pipeline)
    assert "@" not in re.sub(r"'''.*?'''", "", text, flags=re.DOTALL)  # every place is filled
    rest, _ = groovy_strings(text)
    rest = re.sub(r"(?m)^\s*//.*$", "", rest)
    opened: list[str] = []
    for sign in re.findall(r"[()\[\]{}]", rest):
        if sign in "([{":
            opened.append(sign)
        else:
            assert opened.pop() + sign in ("()", "[]", "{}")
    assert opened == []
    for section in ("pipeline", "agent", "options", "environment", "stages", "post"):
        assert len(re.findall(rf"(?m)^\s*{section} ", rest)) == 1, section


@pytest.mark.parametrize("system", list(System))
def test_everything_that_was_asked_for_is_in_it(system: System) -> None:
    text = recipe(system, FULL)
    for word in (
        "registry.example:5000/team/app",
        "release/2",
        "services/web",
        "locald-0.1.0-py3-none-any.whl",
        "registry.example/ci/locald:1",
        "linux-big",
        "--cache ",
    ):
        assert word in text, word


@pytest.mark.parametrize("system", list(System))
def test_no_script_has_what_a_system_would_replace(system: System) -> None:
    """`${…}` is GitHub's and Woodpecker's, `$(params…)` Tekton's."""
    lines = [line for line in recipe(system, FULL).splitlines() if "${" in line]
    allowed = (
        "${{ github.sha }}",
        "${{ secrets.REGISTRY_",
        "${CI_COMMIT_SHA}",
        "${env.GIT_COMMIT}",
    )
    assert [line for line in lines if not any(word in line for word in allowed)] == []
