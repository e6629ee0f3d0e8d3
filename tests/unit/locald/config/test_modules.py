"""Which buildpacks a request asks for, and who decides."""

from pathlib import Path

import pytest

from lifecycle.inline_buildpack import InlineBuildpack
from locald.config.build_flags import BuildFlags
from locald.config.module_source import (
    BuilderOrder,
    ModuleEntry,
    ModuleId,
    ModuleImage,
    ModuleName,
    ModulePath,
    ModuleSource,
    ModuleUrl,
    parse_lifecycle,
    parse_module,
    split_modules,
)
from locald.config.modules import LifecycleEntry, ModuleRequest
from locald.config.request import BuildRequest
from locald.config.resolve import read_requests
from locald.paths import Paths
from oci.errors import UsageError
from oci.location import ImageLocation
from oci.reference import Reference
from oci.web_address import WebAddress

DESCRIPTOR = """
[_]
schema-version = "0.2"
[[io.buildpacks.group]]
id = "described/group"
version = "1"
[[io.buildpacks.pre.group]]
uri = "bp"
[[io.buildpacks.post.group]]
id = "described/post"
"""
HEX = "ab" * 32


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "app"
    for module in (folder / "bp", folder / "python", tmp_path / "outside"):
        module.mkdir(parents=True)
        if module.name != "python":
            (module / "buildpack.toml").write_text("")
    (folder / "bp.tgz").write_bytes(b"")
    (folder / "file").write_bytes(b"")
    monkeypatch.chdir(folder)
    return folder


def request(
    project: Path,
    flags: BuildFlags | None = None,
    *,
    locald: str = "",
    descriptor: str = "",
) -> BuildRequest:
    if locald:
        (project / "locald.toml").write_text(f"[service.web.build]\n{locald}")
    if descriptor:
        (project / "project.toml").write_text(descriptor)
    paths = Paths.from_environment({"LOCALD_CONFIG_DIR": str(project.parent / "config")})
    (made,) = read_requests(flags or BuildFlags(), paths, {})
    return made


def modules(
    project: Path, flags: BuildFlags | None = None, *, locald: str = "", descriptor: str = ""
) -> ModuleRequest:
    return request(project, flags, locald=locald, descriptor=descriptor).modules


def sources(entries: tuple[ModuleEntry, ...]) -> list[str]:
    return [str(entry.source) for entry in entries]


def named(text: str, image: str) -> ModuleName:
    return ModuleName(text, ModuleId(text), Reference.parse(image))


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("./bp", ModulePath(Path("bp"))),
        ("bp", ModulePath(Path("bp"))),
        ("bp.tgz", ModulePath(Path("bp.tgz"))),
        ("from=builder", BuilderOrder()),
        ("urn:cnb:builder", BuilderOrder()),
        ("urn:cnb:builder:acme/java", ModuleId("acme/java")),
        ("urn:cnb:builder:acme/java@1.2.3", ModuleId("acme/java", "1.2.3")),
        ("from=builder:acme/java@1.2.3", ModuleId("acme/java", "1.2.3")),
        ("acme/java@1.2.3", ModuleName("acme/java@1.2.3", ModuleId("acme/java", "1.2.3"), None)),
        ("java", ModuleName("java", ModuleId("java"), None)),
        ("python", ModuleName("python", ModuleId("python"), None)),
        ("acme/java", named("acme/java", "docker.io/acme/java:latest")),
        (
            "registry.example:5000/java:1",
            ModuleName(
                "registry.example:5000/java:1",
                None,
                Reference.parse("registry.example:5000/java:1"),
            ),
        ),
        (
            f"acme/java@sha256:{HEX}",
            ModuleName(f"acme/java@sha256:{HEX}", None, Reference.parse(f"acme/java@sha256:{HEX}")),
        ),
        (
            "docker://acme/java:1",
            ModuleImage(ImageLocation.registry(Reference.parse("acme/java:1"))),
        ),
        ("oci:bp:1", ModuleImage(ImageLocation.layout(Path("bp"), "1"))),
        ("https://host/a.tgz", ModuleUrl(WebAddress("https://host/a.tgz"))),
    ],
)
def test_what_a_text_means(project: Path, text: str, source: ModuleSource) -> None:
    match source:
        case ModulePath(path=path):
            source = ModulePath(project / path)
        case ModuleImage(image=ImageLocation(path=Path() as path, tag=tag)):
            source = ModuleImage(ImageLocation.layout(project / path, tag))
        case _:
            pass
    assert parse_module(text, relative_to=project) == source


def test_file_urls_are_paths(project: Path) -> None:
    (project / "a b").mkdir()
    (project / "a b/extension.toml").write_text("")
    for prefix in ("file://", "file://localhost"):
        text = f"{prefix}{project}/a%20b"
        assert parse_module(text, relative_to=project) == ModulePath(project / "a b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a buildpack: ''"),
        ("a\0b", r"not a buildpack: 'a\x00b'"),
        ("./nowhere", "no such file or folder: ./nowhere"),
        ("file:///nowhere", "no such file or folder: file:///nowhere"),
        ("nowhere.tgz", "no such file or folder: nowhere.tgz"),
        ("./python", "the folder ./python is no buildpack: it has no buildpack.toml"),
        ("./file", "./file is no buildpack"),
        ("urn:cnb:registry:acme/java", "the registry of buildpack ids is not supported"),
        ("urn:cnb:builder:a b", "not the id of a buildpack: 'a b'"),
        ("urn:other", "not a buildpack: 'urn:other'"),
        ("ftp://host/a.tgz", "not a buildpack: 'ftp://host/a.tgz'"),
        ("docker:/acme/java", "not a buildpack: 'docker:/acme/java'"),
        ("docker://No Ref", "not an image reference: 'No Ref'"),
        ("https://host/a.tgz#sha1:3", "not a digest: 'sha1:3'"),
        ("acme/ja va", "not a buildpack: 'acme/ja va'"),
        ("acme/java@1 2", "not a buildpack: 'acme/java@1 2'"),
        ("../" * 2000, "no such file or folder"),
    ],
)
def test_what_no_text_means(project: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(project, BuildFlags(buildpacks=(text,)))
    assert caught.value.message.startswith("--buildpack: ")
    assert message in caught.value.message


def test_the_registry_s_refusal_says_what_to_do(project: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse_module("urn:cnb:registry:acme/java@1", relative_to=project)
    assert "docker://HOST/NAME:TAG" in caught.value.hint


def test_lists_may_be_written_with_commas(project: Path) -> None:
    (project / "with,comma").mkdir()
    assert split_modules(("a, b", "with,comma", "c")) == ["a", "b", "with,comma", "c"]


@pytest.mark.parametrize(
    ("flag", "field"),
    [
        ("buildpacks", "order"),
        ("pre_buildpacks", "pre"),
        ("post_buildpacks", "post"),
        ("extensions", "extensions"),
    ],
)
def test_the_flag_wins_over_locald_toml(project: Path, flag: str, field: str) -> None:
    key = flag.removesuffix("_buildpacks")
    locald = f'{key} = ["bp", "acme/x"]\n'
    found = getattr(modules(project, locald=locald), field)
    assert sources(found) == [str(project / "bp"), "acme/x"]
    assert [entry.origin for entry in found] == [
        f"locald.toml: service.web.build.{key}[{index}]" for index in (0, 1)
    ]
    assert all(entry.limit == project for entry in found)
    flags = BuildFlags(**{flag: ("acme/y,acme/z",)})  # type: ignore[arg-type]
    found = getattr(modules(project, flags), field)
    assert sources(found) == ["acme/y", "acme/z"]
    assert {entry.origin for entry in found} == {"--" + flag.replace("_", "-").removesuffix("s")}
    assert all(entry.limit is None for entry in found)


def test_a_whole_order_leaves_no_room_for_others(project: Path) -> None:
    made = request(project, descriptor=DESCRIPTOR)
    assert sources(made.modules.order) == ["described/group@1"]
    assert (made.modules.pre, made.modules.post) == ((), ())
    assert made.notes[-2:] == (
        "project.toml: io.buildpacks.pre.group has no effect: "
        "project.toml: io.buildpacks.group says the whole order",
        "project.toml: io.buildpacks.post.group has no effect: "
        "project.toml: io.buildpacks.group says the whole order",
    )
    assert "pre" not in made.origins


def test_weaker_lists_around_the_builder_s_order_are_overridden_in_silence(project: Path) -> None:
    made = request(project, BuildFlags(buildpacks=("acme/a",)), descriptor=DESCRIPTOR)
    assert sources(made.modules.order) == ["acme/a"]
    assert made.modules.pre == ()
    assert made.notes == ()


def test_flags_around_an_order_of_a_file_are_told_to_have_no_effect(project: Path) -> None:
    flags = BuildFlags(pre_buildpacks=("acme/a",))
    made = request(project, flags, locald='buildpacks = ["acme/b"]\n')
    assert made.modules.pre == ()
    assert made.notes == (
        "--pre-buildpack has no effect: locald.toml: service.web.build.buildpacks "
        "says the whole order",
    )


def test_an_empty_list_of_locald_toml_hides_project_toml(project: Path) -> None:
    found = modules(project, locald="buildpacks = []\npre = []\n", descriptor=DESCRIPTOR)
    assert (found.order, found.pre) == ((), ())
    assert sources(found.post) == ["described/post"]


def test_project_toml_s_entries(project: Path) -> None:
    descriptor = """
[_]
schema-version = "0.3"
[[io.buildpacks.pre.group]]
id = "acme/always"
version = "1.0"
optional = true
[[io.buildpacks.pre.group]]
id = "acme/test"
exec-env = ["test"]
[[io.buildpacks.pre.group]]
uri = "docker://registry.example/bp:1"
exec-env = ["*"]
[[io.buildpacks.pre.group]]
id = "me/inline"
[io.buildpacks.pre.group.script]
api = "0.10"
shell = "/bin/bash -e"
inline = "true"
"""
    found = modules(project, descriptor=descriptor).pre
    assert [entry.source for entry in found] == [
        ModuleId("acme/always", "1.0"),
        ModuleImage(ImageLocation.registry(Reference.parse("registry.example/bp:1"))),
        InlineBuildpack(id="me/inline", api="0.10", shell="/bin/bash -e", script="true"),
    ]
    assert [entry.optional for entry in found] == [True, False, False]
    # The number is that of the file.
    assert found[1].origin == "project.toml: io.buildpacks.pre.group[2]"
    tested = modules(project, BuildFlags(exec_env="test")).pre
    assert sources(tested)[:2] == ["acme/always@1.0", "acme/test"]


def test_a_group_for_another_environment_alone_is_no_order(project: Path) -> None:
    descriptor = DESCRIPTOR.replace('"0.2"', '"0.3"').replace(
        'version = "1"', 'version = "1"\nexec-env = ["test"]'
    )
    found = modules(project, descriptor=descriptor)
    assert found.order == ()
    assert sources(found.pre) == [str(project / "bp")]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ('{ inline = "x" }', "script.api: missing"),
        ('{ inline = "x", api = "0.10", shell = "sh" }', "script.shell: not the absolute path"),
        ('{ inline = "x", api = "0.10", shell = "/bin/sh\\nrm" }', "script.shell: not the"),
        (f'{{ inline = "x", api = "0.10", shell = "/{"x" * 300}" }}', "script.shell: not the"),
        ('{ inline = "x\\u0000", api = "0.10" }', "script.inline: holds a NUL"),
        ('{ api = "0.10" }', "script.inline: is missing"),
    ],
)
def test_a_bad_script_is_named(project: Path, script: str, message: str) -> None:
    descriptor = f'[[io.buildpacks.group]]\nid = "me/x"\nscript = {script}\n'
    with pytest.raises(UsageError) as caught:
        request(project, descriptor=f'[_]\nschema-version = "0.2"\n{descriptor}')
    assert f"project.toml: io.buildpacks.group[0].{message}" in caught.value.message


@pytest.mark.parametrize("text", ["a b", "./bp", "docker://x/y", "a@b@c"])
def test_an_id_of_project_toml_is_nothing_else(project: Path, text: str) -> None:
    descriptor = f'[_]\nschema-version = "0.2"\n[[io.buildpacks.group]]\nid = "{text}"\n'
    with pytest.raises(UsageError, match=r"io\.buildpacks\.group\[0\]\.id: not the id of a"):
        request(project, descriptor=descriptor)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("../outside", "../outside is outside the project"),
        ("link", "link is outside the project"),
        ("oci:../outside", "oci:../outside is outside the project"),
        ("file:///etc/x.tgz", "no such file"),
        ("http://host/a.tgz", "http://host/a.tgz: a project's file can name https addresses only"),
    ],
)
def test_a_project_reaches_no_file_outside(project: Path, text: str, message: str) -> None:
    (project / "link").symlink_to("../outside")
    for key in ("buildpacks", "pre", "post", "extensions"):
        with pytest.raises(UsageError) as caught:
            request(project, locald=f'{key} = ["{text}"]\n')
        assert caught.value.message.startswith(f"locald.toml: service.web.build.{key}[0]: ")
        assert message in caught.value.message
    (project / "locald.toml").unlink()
    descriptor = f'[_]\nschema-version = "0.2"\n[[io.buildpacks.pre.group]]\nuri = "{text}"\n'
    with pytest.raises(UsageError) as caught:
        request(project, descriptor=descriptor)
    assert caught.value.message.startswith("project.toml: io.buildpacks.pre.group[0].uri: ")
    assert message in caught.value.message


def test_system_buildpacks(project: Path) -> None:
    assert modules(project).system
    assert not modules(project, BuildFlags(disable_system_buildpacks=True)).system
    made = request(project, locald="disable_system_buildpacks = true\n")
    assert not made.modules.system
    assert made.origins["system"] == "locald.toml: service.web.build.disable_system_buildpacks"


def test_the_lifecycle(project: Path) -> None:
    assert modules(project).lifecycle is None
    image = ModuleImage(Reference.parse("acme/lifecycle:1"))
    entry = LifecycleEntry(source=image, origin="--lifecycle")
    flags = BuildFlags(lifecycle="acme/lifecycle:1")
    assert modules(project, flags, locald='lifecycle = "bp"\n').lifecycle == entry
    found = modules(project, locald='lifecycle = "bp"\n').lifecycle
    assert found == LifecycleEntry(
        source=ModulePath(project / "bp"), origin="locald.toml: service.web.build.lifecycle"
    )


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("bp.tgz", ModulePath(Path("bp.tgz"))),
        ("./python", ModulePath(Path("python"))),
        ("https://host/l.tgz", ModuleUrl(WebAddress("https://host/l.tgz"))),
        ("lifecycle", ModuleImage(Reference.parse("docker.io/library/lifecycle:latest"))),
        ("oci:bp", ModuleImage(ImageLocation.layout(Path("bp")))),
    ],
)
def test_where_a_lifecycle_may_be(project: Path, text: str, source: ModuleSource) -> None:
    match source:
        case ModulePath(path=path):
            source = ModulePath(project / path)
        case ModuleImage(image=ImageLocation(path=Path() as path)):
            source = ModuleImage(ImageLocation.layout(project / path))
        case _:
            pass
    assert parse_lifecycle(text, relative_to=project) == source


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("./nowhere", "no such file or folder: ./nowhere"),
        ("nowhere.tgz", "no such file or folder: nowhere.tgz"),
        ("No Ref", "not an image reference: 'No Ref'"),
        ("../outside", "../outside is outside the project"),
    ],
)
def test_where_no_lifecycle_is(project: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        request(project, locald=f'lifecycle = "{text}"\n')
    assert caught.value.message == f"locald.toml: service.web.build.lifecycle: {message}"
