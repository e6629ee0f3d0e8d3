"""Several services of one project: built side by side, failing and interrupted one by one."""

import signal
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished, Running
from tests.support.e2e import BUILDER, Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until


class Project:
    """A project whose services each have a buildpack of their own."""

    def __init__(self, installation: Installation, folder: Path, builds: Mapping[str, str]) -> None:
        self.installation = installation
        self.folder = folder
        self.buildpacks = {
            name: BuildpackFolder.make(folder / f"bp-{name}", id=f"e2e/{name}", build=build)
            for name, build in builds.items()
        }
        (folder / "locald.toml").write_text(
            "".join(
                f"[service.{name}.build]\n"
                f'buildpacks = ["./bp-{name}"]\n'
                f'tags = ["{installation.prefix}/{folder.name}-{name}"]\n'
                f'output = "oci:out:{name}"\n'
                for name in builds
            )
        )

    def name(self, service: str) -> str:
        return f"localhost/{self.installation.prefix}/{self.folder.name}-{service}"

    def start(self, *flags: str) -> Running:
        return self.installation.locald.start(*self.arguments(*flags), "--progress", "json")

    def build(self, *flags: str) -> Finished:
        return self.installation.locald.run(*self.arguments(*flags))

    def arguments(self, *flags: str) -> tuple[str, ...]:
        return ("build", str(self.folder), "--builder", BUILDER, *flags)


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_all_services_are_built_and_told_in_their_order(
    installation: Installation, make: AppMaker, jobs: str
) -> None:
    project = Project(installation, make(), {"web": BUILDS, "api": BUILDS, "job": BUILDS})
    result = project.build("--jobs", jobs)
    assert result.code == 0, result.output
    names = [line.partition("@")[0] for line in result.stdout.splitlines()]
    assert names == [project.name(service) for service in ("web", "api", "job")]
    for service in ("web", "api", "job"):
        assert f"[{service}] export" in result.stderr


def test_services_really_run_at_the_same_time(installation: Installation, make: AppMaker) -> None:
    project = Project(installation, make(), {"web": BUILDS, "api": BUILDS})
    project.buildpacks["web"].hold("build")
    with project.start("-j", "2") as build:
        build.wait_for_event("phase-finished", service="api", phase="export")
        build.wait_for_event("line", service="web", text="holding build")
        project.buildpacks["web"].release()
        finished = build.finish()
    assert finished.code == 0, finished.output


def test_a_failing_service_leaves_the_others_alone(
    installation: Installation, make: AppMaker
) -> None:
    broken = {"broken": "echo I cannot; exit 1", "fine": BUILDS}
    project = Project(installation, make(), broken)
    result = project.build("-j", "2")
    assert result.code == 51
    assert "error: broken: " in result.stderr
    assert "1 of 2 services failed" in result.stderr
    assert [line.partition("@")[0] for line in result.stdout.splitlines()] == [project.name("fine")]
    assert installation.layout_of(project.name("fine")).read().config.labels


def test_an_interruption_ends_all_of_them(installation: Installation, make: AppMaker) -> None:
    project = Project(installation, make(), {"web": BUILDS, "api": BUILDS})
    for buildpack in project.buildpacks.values():
        buildpack.hold("build")
    work = installation.paths.ensure(installation.paths.work)
    before = set(work.iterdir())
    with project.start("-j", "2") as build:
        for service in project.buildpacks:
            build.wait_for_event("phase-started", service=service, phase="build")
        folders = set(work.iterdir()) - before
        session = build.pid
        build.send(signal.SIGTERM)
        finished = build.finish(seconds=60)
    assert finished.code == 143
    assert not finished.stdout
    assert wait_until(lambda: not processes_of(session, *folders), seconds=5)
    assert not {folder for folder in folders if folder.exists()}


def test_one_place_for_several_images_is_refused(
    installation: Installation, make: AppMaker
) -> None:
    project = Project(installation, make(), {"web": BUILDS, "api": BUILDS})
    result = project.build("--output", "oci:x")
    assert result.code == 2
    assert "--output is for one image, but 2 services are built: web, api" in result.stderr
