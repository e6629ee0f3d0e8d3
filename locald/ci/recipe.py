"""The pipeline file of any system."""

from typing import assert_never

from locald.ci.github import github_workflow
from locald.ci.gitlab import gitlab_pipeline
from locald.ci.jenkins import jenkinsfile
from locald.ci.pipeline import Pipeline, System
from locald.ci.tekton import tekton_task
from locald.ci.woodpecker import woodpecker_workflow


def recipe(system: System, pipeline: Pipeline) -> str:
    """Its text, ready to be committed."""
    match system:
        case System.GITHUB:
            return github_workflow(pipeline)
        case System.GITLAB:
            return gitlab_pipeline(pipeline)
        case System.TEKTON:
            return tekton_task(pipeline)
        case System.JENKINS:
            return jenkinsfile(pipeline)
        case System.WOODPECKER:
            return woodpecker_workflow(pipeline)
        case _:
            assert_never(system)
