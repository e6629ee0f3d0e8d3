"""docs/from-pack.md: every flag of pack is told about, and every flag that we name exists."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.cli_reference import command_tree

PAGE = Path(__file__).parents[3] / "docs/from-pack.md"

# `pack build --help` of pack 0.40.6.
PACK_FLAGS = (
    "--builder", "--buildpack", "--buildpack-registry", "--cache", "--cache-image",
    "--clear-cache", "--creation-time", "--default-process", "--descriptor",
    "--disable-system-buildpacks", "--docker-host", "--env", "--env-file", "--exec-env",
    "--extension", "--gid", "--insecure-registry", "--interactive", "--lifecycle-image",
    "--network", "--path", "--platform", "--post-buildpack", "--pre-buildpack",
    "--previous-image", "--publish", "--pull-policy", "--report-output-dir", "--run-image",
    "--sbom-output-dir", "--sparse", "--tag", "--trust-builder", "--trust-extra-buildpacks",
    "--uid", "--userns-host", "--volume", "--workspace",
)  # fmt: skip
WITHOUT_COUNTERPART = {"--buildpack-registry"}


@pytest.fixture(scope="module")
def build() -> Any:
    return dict(command_tree())["locald build"]


@pytest.mark.parametrize("flag", PACK_FLAGS)
def test_a_flag_of_pack_has_its_row_and_works_here(flag: str, build: Any) -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("|")]
    assert any(f"`{flag}`" in row.split("|")[1] for row in rows), flag
    ours = {name for option in build.params for name in (*option.opts, *option.secondary_opts)}
    assert (flag in ours) != (flag in WITHOUT_COUNTERPART)


def test_our_flags_on_the_page_exist(build: Any) -> None:
    ours = {name for option in build.params for name in option.opts}
    commands = {name for _, command in command_tree() for p in command.params for name in p.opts}
    named = set(re.findall(r"`(--[a-z-]+)", PAGE.read_text()))
    assert named - ours - commands <= {"--buildpack-registry", "--no-color", "--force-color"}
