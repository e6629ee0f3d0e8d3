"""Modules that a build adds: from real folders, archives, images and a web server, to one order."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.inline_buildpack import InlineBuildpack
from lifecycle.module import ModuleRef, OrderEntry
from lifecycle.runtime.spec import Mount
from locald.build.added_modules import AddedModules, add_modules
from locald.build.module_sources import ModuleSources
from locald.config.modules import ModuleRequest
from locald.config.pull_policy import PullPolicy
from oci.errors import ImageError, UsageError
from oci.layout import Layout
from oci.platform import Platform
from tests.support.added_modules import AMD64, BUILDER, add, entries, make_sources
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.buildpackage import make_buildpackage, make_cnb_file, make_composite, make_tgz
from tests.support.web_files import Answer, WebFiles, serve_files

A, B = ModuleRef("acme/a", "1.0.0"), ModuleRef("acme/b", "1.0.0")
MINE = ModuleRef("e2e/test", "1.0.0")


@pytest.fixture
def sources(tmp_path: Path) -> ModuleSources:
    return make_sources(tmp_path)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return BuildpackFolder.make(tmp_path / "mine").path


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebFiles]:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve_files() as files:
        yield files


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


def test_a_buildpackage_for_every_architecture_is_one_for_ours(
    sources: ModuleSources, mine: Path, tmp_path: Path
) -> None:
    """As `pack buildpack package` makes them of buildpacks without targets."""
    layout = make_buildpackage(tmp_path / "p", mine, platform=Platform("linux", ""))
    assert groups(add(sources, f"oci:{layout.path}")) == [(MINE,)]
    other = make_buildpackage(tmp_path / "o", mine, platform=Platform("linux", "s390x"))
    with pytest.raises(ImageError, match=r"is made for linux/s390x, not for linux/amd64"):
        add(sources, f"oci:{other.path}")


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
