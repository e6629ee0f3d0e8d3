"""What a request says about the source: which folder, which descriptor, which rules."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from locald.config.build_flags import BuildFlags
from locald.config.module_source import ModulePath
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError
from oci.location import ImageLocation


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def requests(flags: BuildFlags | None = None) -> tuple[BuildRequest, ...]:
    paths = Paths.from_environment({"HOME": "/nowhere"})
    return read_requests(flags or BuildFlags(), paths, {})


def request(flags: BuildFlags | None = None) -> BuildRequest:
    (only,) = requests(flags)
    return only


def refusal(flags: BuildFlags | None = None) -> UsageError:
    with pytest.raises(UsageError) as caught:
        requests(flags)
    return caught.value


SERVICES = """
[project]
name = "shop"
[service.api]
path = "services/api"
build = true
[service.web]
path = "services/web"
[service.web.build]
exclude = ["*.md"]
env_file = "web.env"
"""


def test_a_service_builds_its_own_folder(project: Path) -> None:
    write(
        project,
        {
            "locald.toml": SERVICES,
            "web.env": "A=1",
            "project.toml": '[io.buildpacks]\nbuilder = "of-the-root"\n',
            "services/api/project.toml": '[io.buildpacks]\nbuilder = "of-api"\nexclude = ["x"]\n',
            "services/web/.cnbignore": "*.log\n",
        },
    )
    api, web = requests()
    assert (api.app_dir, web.app_dir) == (project / "services/api", project / "services/web")
    assert (api.project_dir, web.project_dir) == (project, project)
    assert [str(name.repository) for name in (*api.names, *web.names)] == ["shop-api", "shop-web"]
    assert str(api.builder).startswith("docker.io/library/of-api")
    assert "of-the-root" not in str(web.builder)
    assert api.source_rules.where == "services/api/project.toml: io.buildpacks"
    assert web.source_rules.where == "locald.toml: service.web.build"
    assert web.env == {"A": "1"}


def test_a_descriptor_of_the_command_line_is_for_every_service(project: Path) -> None:
    write(
        project,
        {
            "locald.toml": SERVICES,
            "web.env": "",
            "services/api/project.toml": '[io.buildpacks]\nbuilder = "of-api"\n',
            "services/web/x": "",
            "other.toml": '[io.buildpacks]\nbuilder = "other"\n',
        },
    )
    for made in requests(BuildFlags(descriptor=Path("other.toml"))):
        assert str(made.builder) == "docker.io/library/other:latest"
        assert made.origins["builder"] == "other.toml: io.buildpacks.builder"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../elsewhere", "../elsewhere is outside the project"),
        ("/etc", "/etc is outside the project"),
        ("link", "link is outside the project"),
        ("nowhere", "'nowhere' is not a folder of the project"),
        ("file", "'file' is not a folder of the project"),
        ("round", "'round' cannot be found"),
    ],
)
def test_a_services_folder_is_one_of_the_project(project: Path, path: str, message: str) -> None:
    write(project, {"file": "", "locald.toml": f'[service.api]\nbuild = true\npath = "{path}"\n'})
    (project.parent / "elsewhere").mkdir()
    (project / "link").symlink_to("../elsewhere")
    (project / "round").symlink_to("round")
    assert refusal().message.startswith(f"locald.toml: service.api.path: {message}")


def test_the_projects_own_folder_is_no_other(project: Path) -> None:
    write(project, {"locald.toml": '[service.api]\nbuild = true\npath = "."\n'})
    assert request().app_dir == project


def test_paths_of_a_descriptor_start_beside_it(project: Path) -> None:
    group = '[[io.buildpacks.group]]\nuri = "bp"\n[io.buildpacks]\nbuilder = "oci:builder"\n'
    write(
        project,
        {
            "ci/project.toml": group,
            "ci/bp/buildpack.toml": "",
            "../shared/descriptor.toml": group,
            "../shared/bp/buildpack.toml": "",
        },
    )
    for folder in (project / "ci", project.parent / "shared"):
        (file,) = folder.glob("*.toml")
        made = request(BuildFlags(descriptor=Path(os.path.relpath(file))))
        assert isinstance(made.modules.order[0].source, ModulePath)
        assert made.modules.order[0].source.path == folder / "bp"
        assert isinstance(made.builder, ImageLocation)
        assert made.builder.path == folder / "builder"


@pytest.mark.parametrize(
    ("file", "uri", "allowed"),
    [
        ("ci/project.toml", "../bp", True),  # still in the project
        ("ci/project.toml", "../../bp", False),
        ("../shared/project.toml", "bp", True),
        ("../shared/project.toml", "../bp", False),
        ("../shared/project.toml", "../shop/bp", False),
        ("../project.toml", "shop/bp", True),  # a folder above the project is its own
    ],
)
def test_a_descriptor_does_not_lead_out(
    project: Path, file: str, uri: str, *, allowed: bool
) -> None:
    write(
        project,
        {
            file: f'[[io.buildpacks.group]]\nuri = "{uri}"\n',
            "bp/buildpack.toml": "",
            "../bp/buildpack.toml": "",
            "../shared/bp/buildpack.toml": "",
        },
    )
    flags = BuildFlags(descriptor=Path(file))
    if allowed:
        assert request(flags).modules.order
    else:
        assert "outside the project" in refusal(flags).message


def test_a_descriptor_that_is_not_there(project: Path) -> None:
    message = refusal(BuildFlags(descriptor=Path("gone.toml"))).message
    assert message == "--descriptor: gone.toml: no such file"


def test_a_mistake_in_a_named_descriptor_names_it(project: Path) -> None:
    write(project, {"ci/p.toml": "[io.buildpacks]\nbuilder = 1\n"})
    message = refusal(BuildFlags(descriptor=Path("ci/p.toml"))).message
    assert message == "ci/p.toml: io.buildpacks.builder: expected text, found integer 1"


def test_cnbignore_counts_where_nothing_else_has_patterns(project: Path) -> None:
    write(project, {".cnbignore": "*.log\n!keep.log\n"})
    made = request()
    assert made.source_rules.cnbignore is not None
    assert made.source_rules.cnbignore.lines == ("*.log", "!keep.log")
    assert made.origins["source_rules"] == ".cnbignore"
    write(project, {"project.toml": '[io.buildpacks]\nexclude = ["x"]\n'})
    assert request().source_rules.cnbignore is None


def test_a_cnbignore_that_cannot_be_used(project: Path) -> None:
    write(project, {".cnbignore": "ok\na[b\n", "../outside": "x"})
    assert refusal().message == ".cnbignore:2: 'a[b' has a [ without its ]"
    (project / ".cnbignore").unlink()
    (project / ".cnbignore").symlink_to("../outside")
    assert refusal().message == ".cnbignore: .cnbignore is outside the project"
    (project / ".cnbignore").unlink()
    (project / ".cnbignore").mkdir()
    assert refusal().message == ".cnbignore: is a folder, expected a file"


def test_ignore_files_of_a_flag_replace_those_of_the_project(project: Path) -> None:
    write(
        project,
        {
            ".gitignore": "a",
            ".dockerignore": "b",
            "../mine": "c",
            "locald.toml": '[service.web.build]\nignore_files = [".gitignore", ".dockerignore"]\n',
        },
    )
    labels = [file.label for file in request().source_rules.ignore_files]
    assert labels == [".gitignore", ".dockerignore"]
    made = request(BuildFlags(ignore_files=(Path("../mine"),)))
    assert [file.lines for file in made.source_rules.ignore_files] == [("c",)]
    assert made.origins["ignore_files"] == "--ignore-file"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("../mine", "../mine is outside the project"),
        ("link", "link is outside the project"),
        ("gone", "gone: cannot be read: no such file or directory"),
    ],
)
def test_a_project_names_ignore_files_of_its_own(project: Path, named: str, message: str) -> None:
    text = f'[service.web.build]\nignore_files = "{named}"\n'
    write(project, {"../mine": "c", "locald.toml": text})
    (project / "link").symlink_to("../mine")
    assert message in refusal().message


def test_an_ignore_file_of_a_flag_that_is_wrong(project: Path) -> None:
    write(project, {"web.dockerignore": "a\n!\n"})
    flags = BuildFlags(ignore_files=(Path("web.dockerignore"),))
    assert refusal(flags).message == "web.dockerignore:2: '!' is no pattern"
    flags = BuildFlags(ignore_files=(Path("gone"),))
    assert refusal(flags).message == "--ignore-file: gone: no such file"


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("acme/shop", "to name the image, add --tag acme/shop; PATH is the source"),
        (
            "reg.example/shop:1",
            "to name the image, add --tag reg.example/shop:1; PATH is the source",
        ),
        ("../gone", ""),
        ("/gone", ""),
        ("No Image", ""),
    ],
)
def test_a_path_that_may_be_meant_as_a_name(project: Path, path: str, hint: str) -> None:
    refused = refusal(BuildFlags(path=Path(path)))
    assert refused.message.endswith("no such folder")
    assert refused.hint == hint


def test_an_archive_is_known_by_its_own_name(project: Path) -> None:
    archive = project.parent / "My Shop 1.2.tar.gz"
    (made,) = read_requests(
        BuildFlags(path=project), Paths.from_environment({"HOME": "/nowhere"}), {}, archive=archive
    )
    assert made.archived
    assert (made.app_dir, made.project_dir) == (project, archive)
    assert made.project_name == "My Shop 1.2"
    assert made.origins["names"] == "the archive's name"
    assert [name.repository for name in made.names] == ["my-shop-1-2"]


def test_an_image_is_not_put_into_an_archive(project: Path) -> None:
    write(project, {"locald.toml": '[service.web.build]\noutput = "oci:out"\n'})
    paths = Paths.from_environment({"HOME": "/nowhere"})
    archive = project.parent / "a.zip"
    with pytest.raises(UsageError) as caught:
        read_requests(BuildFlags(), paths, {}, archive=archive)
    assert caught.value.message == (
        "locald.toml: service.web.build.output: the project is in an archive, and cannot take "
        "the image in"
    )
    assert read_requests(BuildFlags(outputs=("oci:x",)), paths, {}, archive=archive)
