"""Modules that a build adds: from real folders, archives, images and a web server, to one order."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.builder import BuilderImage
from lifecycle.inline_buildpack import InlineBuildpack
from lifecycle.module import ModuleInfo, ModuleRef, OrderEntry
from lifecycle.runtime.spec import Mount
from locald.build.added_modules import AddedModules, add_modules
from locald.build.module_sources import ModuleSources
from locald.cli.console import Console, Verbosity
from locald.config.module_source import ModuleEntry, ModuleSource, parse_module
from locald.config.modules import ModuleRequest
from locald.config.pull_policy import PullPolicy
from locald.paths import Paths
from oci.errors import Error, ImageError, UsageError
from oci.layout import Layout
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from oci.store import ImageStore
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.buildpackage import make_buildpackage, make_cnb_file, make_composite, make_tgz
from tests.support.web_files import Answer, WebFiles, serve_files

AMD64 = Platform("linux", "amd64")
BUILDER = BuilderImage(
    uid=1000,
    gid=1000,
    env={},
    platform_apis=("0.12",),
    lifecycle_version="0.21.0",
    run_images=(),
    buildpacks=(
        ModuleInfo(id="acme/a", version="1.0.0"),
        ModuleInfo(id="acme/b", version="1.0.0"),
        ModuleInfo(id="acme/many", version="1.0.0"),
        ModuleInfo(id="acme/many", version="2.0.0"),
    ),
    order=(
        OrderEntry((ModuleRef("acme/a", "1.0.0"), ModuleRef("acme/b", "", optional=True))),
        OrderEntry((ModuleRef("acme/b", "1.0.0"),)),
    ),
    stack_id="",
    distro="",
    description="",
    extensions=(ModuleInfo(id="acme/curl", version="1.0.0"),),
    order_extensions=(OrderEntry((ModuleRef("acme/curl"),)),),
    buildpack_apis=("0.9", "0.10"),
)
A, B = ModuleRef("acme/a", "1.0.0"), ModuleRef("acme/b", "1.0.0")
MINE = ModuleRef("e2e/test", "1.0.0")


@pytest.fixture
def sources(tmp_path: Path) -> ModuleSources:
    paths = Paths.from_environment(
        {"LOCALD_DATA_DIR": str(tmp_path / "data"), "LOCALD_CACHE_DIR": str(tmp_path / "cache")}
    )
    return ModuleSources(
        store=ImageStore(paths.store, Skopeo(CommandRunner())),
        paths=paths,
        platform=AMD64,
        policy=PullPolicy.IF_NOT_PRESENT,
        observer=Console(verbosity=Verbosity.QUIET),
    )


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return BuildpackFolder.make(tmp_path / "mine").path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebFiles]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_files() as files:
        yield files


def entries(
    *texts: str | Path | ModuleSource, limit: Path | None = None
) -> tuple[ModuleEntry, ...]:
    return tuple(
        ModuleEntry(
            source=parse_module(str(text), relative_to=Path("/"))
            if isinstance(text, str | Path)
            else text,
            origin="--buildpack",
            limit=limit,
        )
        for text in texts
    )


def add(
    sources: ModuleSources, *order: str | Path | ModuleSource, builder: BuilderImage = BUILDER
) -> AddedModules:
    return add_modules(ModuleRequest(order=entries(*order)), builder, sources, labels={})


def groups(added: AddedModules) -> list[tuple[ModuleRef, ...]]:
    return [entry.group for entry in added.order]


def test_nothing_asked_for_leaves_the_builder_alone(sources: ModuleSources) -> None:
    added = add(sources)
    assert (added.modules, added.mounts, added.own_order) == ((), (), False)
    assert added.order == BUILDER.order
    assert added.order_extensions == BUILDER.order_extensions


def test_an_order_is_one_group_with_every_version_filled_in(
    sources: ModuleSources, mine: Path
) -> None:
    added = add(sources, "acme/b", mine, "urn:cnb:builder:acme/many@2.0.0")
    assert groups(added) == [(B, MINE, ModuleRef("acme/many", "2.0.0"))]
    assert added.own_order
    assert added.order_extensions == (OrderEntry((ModuleRef("acme/curl", "1.0.0"),)),)
    target = PurePosixPath("/cnb/buildpacks/e2e_test/1.0.0")
    assert added.mounts == (Mount(source=mine, target=target, read_only=True),)
    kind = added.modules[0].kind
    assert added.folder(kind, "e2e/test", "1.0.0") == mine
    assert added.folder(kind, "e2e/test", "2.0.0") is None


def test_the_builder_s_order_is_spliced_in(sources: ModuleSources, mine: Path) -> None:
    optional = ModuleRef("acme/b", "1.0.0", True)
    assert groups(add(sources, "from=builder")) == [(A, optional), (B,)]
    added = add(sources, mine, "from=builder", "acme/many@1.0.0")
    many = ModuleRef("acme/many", "1.0.0")
    assert groups(added) == [(MINE, A, optional, many), (MINE, B, many)]
    with pytest.raises(UsageError, match="--buildpack: from=builder may be given only once"):
        add(sources, "from=builder", mine, "urn:cnb:builder")


def test_before_and_after_each_group_in_the_order_given(sources: ModuleSources, mine: Path) -> None:
    request = ModuleRequest(
        pre=(replace(entries(mine)[0], optional=True), *entries("acme/many@1.0.0")),
        post=entries("acme/many@2.0.0"),
    )
    before = (ModuleRef("e2e/test", "1.0.0", True), ModuleRef("acme/many", "1.0.0"))
    after = ModuleRef("acme/many", "2.0.0")
    added = add_modules(request, BUILDER, sources, labels={})
    assert groups(added) == [
        (*before, A, ModuleRef("acme/b", "1.0.0", True), after),
        (*before, B, after),
    ]
    orderless = replace(BUILDER, order=())
    with pytest.raises(ImageError, match="--buildpack: the builder has no order of its own"):
        add_modules(request, orderless, sources, labels={})
    with pytest.raises(UsageError, match="from=builder is already what it stands around"):
        add_modules(ModuleRequest(pre=entries("from=builder")), BUILDER, sources, labels={})


def test_extensions_have_an_order_of_their_own(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "extension"
    folder.mkdir()
    (folder / "extension.toml").write_text(
        'api = "0.10"\n[extension]\nid = "e2e/ext"\nversion = "1.0.0"\n'
    )
    request = ModuleRequest(extensions=entries(folder, "acme/curl"))
    added = add_modules(request, BUILDER, sources, labels={})
    ours = (ModuleRef("e2e/ext", "1.0.0"), ModuleRef("acme/curl", "1.0.0"))
    assert added.order_extensions == (OrderEntry(ours),)
    assert groups(added)[1] == (B,)
    assert str(added.mounts[0].target) == "/cnb/extensions/e2e_ext/1.0.0"
    with pytest.raises(ImageError, match="is an image extension, not a buildpack") as caught:
        add(sources, folder)
    assert caught.value.hint == "name it with --extension"
    with pytest.raises(ImageError, match="is a buildpack, not an image extension"):
        add_modules(ModuleRequest(extensions=entries(mine)), BUILDER, sources, labels={})
    with pytest.raises(ImageError, match="acme/a: the builder has no such extension") as caught:
        add_modules(
            ModuleRequest(extensions=entries("urn:cnb:builder:acme/a")), BUILDER, sources, labels={}
        )
    assert caught.value.hint == "it has: acme/curl"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("acme", "acme: the builder has no such buildpack", "it has: acme/a, acme/b, acme/many"),
        ("acme/a@3.0.0", "acme/a@3.0.0: the builder does not have this", "it has: 1.0.0"),
        ("acme/many", "acme/many: the builder has several versions", "choose one: acme/many@1"),
        ("from=builder:acme/c", "acme/c: the builder has no such buildpack", "it has: "),
    ],
)
def test_what_the_builder_does_not_have_is_named(
    sources: ModuleSources, text: str, message: str, hint: str
) -> None:
    with pytest.raises(ImageError) as caught:
        add(sources, text)
    assert caught.value.message.startswith(f"--buildpack: {message}")
    assert caught.value.hint.startswith(hint)


def test_a_name_that_is_neither_in_the_builder_nor_an_image_tells_both(
    sources: ModuleSources,
) -> None:
    never = replace(sources, policy=PullPolicy.NEVER)
    with pytest.raises(ImageError) as caught:
        add(never, "acme/none")
    assert caught.value.message == (
        "--buildpack: the builder has no buildpack acme/none, and as an image: "
        "the buildpack acme/none:latest is not in the store, and --pull-policy is never"
    )
    assert caught.value.hint == "it has: acme/a, acme/b, acme/many"


def package(tmp_path: Path, mine: Path) -> Path:
    """A buildpackage of a composite and what it needs."""
    composite = make_composite(tmp_path / "all", ["e2e/test@1.0.0", "acme/a@1.0.0?"])
    return make_buildpackage(tmp_path / "package", composite, mine, platform=AMD64).path


@pytest.mark.parametrize("form", ["layout", "location", "cnb", "tgz", "url"])
def test_a_buildpackage_brings_all_of_its_buildpacks(
    sources: ModuleSources, mine: Path, tmp_path: Path, server: WebFiles, form: str
) -> None:
    path = package(tmp_path, mine)
    text = {
        "layout": lambda: str(path),
        "location": lambda: f"oci:{path}",
        "cnb": lambda: str(make_cnb_file(Layout(path), tmp_path / "all.cnb")),
        "tgz": lambda: str(make_tgz(path, tmp_path / "all.tgz")),
        "url": lambda: served(server, make_cnb_file(Layout(path), tmp_path / "all.cnb")),
    }[form]()
    added = add(sources, text)
    assert groups(added) == [(ModuleRef("e2e/all", "2.0.0"),)]
    assert [str(mount.target) for mount in added.mounts] == [
        "/cnb/buildpacks/e2e_all/2.0.0",
        "/cnb/buildpacks/e2e_test/1.0.0",
    ]
    assert (added.mounts[1].source / "bin/build").stat().st_mode & 0o111
    again = add(sources, text)
    assert again.mounts == added.mounts, "unpacked once"


def served(server: WebFiles, file: Path) -> str:
    server.files["/all.cnb"] = Answer(file.read_bytes())
    return server.url("/all.cnb")


def test_the_pull_policy_counts_for_addresses(
    sources: ModuleSources, mine: Path, tmp_path: Path, server: WebFiles
) -> None:
    server.files["/mine.tgz"] = Answer(make_tgz(mine, tmp_path / "m.tgz").read_bytes())
    url = server.url("/mine.tgz")
    with pytest.raises(ImageError, match=r"--buildpack: http://.*was not downloaded yet"):
        add(replace(sources, policy=PullPolicy.NEVER), url)
    for policy in (PullPolicy.IF_NOT_PRESENT, PullPolicy.NEVER, PullPolicy.ALWAYS):
        assert groups(add(replace(sources, policy=policy), url)) == [(MINE,)]
    assert [one.status for one in server.requests] == [200, 304]


def test_a_script_is_a_buildpack(sources: ModuleSources) -> None:
    inline = InlineBuildpack(id="me/x", api="0.10", script="true")
    added = add(sources, inline)
    assert groups(added) == [(ModuleRef("me/x", "0.0.0"),)]
    assert (added.mounts[0].source / "bin/build").read_text() == "#!/bin/sh\n\ntrue\n"
    with pytest.raises(ImageError, match=r"me/x@0\.0\.0 is written for Buildpack API 0\.4, which"):
        add(sources, replace(inline, api="0.4"))


def test_a_composite_s_folder_brings_what_its_package_toml_names(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    composite = make_composite(tmp_path / "all", ["e2e/test@1.0.0"])
    with pytest.raises(ImageError, match=r"e2e/all@2\.0\.0 needs e2e/test@1\.0\.0, which neither"):
        add(sources, composite)
    package_toml = composite / "package.toml"
    package_toml.write_text('[[dependencies]]\nuri = "../mine"\n')
    assert [str(module) for module in add(sources, composite).modules] == [
        "e2e/all@2.0.0",
        "e2e/test@1.0.0",
    ]
    with pytest.raises(UsageError, match=r"dependencies\[0\]: \.\./mine is outside the project"):
        add_modules(
            ModuleRequest(order=entries(composite, limit=composite)), BUILDER, sources, labels={}
        )
    package_toml.write_text('[[dependencies]]\nuri = "urn:cnb:registry:acme/x"\n')
    with pytest.raises(UsageError, match=r"package\.toml: dependencies\[0\]: 'urn:cnb:registry"):
        add(sources, composite)


def test_the_same_buildpack_twice_is_one_and_two_of_one_name_are_refused(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    same = BuildpackFolder.make(tmp_path / "same").path
    assert len(add(sources, mine, same).modules) == 1
    other = BuildpackFolder.make(tmp_path / "other", build="exit 1").path
    with pytest.raises(ImageError, match=r"two different buildpacks are called e2e/test@1\.0\.0"):
        add(sources, mine, other)


Breaker = Callable[[Path], object]


def toml(text: str, old: str = "") -> Breaker:
    """Change buildpack.toml."""

    def change(folder: Path) -> None:
        file = folder / "buildpack.toml"
        file.write_text(file.read_text().replace(old, text) if old else text)

    return change


@pytest.mark.parametrize(
    ("breaker", "message"),
    [
        (toml("api = "), "buildpack.toml: Invalid value"),
        (toml('api = "0.10"'), "buildpack.toml: buildpack: missing"),
        (toml("#" * ((8 << 20) + 1)), "buildpack.toml is bigger than"),
        (toml('api = "0.3"', 'api = "0.10"'), "is written for Buildpack API 0.3, which lifecycle"),
        (toml('os = "windows"', 'os = "linux"'), "is made for windows/any; what is built is linux"),
        (toml('os = "linux"\narch = "arm64"', 'os = "linux"'), "is made for linux/arm64; what is"),
        (toml('id = "../x"', 'id = "e2e/test"'), "not the id of a buildpack: '../x'"),
        (lambda folder: (folder / "bin/build").unlink(), "has no bin/build"),
        (lambda folder: (folder / "bin/build").chmod(0o644), "bin/build may not be executed"),
        (
            lambda folder: (folder / "bin/secret").symlink_to("/etc/passwd"),
            "links in it lead out of the folder",
        ),
        (
            lambda folder: (folder / "lib").symlink_to("../../" + "../" * 20 + "etc"),
            "links in it lead out of the folder",
        ),
    ],
)
def test_a_broken_folder_is_named(
    sources: ModuleSources, mine: Path, breaker: Breaker, message: str
) -> None:
    breaker(mine)
    with pytest.raises(Error) as caught:
        add(sources, mine)
    assert caught.value.message.startswith("--buildpack: ")
    assert message in caught.value.message
    assert caught.value.exit_code in (2, 4)


def test_an_api_error_names_what_is_spoken(sources: ModuleSources, mine: Path) -> None:
    with pytest.raises(ImageError) as caught:
        add(sources, mine, builder=replace(BUILDER, buildpack_apis=("0.11",)))
    assert caught.value.message == (
        "--buildpack: e2e/test@1.0.0 is written for Buildpack API 0.10, which lifecycle 0.21.0 "
        "does not speak"
    )
    assert caught.value.hint == "it speaks: 0.11"


@pytest.mark.parametrize("module_id", ["../../etc", "e2e/other"])
def test_labels_of_a_buildpackage_are_not_believed(
    sources: ModuleSources, mine: Path, tmp_path: Path, module_id: str
) -> None:
    labels = {
        "io.buildpacks.buildpack.layers": json.dumps({module_id: {"..": {}, "1.0.0": {}}}),
        "io.buildpacks.buildpackage.metadata": json.dumps({"id": module_id, "version": "1.0.0"}),
    }
    path = make_buildpackage(tmp_path / "package", mine, labels=labels).path
    with pytest.raises(ImageError, match=r"--buildpack: .*(not the name of|is not a buildpack)"):
        add(sources, path)


def test_an_image_that_is_no_buildpackage_is_told(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    layout = make_buildpackage(
        tmp_path / "p", mine, labels={"io.buildpacks.buildpackage.metadata": ""}
    )
    with pytest.raises(ImageError, match="is not a buildpackage: it has no label"):
        add(sources, layout.path)


def test_a_project_s_layout_may_not_lead_to_other_blobs(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    path = package(tmp_path, mine)
    (path / "blobs").rename(tmp_path / "blobs")
    (path / "blobs").symlink_to(tmp_path / "blobs")
    assert add(sources, path).modules
    with pytest.raises(ImageError, match="links in it lead out of the folder"):
        add_modules(ModuleRequest(order=entries(path, limit=path)), BUILDER, sources, labels={})
