"""Images into and out of registries, through the command line."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from locald.paths import DATA_VARIABLE
from oci.digest import Digest
from oci.image import decode_manifest
from oci.layout import Layout
from oci.process import Command, CommandRunner
from oci.registry_clients import RegistryClients
from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import BUILDER, Installation
from tests.support.registry import PASSWORD, Registry, serve_registry, write_auth_file
from tests.support.registry_faults import Fault, serve_faults
from tests.support.tls import make_tls

RUN = BUILDER.replace("/builder", "/run")


@pytest.fixture(scope="module")
def registry(
    tmp_path_factory: pytest.TempPathFactory, installation: Installation
) -> Iterator[Registry]:
    """With a private CA, a password, and the run image."""
    folder = tmp_path_factory.mktemp("publish")
    with serve_registry(folder / "registry", tls=make_tls(folder / "tls"), login=True) as server:
        layout = installation.layout_of(RUN).path
        argv = (
            "skopeo", "copy", "--quiet", "--dest-authfile", str(server.auth_file),
            "--dest-cert-dir", str(server.tls.cert_dir if server.tls else ""),
            f"oci:{layout}:latest", str(server.location("base/run:1")),
        )  # fmt: skip
        CommandRunner().run(Command(argv=argv))
        yield server


@pytest.fixture
def machine(installation: Installation, tmp_path: Path) -> Installation:
    return other_machine(installation, tmp_path / "machine")


def other_machine(installation: Installation, folder: Path) -> Installation:
    """A machine that has the builder, unpacked, and nothing else: no run image, no image built."""
    store = folder / "data/store"
    for name in ("blobs/sha256", "images", "refs/localhost/locald", "tmp", "locks"):
        (store / name).mkdir(parents=True)
    (store / "rootfs").symlink_to(installation.paths.store / "rootfs")
    builder = installation.layout_of(BUILDER)
    image = builder.read()
    mine = Layout.create(store / "images" / image.digest.hex, blobs=store / "blobs")
    mine.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
    for digest in image.layer_digests:
        mine.blob_path(digest).symlink_to(builder.blob_path(digest))
    kept = "refs/localhost/locald/builder"
    shutil.copytree(installation.paths.store / kept, store / kept)
    variables = {DATA_VARIABLE: str(folder / "data"), "LOCALD_CACHE_DIR": str(folder / "cache")}
    paths = replace(installation.paths, data_dir=folder / "data", cache_dir=folder / "cache")
    return replace(installation.with_environment(**variables), paths=paths)


def publish_flags(registry: Registry, *names: str) -> tuple[str, ...]:
    """The run image's name, the image's names, and how to reach the registry."""
    tags = [word for name in names for word in ("--tag", f"{registry.host}/{name}")]
    run_image = ("--run-image", f"{registry.host}/base/run:1")
    return ("--builder", BUILDER, *run_image, *tags, "--publish", *registry.flags)


def publish(machine: Installation, app: Path, registry: Registry, *names: str, **more: Any) -> Any:
    """A build whose only output is the registry; its report."""
    report = machine.outputs.parent / "report.json"
    words = more.get("flags", ())
    argv = ("build", str(app), *publish_flags(registry, *names), "--report", str(report), *words)
    result = machine.locald.run(*argv)
    assert result.code == 0, result.output
    return json.loads(report.read_text()), result


def layers_of(registry: Registry, name: str) -> dict[str, int]:
    """Digest → size of the layers that an image in the registry lists."""
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(name))
    assert found is not None
    manifest = decode_manifest(found.data, origin=name)
    return {layer.digest: layer.size for layer in manifest.layers}


def fetched(registry: Registry, since: int, digests: set[str]) -> int:
    """How many bytes of these blobs the registry has sent."""
    return sum(
        asked.sent_bytes
        for asked in registry.asked()[since:]
        if asked.method == "GET" and asked.path.rpartition("/")[2].partition("?")[0] in digests
    )


def test_a_fresh_machine_publishes_without_a_byte_of_the_run_image(
    machine: Installation, app: Path, registry: Registry
) -> None:
    since = len(registry.asked())
    report, result = publish(machine, app, registry, f"team/{app.name}:1", f"team/{app.name}:new")
    base = layers_of(registry, "base/run:1")
    image = layers_of(registry, f"team/{app.name}:1")
    assert set(base) < set(image)
    assert layers_of(registry, f"team/{app.name}:new") == image
    assert fetched(registry, since, set(base)) == 0
    (told,) = report["published"]
    assert told["mounted_bytes"] == sum(base.values())
    assert told["copied_bytes"] == told["present_bytes"] == 0
    assert told["sent_bytes"] < 4_000_000
    size = told["size_bytes"] / 1_000_000
    assert f"of {size:.0f} MB" in result.stderr or f"of {size:.1f} MB" in result.stderr
    assert "; pushed " in result.stderr
    # Whole, for whoever pulls it.
    with RegistryClients(registry.registries) as clients:
        found = clients.manifest(registry.reference(f"team/{app.name}:1"))
        assert found is not None
        assert str(found.digest) == report["image"]["digest"]
        client = clients.target(registry.reference(f"team/{app.name}:1"))
        assert all(client.has_blob(Digest.parse(digest)) for digest in image)


HEAVY = """
layer="$CNB_LAYERS_DIR/heavy"
if [[ -e $layer.toml ]]; then echo "heavy is kept"
else mkdir -p "$layer"; head -c 300000 /dev/urandom >"$layer/data"; echo "heavy is made"; fi
printf '[types]\\nlaunch = true\\n[metadata]\\nversion = "1"\\n' >"$layer.toml"
printf '[[processes]]\\ntype = "web"\\ncommand = ["true"]\\ndefault = true\\n' \\
    >"$CNB_LAYERS_DIR/launch.toml"
"""


@pytest.fixture
def heavy(tmp_path: Path) -> BuildpackFolder:
    """Its layer is other bytes each time that it is made."""
    return BuildpackFolder.make(tmp_path / "heavy", id="e2e/heavy", build=HEAVY)


def test_a_machine_that_never_built_it_reuses_what_it_publishes_over(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    name = f"team/{app.name}:1"
    more = ("--buildpack", str(heavy.path), "--verbose")
    _, first = publish(machine, app, registry, name, flags=more)
    assert "heavy is made" in first.output
    before = layers_of(registry, name)
    (app / "index.html").write_text("something else")
    second = other_machine(installation, tmp_path / "second")
    since = len(registry.asked())
    report, result = publish(second, app, registry, name, flags=more)
    assert "heavy is kept" in result.output
    after = layers_of(registry, name)
    kept = [d for d in after if d in before and after[d] > 250_000]
    assert kept, "the heavy layer is the same"
    # Manifest, configuration and the bill of materials: none of it is large.
    assert fetched(registry, since, {d for d in before if before[d] > 100_000}) == 0
    assert sum(a.sent_bytes for a in registry.asked()[since:]) < 200_000
    assert report["published"][0]["sent_bytes"] < 100_000


def test_a_previous_image_of_another_name_is_reused_by_a_local_output(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    name = f"team/{app.name}:main"
    more = ("--buildpack", str(heavy.path), "--verbose")
    publish(machine, app, registry, name, flags=more)
    second = other_machine(installation, tmp_path / "second")
    out = tmp_path / "out"
    flags = (
        "--previous-image", f"{registry.host}/{name}",
        "--run-image", f"{registry.host}/base/run:1",
        "--output", f"oci:{out}:1", *registry.flags, *more,
    )  # fmt: skip
    result = second.build(app, *flags)
    assert "heavy is kept" in result.output
    layout = Layout(out)
    assert not layout.missing_layers(layout.read())
    assert set(layers_of(registry, name)) & {str(d) for d in layout.read().layer_digests}


def test_a_previous_image_elsewhere_is_mounted_from_there(
    installation: Installation,
    machine: Installation,
    app: Path,
    registry: Registry,
    heavy: BuildpackFolder,
    tmp_path: Path,
) -> None:
    more = ("--buildpack", str(heavy.path), "--verbose")
    publish(machine, app, registry, f"main/{app.name}:1", flags=more)
    second = other_machine(installation, tmp_path / "second")
    previous = ("--previous-image", f"{registry.host}/main/{app.name}:1")
    report, result = publish(
        second, app, registry, f"branch/{app.name}:1", flags=(*more, *previous)
    )
    assert "heavy is kept" in result.output
    assert report["published"][0]["copied_bytes"] == 0
    assert report["published"][0]["sent_bytes"] < 100_000


def test_the_first_build_of_a_previous_image_that_does_not_exist_says_so(
    machine: Installation, app: Path, registry: Registry
) -> None:
    missing = f"{registry.host}/team/none-yet:1"
    _, result = publish(
        machine, app, registry, f"team/{app.name}:1", flags=("--previous-image", missing)
    )
    assert f"the previous image {missing} does not exist: no layer is reused" in result.stderr


def test_a_rebuild_pushes_what_changed_and_the_store_s_image_serves_as_the_previous(
    machine: Installation, app: Path, registry: Registry
) -> None:
    name = f"team/{app.name}:1"
    publish(machine, app, registry, name)
    (app / "index.html").write_text("something else")
    since = len(registry.asked())
    report, _ = publish(machine, app, registry, name)
    assert report["published"][0]["sent_bytes"] < 10_000
    assert [a for a in registry.asked()[since:] if a.method == "POST" and a.status == 201] == []


def test_a_run_image_of_another_registry_goes_from_one_to_the_other(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain:
        auth = write_auth_file(tmp_path / "auth.json", registry.host)
        result = machine.locald.run(
            "build", app, "--builder", BUILDER, "--run-image", f"{registry.host}/base/run:1",
            "--tag", f"{plain.host}/team/app:1", "--publish", "--authfile", auth,
            "--cert-dir", registry.tls.cert_dir if registry.tls else "",
            "--insecure-registry", plain.host,
        )  # fmt: skip
        assert result.code == 0, result.output
        assert "MB between registries" in result.stderr
        base = set(layers_of(registry, "base/run:1"))
        assert base < set(layers_of(plain, "team/app:1"))
    assert not [d for d in base if (machine.paths.store / "blobs/sha256" / d[7:]).exists()]


def test_a_sparse_layout_has_the_application_alone(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    since = len(registry.asked())
    machine.build(
        app, "--run-image", f"{registry.host}/base/run:1", "--output", f"oci:{out}:1",
        "--sparse", *registry.flags,
    )  # fmt: skip
    layout = Layout(out)
    base = set(layers_of(registry, "base/run:1"))
    assert {str(d) for d in layout.missing_layers(layout.read())} == base
    assert fetched(registry, since, base) == 0


# ---- what can be wrong --------------------------------------------------------------------------


def failing(
    machine: Installation, app: Path, registry: Registry, *flags: str, code: int = 4
) -> str:
    """What the user reads of a publication that cannot work."""
    result = machine.locald.run(
        "build", app, "--builder", BUILDER, "--run-image", f"{registry.host}/base/run:1",
        "--tag", f"{registry.host}/team/{app.name}:1", "--publish", *flags,
    )  # fmt: skip
    assert result.code == code, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert PASSWORD not in result.stderr
    return result.stderr


def test_a_wrong_password_is_told_before_anything_is_built(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    wrong = write_auth_file(tmp_path / "auth.json", registry.host, password="Canary-1234")
    cert_dir = ("--cert-dir", str(registry.tls.cert_dir if registry.tls else ""))
    said = failing(machine, app, registry, *cert_dir, "--authfile", str(wrong))
    assert (
        f"with the login from {wrong}" in said or f"does not accept the login from {wrong}" in said
    )
    assert f"skopeo login {registry.host}" in said
    assert "Canary" not in said
    assert "detect" not in said


def test_no_login_is_told_with_the_command(
    machine: Installation, app: Path, registry: Registry, tmp_path: Path
) -> None:
    cert_dir = ("--cert-dir", str(registry.tls.cert_dir if registry.tls else ""))
    said = failing(machine.with_environment(HOME=str(tmp_path)), app, registry, *cert_dir)
    assert "the registry refused access" in said
    assert f"skopeo login {registry.host}" in said


def test_an_unknown_ca_is_told_with_the_flag(
    machine: Installation, app: Path, registry: Registry
) -> None:
    said = failing(machine, app, registry, "--authfile", str(registry.auth_file))
    assert f"the certificate of the registry {registry.host} is not trusted" in said
    assert "--cert-dir" in said


def test_a_registry_without_tls_is_told_with_the_flag(
    machine: Installation, app: Path, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain:
        said = failing(machine, app, plain)
    assert f"the registry {plain.host} speaks HTTP, not HTTPS" in said
    assert f"--insecure-registry {plain.host}" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--authfile", "gone.json"), "--authfile"),
        (("--authfile", "bad.json"), "bad.json: not an auth file"),
        (("--cert-dir", "gone"), "--cert-dir: gone: no such folder"),
        (("--insecure-registry", "https://a.example"), "--insecure-registry: 'https://a.example'"),
        (("--insecure-registry", "a.example/team"), "--insecure-registry: 'a.example/team'"),
        (("--tag", "shop"), "--publish: the name shop:latest says no registry"),
        (("--sparse",), "--sparse: leaves the run image's layers out of oci: outputs"),
    ],
)
def test_bad_words_are_told_with_their_flag(
    machine: Installation,
    app: Path,
    registry: Registry,
    tmp_path: Path,
    flags: tuple[str, ...],
    said: str,
) -> None:
    (tmp_path / "bad.json").write_text("{oh no")
    inside = replace(machine, locald=replace(machine.locald, cwd=tmp_path))
    assert said in failing(inside, app, registry, *flags, code=2)


def test_a_silent_registry_ends_in_a_time_out(
    machine: Installation, app: Path, tmp_path: Path
) -> None:
    with serve_registry(tmp_path / "plain") as plain, serve_faults(plain) as front:
        front.add(Fault(stall=True))
        quick = machine.with_environment(LOCALD_REGISTRY_TIMEOUT="1")
        result = quick.locald.run(
            "build", app, "--builder", BUILDER, "--tag", f"{front.host}/team/app:1", "--publish",
            "--run-image", f"{front.host}/base/run:1", "--insecure-registry", front.host,
        )  # fmt: skip
    assert result.code == 7, result.output
    assert f"the registry {front.host} did not answer within 1 s" in result.stderr


def test_a_project_s_file_neither_publishes_nor_says_who_the_user_is(
    machine: Installation, app: Path, registry: Registry
) -> None:
    (app / "locald.toml").write_text(
        f'[service.web.build]\noutput = "docker://{registry.host}/team/app:1"\n'
    )
    result = machine.locald.run("build", app, "--builder", BUILDER, *registry.flags)
    assert result.code == 2
    assert "a project's file cannot push to a registry in your name" in result.stderr
    for key in ("authfile", "cert_dir", "insecure_registries", "publish"):
        (app / "locald.toml").write_text(f'[service.web.build]\n{key} = "x"\n')
        refused = machine.locald.run("build", app, "--builder", BUILDER)
        assert refused.code == 2
        assert key in refused.stderr
