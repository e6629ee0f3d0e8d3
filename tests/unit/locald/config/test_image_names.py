"""What an image is called, and by what names this host may know it."""

from pathlib import Path

import pytest

from locald.config.build_flags import BuildFlags
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError


def request(folder: Path, build: str, flags: BuildFlags | None = None) -> BuildRequest:
    project = folder / "shop"
    project.mkdir(exist_ok=True)
    (project / "locald.toml").write_text(f"[service.web.build]\n{build}\n")
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(folder / "config")})
    given = flags or BuildFlags()
    (only,) = read_requests(BuildFlags(path=project, tags=given.tags, publish=given.publish), paths)
    return only


def names(made: BuildRequest) -> tuple[list[str], list[str]]:
    return [str(name) for name in made.names], [str(name) for name in made.local_names]


REGISTRY_AND_LOCAL = 'tags = ["ghcr.io/acme/shop:1", "shop:dev", "docker.io/library/python:3"]'


def test_names_of_registries_count_with_publish(tmp_path: Path) -> None:
    made = request(tmp_path, REGISTRY_AND_LOCAL, BuildFlags(publish=True))
    assert names(made) == (
        ["ghcr.io/acme/shop:1", "docker.io/library/python:3"],
        ["localhost/shop:dev"],
    )
    assert made.notes == ()


def test_without_publish_the_image_has_local_names_only(tmp_path: Path) -> None:
    made = request(tmp_path, REGISTRY_AND_LOCAL)
    assert names(made) == (["localhost/shop:dev"], ["localhost/shop:dev"])
    (note,) = made.notes
    assert note.endswith(
        "shop/locald.toml: service.web.build.tags: with --publish only: ghcr.io/acme/shop:1, "
        "python:3; here the image is shop:dev"
    )


def test_a_project_that_names_only_registries_is_called_after_itself_here(tmp_path: Path) -> None:
    assert names(request(tmp_path, 'tags = ["ghcr.io/acme/shop"]')) == (
        ["localhost/shop:latest"],
        ["localhost/shop:latest"],
    )
    published = request(tmp_path, 'tags = ["ghcr.io/acme/shop"]', BuildFlags(publish=True))
    assert names(published) == (["ghcr.io/acme/shop:latest"], ["localhost/shop:latest"])


def test_the_user_may_use_any_name(tmp_path: Path) -> None:
    made = request(tmp_path, REGISTRY_AND_LOCAL, BuildFlags(tags=("ghcr.io/acme/shop:2",)))
    assert names(made) == (["ghcr.io/acme/shop:2"], ["ghcr.io/acme/shop:2"])


def test_a_project_cannot_take_the_names_of_locald_s_own_images(tmp_path: Path) -> None:
    for build, key in (
        ('tags = ["locald/builder:embedded"]', "tags: locald/builder:embedded"),
        ('tags = ["localhost/imported/builder"]', "tags: imported/builder:latest"),
        ('output = "containers-storage:locald/builder:embedded"', "output: locald/builder"),
    ):
        with pytest.raises(UsageError, match="cannot take a name of locald's own") as caught:
            request(tmp_path, build)
        assert f"locald.toml: service.web.build.{key}" in caught.value.message
    assert names(request(tmp_path, 'tags = ["locald"]'))[0] == ["localhost/locald:latest"]


def test_a_tag_with_a_digest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no digest yet"):
        request(tmp_path, f'tags = ["shop@sha256:{"0" * 64}"]')
