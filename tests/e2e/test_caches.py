"""Caches that travel: folders, images in registries and layouts, archives. Real lifecycle."""

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from lifecycle.cache_content import layer_name
from lifecycle.cache_metadata import METADATA
from oci.digest import Digest
from tests.e2e.conftest import AppMaker
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation, layer_bytes
from tests.support.registry import Registry, guarded, registry
from tests.support.tls import Tls, make_tls

__all__ = ["guarded", "registry"]

# A cached layer, and a file in the folder for compilers' caches; each is made once, and tells.
_CACHES = """
layer="$CNB_LAYERS_DIR/deps"
if [[ -e $layer/made ]]; then echo "layer restored: $(<"$layer/made")"; else echo "layer new"; fi
mkdir -p "$layer"
[[ -e $layer/made ]] || date +%s%N >"$layer/made"
ln -sfn /usr/bin/env "$layer/env"
printf '[types]\\ncache = true\\n' >"$layer.toml"
tool="$LOCALD_BUILD_CACHE/tool"
if [[ -e $tool/made ]]; then echo "tool restored: $(<"$tool/made")"; else echo "tool new"; fi
mkdir -p "$tool"
[[ -e $tool/made ]] || date +%s%N >"$tool/made"
ln -sfn /etc/passwd "$tool/out"
if [[ -e /workspace/more ]]; then cat /workspace/more >"$tool/more"; fi
[[ ! -e /workspace/fail ]] || exit 7
"""


@pytest.fixture
def buildpack(tmp_path: Path) -> BuildpackFolder:
    return BuildpackFolder.make(tmp_path / "caching", id="e2e/caching", build=BUILDS + _CACHES)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return make_tls(tmp_path / "tls")


class Machine:
    """One that has the builder, and nothing else of any build."""

    def __init__(self, installation: Installation, folder: Path, name: str) -> None:
        self.installation = replace(
            installation.with_caches(folder / f"caches-{name}"),
            prefix=f"{installation.prefix}/{folder.name.replace('_', '')[-30:]}-{name}",
        )

    def build(self, app: Path, buildpack: BuildpackFolder, *flags: str | Path) -> Finished:
        return self.installation.build(app, *flags, buildpack=buildpack)

    def try_build(self, app: Path, buildpack: BuildpackFolder, *flags: str | Path) -> Finished:
        return self.installation.try_build(app, *flags, buildpack=buildpack)

    def cache(self, *arguments: str | Path) -> Finished:
        return self.installation.locald.run("cache", *map(str, arguments))


@pytest.fixture
def machines(installation: Installation, tmp_path: Path) -> tuple[Machine, Machine]:
    return Machine(installation, tmp_path, "a"), Machine(installation, tmp_path, "b")


def made(result: Finished) -> bool:
    """Did the buildpack make all of it anew?"""
    new = [word for word in ("layer new", "tool new") if word in result.output]
    restored = [word for word in ("layer restored: ", "tool restored: ") if word in result.output]
    assert len(new) + len(restored) == 2, result.output
    assert len(new) in (0, 2), result.output
    return bool(new)


def uploads(registry: Registry) -> int:
    return sum(asked.method == "POST" for asked in registry.asked())


def test_a_fresh_machine_starts_from_the_cache_image(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, guarded: Registry
) -> None:
    first, second = machines
    flags = ("--cache-image", f"{guarded.host}/team/cache:main", *guarded.flags, "-v")
    pushed = first.build(app, buildpack, *flags)
    assert made(pushed)
    assert "cache: pushed 2 of 2 parts" in pushed.output
    before = uploads(guarded)
    pulled = second.build(app, buildpack, *flags)
    assert not made(pulled)
    assert "cache: fetched 2 of 2 parts" in pulled.output
    assert uploads(guarded) == before
    (app / "more").write_text("a new file of a compiler")
    changed = second.build(app, buildpack, *flags)
    assert "cache: pushed 1 of 2 parts" in changed.output
    assert uploads(guarded) - before == 2  # the part, and the configuration
    newer = first.build(app, buildpack, *flags)
    assert "cache: fetched 1 of 2 parts" in newer.output
    assert "nothing new" in first.build(app, buildpack, *flags).output


def test_a_layout_carries_a_cache_too_and_clearing_starts_anew(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    first, second = machines
    flags = ("--cache", f"type=build;format=image;name=oci:{tmp_path}/artifact:ci", "-v")
    assert made(first.build(app, buildpack, *flags))
    assert not made(second.build(app, buildpack, *flags))
    cleared = second.build(app, buildpack, *flags, "--clear-cache")
    assert made(cleared)
    assert "cache: pushed 2 of 2 parts" in cleared.output
    again = first.build(app, buildpack, *flags)
    assert "cache: fetched 2 of 2 parts" in again.output
    assert not made(again)


def test_only_a_success_is_pushed_and_only_when_something_was_kept(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    flags = ("--cache-image", f"oci:{tmp_path}/artifact")
    machines[0].installation.build(app, *flags)
    (app / "fail").touch()
    assert machines[0].try_build(app, buildpack, *flags).code != 0
    assert not (tmp_path / "artifact").exists()


def test_a_cache_image_that_cannot_be_used_costs_a_note(
    machines: tuple[Machine, Machine],
    app: Path,
    buildpack: BuildpackFolder,
    guarded: Registry,
    installation: Installation,
) -> None:
    first, _ = machines
    reference = f"{guarded.host}/team/cache:main"
    result = first.build(app, buildpack, "--cache-image", reference)  # its CA is unknown
    assert result.output.count("cache image") == 1
    assert f"the cache image docker://{reference} is not used: the certificate" in result.output
    installation.build(app, "--output", f"docker://{reference}", *guarded.flags)
    before = len(guarded.asked())
    other = first.build(app, buildpack, "--cache-image", reference, *guarded.flags)
    assert "is no build cache of locald" in other.output
    # The application image that somebody named by mistake is still there.
    assert {asked.method for asked in guarded.asked()[before:]} <= {"GET", "HEAD"}


def test_another_branchs_cache_is_where_an_empty_one_starts(
    machines: tuple[Machine, Machine],
    app: Path,
    buildpack: BuildpackFolder,
    registry: Registry,
    tmp_path: Path,
) -> None:
    first, second = machines
    main = f"{registry.host}/team/cache:main"
    assert made(first.build(app, buildpack, "--cache-image", main, *registry.flags))
    sources = (
        "--cache-from", f"{registry.host}/team/cache:gone", "--cache-from", tmp_path / "gone",
        "--cache-from", main, "--cache-from", "./not-reached",
    )  # fmt: skip
    own = ("--cache-image", f"{registry.host}/team/cache:branch")
    before = uploads(registry)
    branch = second.build(app, buildpack, *own, *sources, *registry.flags, "-v")
    assert not made(branch)
    assert "is not used" not in branch.output
    assert "cache: fetched 2 of 2 parts" in branch.output
    assert uploads(registry) == before  # it is the same cache, blob for blob
    again = second.build(app, buildpack, *own, *sources, *registry.flags, "-v")
    assert "cache: fetched" not in again.output


def test_a_folder_of_caches_goes_from_one_place_to_another(
    machines: tuple[Machine, Machine],
    app: Path,
    buildpack: BuildpackFolder,
    tmp_path: Path,
) -> None:
    first, second = machines
    saved = tmp_path / "saved"
    assert made(first.build(app, buildpack, "--cache", saved))
    assert not list((tmp_path / "caches-a").glob("builds/*"))
    elsewhere = tmp_path / "elsewhere" / app.name
    app.rename(make_parent(elsewhere))
    saved.rename(tmp_path / "restored")
    bind = f"type=build;format=bind;source={tmp_path}/restored"
    assert not made(second.build(elsewhere, buildpack, "--cache", bind))
    assert not made(second.build(elsewhere, buildpack, "--cache-from", tmp_path / "restored"))
    assert list((tmp_path / "caches-b").glob("builds/*"))


def make_parent(path: Path) -> Path:
    path.parent.mkdir()
    return path


def test_an_archive_takes_a_cache_along(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    first, second = machines
    first.build(app, buildpack)
    file = tmp_path / "cache.tgz"
    exported = first.cache("export", file, app)
    assert (exported.code, exported.stdout) == (0, f"{file}\n")
    assert second.cache("import", file, app).code == 0
    assert not made(second.build(app, buildpack))
    assert second.cache("clear", app).code == 0
    assert not made(second.build(app, buildpack, "--cache-from", file))


def test_another_execution_environment_has_another_cache(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    first, _ = machines
    flags = ("--cache", tmp_path / "saved", "--cache-image", f"oci:{tmp_path}/image")
    assert made(first.build(app, buildpack, *flags))
    other = first.build(app, buildpack, *flags, "--exec-env", "test")
    assert made(other)
    assert "execution environment production instead of test" in other.output
    # Its push took the image over; the folder has both.
    assert not made(first.build(app, buildpack, "--cache", tmp_path / "saved"))


def test_a_projects_own_cache_folder_stays_out_of_its_image(
    machines: tuple[Machine, Machine], make: AppMaker, buildpack: BuildpackFolder
) -> None:
    first, _ = machines
    app = make(
        "", {"index.html": "x", "locald.toml": '[service.web.build]\ncache = ".cache/builds"\n'}
    )
    (app / ".cache/builds/secret-of-a-cache").mkdir(parents=True)
    assert made(first.build(app, buildpack))
    assert not made(first.build(app, buildpack))
    image = first.installation.image(app)
    assert image is not None
    assert b"secret-of-a-cache" not in layer_bytes(image, first.installation.layout(app))


def test_a_cache_that_a_stranger_put_into_a_project_leads_nowhere(
    machines: tuple[Machine, Machine], make: AppMaker, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    first, _ = machines
    app = make("", {"index.html": "x", "locald.toml": '[service.web.build]\ncache = "c"\n'})
    first.build(app, buildpack)
    (cache,) = (app / "c").iterdir()
    precious = tmp_path / "precious"
    (precious / "committed").mkdir(parents=True)
    (precious / "committed/file").touch()
    (cache / "lifecycle").rename(tmp_path / "taken")
    (cache / "lifecycle").symlink_to(precious)
    refused = first.try_build(app, buildpack)
    assert refused.code == 6
    assert "lifecycle is no folder" in refused.output
    assert (precious / "committed/file").exists()


def poison(committed: Path, *members: str) -> None:
    """Files that are not where layers are, in the cached layer, and everything else as it was: the
    digests in the name and in the metadata are right."""
    (layer,) = committed.glob("sha256:*.tar")
    old = layer.name.removesuffix(".tar")
    data = io.BytesIO(layer.read_bytes())
    with tarfile.open(fileobj=data, mode="a") as archive:
        for name in members:
            member = tarfile.TarInfo("layers/x")
            member.name, member.size = name, 4
            archive.addfile(member, io.BytesIO(b"evil"))
    digest = Digest.of(data.getvalue())
    layer.unlink()
    (committed / layer_name(digest)).write_bytes(data.getvalue())
    metadata = committed / METADATA
    text = metadata.read_text()
    assert old in text
    metadata.write_text(text.replace(old, str(digest)))


@pytest.mark.parametrize("member", ["/layers/../cache/evil", "/cache/evil"])
def test_a_poisoned_layer_of_a_cache_is_refused(
    machines: tuple[Machine, Machine],
    app: Path,
    buildpack: BuildpackFolder,
    tmp_path: Path,
    member: str,
) -> None:
    """The lifecycle would unpack it: it looks at the digest, and at nothing else."""
    first, _ = machines
    saved = tmp_path / "saved"
    assert made(first.build(app, buildpack, "--cache", saved))
    (cache,) = saved.iterdir()
    poison(cache / "lifecycle/committed", member)
    result = first.build(app, buildpack, "--cache", saved)
    assert f"is not used: a cached layer has an entry outside of /layers: '{member}'" in (
        result.stderr
    )
    assert made(result)
    assert not list(tmp_path.rglob("evil"))
    assert not made(first.build(app, buildpack, "--cache", saved))


def test_a_cache_whose_sbom_is_gone_fails_no_build(
    machines: tuple[Machine, Machine], app: Path, tmp_path: Path
) -> None:
    """The lifecycle's restorer does not go on without it."""
    first, _ = machines
    told = f'{BUILDS}{_CACHES}\necho "{{}}" >"$layer.sbom.cdx.json"\n'
    buildpack = BuildpackFolder.make(tmp_path / "telling", id="e2e/telling", build=told)
    description = buildpack.path / "buildpack.toml"
    formats = 'sbom-formats = ["application/vnd.cyclonedx+json"]\n'
    description.write_text(
        description.read_text().replace("[buildpack]\n", f"[buildpack]\n{formats}")
    )
    before = first.build(app, buildpack)
    (committed,) = (tmp_path / "caches-a").glob("builds/*/lifecycle/committed")
    metadata = json.loads((committed / METADATA).read_text())
    (committed / f"{metadata['sbom']['sha']}.tar").unlink()
    result = first.build(app, buildpack)
    assert "the cached layers are damaged" in result.stderr
    assert "layer new" in result.output
    assert "tool restored" in result.output
    assert result.digest == before.digest
    assert not made(first.build(app, buildpack))


def test_projects_see_nothing_of_each_others_caches(
    machines: tuple[Machine, Machine], app: Path, buildpack: BuildpackFolder, tmp_path: Path
) -> None:
    """Of one name, one image, one buildpack with one name for its layer."""
    first, _ = machines
    other = make_parent(tmp_path / "other" / app.name)
    other.mkdir()
    (other / "index.html").write_text("x")
    own, theirs = first.build(app, buildpack), first.build(other, buildpack)
    assert made(own)
    assert made(theirs)
    again = first.build(app, buildpack)
    assert not made(again)
    assert restored(again) != restored(first.build(other, buildpack))


def restored(result: Finished) -> set[str]:
    return {line for line in result.output.splitlines() if "restored: " in line}
