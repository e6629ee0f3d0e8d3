"""A host that lacks something: told before anything is lost, and what can work does.

An unprivileged user cannot take tools, ids, devices or disk space from this host, but can from a
mount namespace of their own. In one whose only id is the user's own, subordinate ids are missing,
too. Real root's refusal is tested in tests/unit (`refuse_real_root`): nobody is root here.
"""

from pathlib import Path

import pytest

from lifecycle.runtime.network import require_tun
from lifecycle.runtime.spec import RuntimeName
from oci.errors import HostError
from tests.support.broken_host import SINGLE_ID, never_unpacked, prepared, tools_without
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.cli import Finished
from tests.support.e2e import Installation, make_app


def lacking(result: Finished, *parts: str) -> None:
    """Exit code 3, one message that says these words, no traceback."""
    assert result.code == 3, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    for part in parts:
        assert part in result.stderr, result.stderr


# ---- tools ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "package", "flags"),
    [
        ("bwrap", "bubblewrap", ("--runtime", "bwrap")),
        ("podman", "podman", ("--runtime", "podman")),
        ("newuidmap", "uidmap", ("--runtime", "runc")),
        # What is in the store, and goes into a layout, needs none.
        ("skopeo", "skopeo", ("--output", "containers-storage:localhost/without-skopeo:1")),
        ("unshare", "util-linux", ("--runtime", "runc")),
        ("nsenter", "util-linux", ("--runtime", "runc")),
        ("slirp4netns", "slirp4netns", ("--runtime", "runc")),
    ],
)
def test_a_missing_tool_is_named_with_its_package(
    installation: Installation,
    app: Path,
    tmp_path: Path,
    tool: str,
    package: str,
    flags: tuple[str, ...],
) -> None:
    without = installation.with_environment(PATH=tools_without(tmp_path / "tools", tool))
    result = without.try_build(app, *flags)
    lacking(result, tool, package)
    assert f"apt install {package}" in result.stderr


def test_runc_is_named_with_its_package(installation: Installation, app: Path) -> None:
    # It lies in a folder that is looked at whatever PATH says.
    hide = 'mount --bind /dev/null "$(PATH=$PATH:/usr/sbin:/sbin command -v runc)"'
    result = prepared(installation, hide).try_build(app, "--runtime", "runc")
    lacking(result, "`runc` is not installed", "apt install runc")


def test_umoci_is_named_with_its_package(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    # A builder that is unpacked already needs no umoci, so here is another one.
    builder = never_unpacked(installation, tmp_path / "image")
    tools = tools_without(tmp_path / "tools", "umoci")
    result = installation.with_environment(PATH=tools).try_build(app, "--builder", builder)
    lacking(result, "`umoci` is not installed", "apt install umoci")


def test_without_runc_and_podman_auto_takes_bubblewrap(
    installation: Installation, app: Path
) -> None:
    hide = "\n".join(
        f'mount --bind /dev/null "$(PATH=$PATH:/usr/sbin:/sbin command -v {tool})"'
        for tool in ("runc", "podman")
    )
    result = prepared(installation, hide).build(app, "--verbose")
    assert "runtime bwrap: bwrap, because" in result.stderr


def test_without_podman_the_image_stays_in_the_store(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    without = installation.with_environment(PATH=tools_without(tmp_path / "tools", "podman"))
    words = without.build_arguments(app)
    at = words.index("--output")
    result = without.locald.run(*words[:at], *words[at + 2 :])
    assert result.code == 0, result.stderr
    image = installation.image(app)
    assert image is not None
    assert str(image.digest) == result.digest


# ---- ids, devices ---------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", [RuntimeName.RUNC, RuntimeName.PODMAN])
def test_without_subordinate_ids_a_runtime_that_needs_them_says_how_to_get_them(
    installation: Installation, app: Path, runtime: RuntimeName
) -> None:
    result = installation.within(*SINGLE_ID).try_build(app, "--runtime", runtime)
    lacking(result, "65536 subordinate ids", "usermod --add-subuids")


def test_without_subordinate_ids_the_same_image_is_built(
    installation: Installation, app: Path
) -> None:
    expected = installation.build(app).digest
    alone = installation.within(*SINGLE_ID)
    assert alone.build(app, "--clear-cache").digest == expected


def test_without_tun_a_private_network_is_refused_with_the_remedy(tmp_path: Path) -> None:
    # Asked directly: where an unprivileged user can hide the device, locald believes to be in a
    # container, whose network it shares (the test below).
    with pytest.raises(HostError) as caught:
        require_tun(tmp_path / "no-such-device")
    assert caught.value.exit_code == 3
    assert "--network none" in caught.value.hint
    assert "modprobe tun" in caught.value.hint


def test_in_a_container_without_tun_the_shared_network_is_told(
    installation: Installation, app: Path
) -> None:
    without = prepared(installation, "mount -t tmpfs none /dev/net")
    told = without.build(app).stderr
    assert "/dev/net/tun" in told
    assert "shares this container's network" in told
    assert "/dev/net/tun" not in without.build(app, "--network", "none").stderr


# ---- the disk -------------------------------------------------------------------------------

# A layer that does not compress away.
FILLS = f"""\
mkdir -p "$CNB_LAYERS_DIR/big"
openssl enc -aes-128-ctr -nosalt -K 00 -iv 00 -in <(head -c 20000000 /dev/zero) \
    2>/dev/null >/tmp/data || true
cp /tmp/data "$CNB_LAYERS_DIR/big/data"
printf '[types]\\nlaunch = true\\ncache = true\\n' >"$CNB_LAYERS_DIR/big.toml"
{BUILDS}"""


@pytest.fixture
def big(tmp_path: Path) -> BuildpackFolder:
    """A buildpack with a layer of 20 MB that is cached, too."""
    return BuildpackFolder.make(tmp_path / "big", build=FILLS)


def small(place: Path, size: str) -> str:
    """Lets a folder be as small as that, whatever the disk has."""
    return f"mkdir -p {place}; mount -t tmpfs -o size={size} none {place}"


@pytest.mark.parametrize(("size", "code"), [("8k", 6), ("100k", 6), ("1m", 51), ("10m", 51)])
def test_a_full_disk_under_the_work_folder(
    installation: Installation, app: Path, big: BuildpackFolder, size: str, code: int
) -> None:
    # A buildpack that has no space to write to fails with its own code, as with any reason.
    first = installation.build(app, buildpack=big)
    before = installation.image(app)
    full = prepared(installation, small(installation.paths.work, size))
    result = full.try_build(app, "--clear-cache", buildpack=big)
    out_of_space(result, code)
    assert installation.image(app) == before
    assert installation.build(app, buildpack=big).digest == first.digest


@pytest.mark.parametrize("size", ["45m", "75m"])
def test_a_full_disk_under_the_exporter(
    installation: Installation, app: Path, big: BuildpackFolder, size: str
) -> None:
    full = prepared(installation, small(installation.paths.work, size))
    with full.start_build(app, buildpack=big) as build:
        result = build.finish(seconds=60)
    assert result.code == 6, result.output
    assert installation.image(app) is None
    installation.build(app, buildpack=big)


@pytest.mark.parametrize("size", ["8k", "10m"])
def test_a_full_disk_under_the_caches_costs_the_cache_only(
    installation: Installation, app: Path, big: BuildpackFolder, size: str
) -> None:
    first = installation.build(app, buildpack=big)
    full = prepared(installation, small(installation.paths.cache_dir, size))
    # The lifecycle warns; the image does not depend on its cache.
    limited = full.build(app, "--verbose", buildpack=big)
    assert limited.digest == first.digest
    assert "no space left on device" in limited.stderr
    assert installation.build(app, buildpack=big).digest == first.digest


def test_a_full_disk_under_an_output(
    installation: Installation, app: Path, big: BuildpackFolder, tmp_path: Path
) -> None:
    full = prepared(installation, small(tmp_path / "small", "1m"))
    archive = tmp_path / "small/image.tar"
    out_of_space(full.try_build(app, "--output", f"oci-archive:{archive}", buildpack=big))
    # The image was built; only its delivery failed.
    assert installation.image(app) is not None
    assert not archive.exists()


def out_of_space(result: Finished, code: int = 6) -> None:
    assert result.code == code, result.output
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    text = result.stderr.lower()
    assert "no space left" in text or "disk is full" in text, result.stderr
    assert "locald cache clear" in result.stderr


def test_folders_that_cannot_be_written_are_told(
    installation: Installation, tmp_path: Path
) -> None:
    app = make_app(tmp_path / "app")
    (tmp_path / "closed").mkdir(mode=0o500)
    result = installation.with_environment(LOCALD_CACHE_DIR=str(tmp_path / "closed")).try_build(app)
    assert result.code == 6
    assert "LOCALD_CACHE_DIR" in result.stderr
    assert "Traceback" not in result.stderr
