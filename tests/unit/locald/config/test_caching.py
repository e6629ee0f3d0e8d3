"""Where caches are: --cache in our words and in pack's, --cache-image, --cache-from, the key."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from locald.config.build_flags import BuildFlags
from locald.config.caching import CacheRequest
from locald.config.ignore import scan_source
from locald.config.resolve import read_requests
from locald.config.settings import settings
from locald.paths import Paths
from oci.errors import UsageError
from oci.location import ImageLocation, Transport
from oci.reference import Reference

WEB = "[service.web.build]\n"
BOTH = "[service.web]\nbuild = true\n[service.api]\nbuild = true\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return folder


def resolved(project: Path, *, locald: str | None = None, **flags: Any) -> list[CacheRequest]:
    if locald is not None:
        (project / "locald.toml").write_text(locald)
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    return [request.caching for request in read_requests(BuildFlags(**flags), paths, {})]


def one(project: Path, *, locald: str | None = None, **flags: Any) -> CacheRequest:
    (only,) = resolved(project, locald=locald, **flags)
    return only


def registry(text: str) -> ImageLocation:
    return ImageLocation.registry(Reference.parse(text))


def test_without_a_word_there_is_the_usual_place(project: Path) -> None:
    assert one(project) == CacheRequest()


@pytest.mark.parametrize(
    ("text", "folder"),
    [
        ("cache", "{cwd}/cache"),
        ("../cache", "{cwd}/../cache"),
        ("/var/cache/x", "/var/cache/x"),
        ("~/c", "{home}/c"),
        ("type=build;format=bind;source=DIR", "{cwd}/DIR"),
        ("format=bind;source=/abs", "/abs"),
        ("source=a=b;format=bind", "{cwd}/a=b"),
        ("my=folder", "{cwd}/my=folder"),
    ],
)
def test_a_folder(project: Path, text: str, folder: str) -> None:
    expected = folder.format(cwd=project, home=project.parent / "home")
    assert one(project, cache=text) == CacheRequest(folder=Path(expected))


@pytest.mark.parametrize("text", ["type=build;format=image;name=host.example/a/b:c", ""])
def test_an_image_by_either_flag(project: Path, text: str) -> None:
    flags: Mapping[str, Any] = {"cache": text} if text else {"cache_image": "host.example/a/b:c"}
    assert one(project, **flags) == CacheRequest(image=registry("host.example/a/b:c"))


def test_a_folder_and_an_image_together(project: Path) -> None:
    made = one(project, cache="c", cache_image="oci:d")
    assert made.folder == project / "c"
    assert made.image == ImageLocation.layout(project / "d", "latest")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "--cache: names no folder"),
        ("a\0b", "--cache: names no folder"),
        ("file", "--cache: file is not a folder"),
        (".", "'.' is the project's folder itself"),
        ("file/below", "--cache: file/below is not a folder"),
        ("type=launch;format=bind;source=x", "there is no launch cache"),
        ("type=build;format=volume;name=x", "there are no volumes"),
        ("type=build", "there are no volumes"),
        ("type=other;format=bind;source=x", "type=other is no cache"),
        ("format=tar;source=x", "format=tar is no cache"),
        ("format=bind", "format=bind needs source=DIR"),
        ("format=bind;source=", "format=bind needs source=DIR"),
        ("format=image", "format=image needs name=IMAGE"),
        ("format=bind;sauce=x", "'sauce=x' is nothing that a cache has"),
        ("format=bind;format=bind", "is nothing that a cache has"),
        ("type=build;", "is nothing that a cache has"),
        ("format=image;name=UPPER", "--cache: not an image reference"),
    ],
)
def test_a_bad_cache_gets_one_message(project: Path, text: str, message: str) -> None:
    (project / "file").touch()
    with pytest.raises(UsageError) as caught:
        one(project, cache=text)
    assert caught.value.message.startswith("--cache: ")
    assert message in caught.value.message


@pytest.mark.parametrize("form", ["type=launch", "format=volume", "format=bind", "sauce=x"])
def test_what_pack_takes_and_we_do_not_says_what_to_write(project: Path, form: str) -> None:
    with pytest.raises(UsageError) as caught:
        one(project, cache=form if "=" in form and form != "sauce=x" else f"type=build;{form}")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("NO/UPPER", "not an image reference"),
        ("containers-storage:x", "a cache cannot be kept in containers-storage:"),
        ("docker-archive:x.tar", "a cache cannot be kept in docker-archive:"),
        ("dir:x", "a cache cannot be kept in dir:"),
        (f"host.example/a@sha256:{'0' * 64}", "can be read but not replaced"),
    ],
)
def test_a_bad_cache_image_gets_one_message(project: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        one(project, cache_image=text)
    assert caught.value.message.startswith("--cache-image: ")
    assert message in caught.value.message


def test_two_cache_images_are_one_too_many(project: Path) -> None:
    with pytest.raises(UsageError, match="--cache and --cache-image both name a cache image"):
        one(project, cache="format=image;name=a/b", cache_image="a/c")


def test_sources_are_folders_files_and_images_in_their_order(project: Path) -> None:
    (project / "there").mkdir()
    digest = f"host.example/a@sha256:{'0' * 64}"
    made = one(
        project,
        cache_from=("host.example/a:main", "there", "./not-there", "~/x", "oci:l:t", digest),
    )
    assert made.sources == (
        registry("host.example/a:main"),
        project / "there",
        project / "not-there",
        project.parent / "home/x",
        ImageLocation.layout(project / "l", "t"),
        registry(digest),
    )


@pytest.mark.parametrize("text", ["", "NO/UPPER", "containers-storage:x"])
def test_a_bad_source_names_its_flag(project: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"^--cache-from: "):
        one(project, cache_from=(text,))


def test_services_do_not_share_an_image(project: Path) -> None:
    made = resolved(
        project, locald=BOTH, cache_image="host.example/a:c",
        cache_from=("oci:l", f"host.example/a@sha256:{'0' * 64}", "oci-archive:x.tar", "./d"),
    )  # fmt: skip
    assert [str(m.image) for m in made] == [
        "docker://host.example/a:c-web", "docker://host.example/a:c-api",
    ]  # fmt: skip
    assert list(map(str, made[0].sources)) == [
        f"oci:{project}/l:latest-web",
        f"docker://host.example/a@sha256:{'0' * 64}",
        f"oci-archive:{project}/x-web.tar:latest",
        f"{project}/d",
    ]


def test_one_service_of_several_has_the_same_image_as_when_all_are_built(project: Path) -> None:
    made = one(project, locald=BOTH, service="api", cache_image="host.example/a")
    assert str(made.image) == "docker://host.example/a:latest-api"


def test_the_only_service_needs_no_suffix(project: Path) -> None:
    made = one(project, locald=WEB, cache_image="host.example/a")
    assert str(made.image) == "docker://host.example/a:latest"


def test_a_project_may_name_a_folder_of_its_own(project: Path) -> None:
    assert one(project, locald=WEB + 'cache = ".cache/locald"').folder == project / ".cache/locald"
    assert one(project, cache="other").folder == project / "other"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../outside", "is outside the project"),
        ("/etc", "is outside the project"),
        ("link", "is outside the project"),
        ("link/deeper", "is outside the project"),
        (".", "is the project's folder itself"),
        (".git/x", "cannot let a build write there"),
        ("file", "is not a folder"),
        ("a\\u0000b", "names no folder"),
    ],
)
def test_a_project_cannot_reach_out_of_its_folder(project: Path, text: str, message: str) -> None:
    (project / "link").symlink_to(project.parent)
    (project / "file").touch()
    with pytest.raises(UsageError) as caught:
        one(project, locald=f'{WEB}cache = "{text}"')
    assert caught.value.message.startswith("locald.toml: service.web.build.cache: ")
    assert message in caught.value.message


def test_a_projects_file_names_no_image_and_no_pack_form(project: Path) -> None:
    made = one(project, locald=WEB + 'cache = "format=image;name=host.example/x"')
    assert made.image is None
    assert made.folder == project / "format=image;name=host.example/x"


def test_where_each_came_from_can_be_shown(project: Path) -> None:
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    flags = BuildFlags(cache="c", cache_image="oci:d", cache_from=("e/f",), clear_cache=True)
    (request,) = read_requests(flags, paths, {})
    shown = {setting.name: setting for setting in settings(request)}
    assert {name: shown[name].origin for name in shown if "cache" in name} == {
        "cache": "--cache",
        "cache_image": "--cache-image",
        "cache_from": "--cache-from",
        "clear_cache": "--clear-cache",
    }
    assert shown["cache_image"].value == f"{Transport.OCI}:{project}/d:latest"


def hidden(project: Path, **flags: Any) -> list[str]:
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    (request,) = read_requests(BuildFlags(**flags), paths, {})
    return sorted(map(str, scan_source(request.app_dir, request.source_rules).hidden))


def test_no_cache_inside_the_project_gets_into_its_image(project: Path) -> None:
    for folder in ("cache/x", "image", "main", "cache2"):
        (project / folder).mkdir(parents=True)
        (project / folder / "file").touch()
    (project / "locald.toml").write_text("[service.web.build]\nexclude = ['*.md']\n")
    found = hidden(
        project, cache="cache", cache_image="oci:image", cache_from=("main", "../elsewhere")
    )
    assert found == ["cache", "image", "main"]


def test_a_link_to_a_cache_in_the_project_is_no_way_around(project: Path) -> None:
    (project / "real").mkdir()
    (project / "real/file").touch()
    (project.parent / "link").symlink_to(project / "real")
    assert hidden(project, cache="../link") == ["real"]
