"""Volumes and service bindings, with the real lifecycle on every runtime."""

import os
import subprocess
from pathlib import Path

import pytest

from lifecycle.runtime.spec import RuntimeName
from tests.e2e.conftest import AppMaker
from tests.e2e.test_bad_input import refused
from tests.support.buildpack_folder import BUILDS, BuildpackFolder
from tests.support.e2e import Installation, layer_bytes

CONTENT = "content-of-a-volume-81f2"
PASSWORD = "password-of-a-binding-5c07"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "a folder: of mine"
    made.mkdir()
    (made / "file").write_text(CONTENT)
    return made


@pytest.fixture
def binding(tmp_path: Path) -> Path:
    made = tmp_path / "binding"
    made.mkdir()
    (made / "type").write_text("postgresql\n")
    (made / "password").write_text(PASSWORD)
    return made


def said(stderr: str) -> list[str]:
    """What the buildpack said: its lines that begin with `say`."""
    lines = (line.partition("say ") for line in stderr.splitlines() if line.startswith("[build]"))
    return [text for _, found, text in lines if found]


def kept_bytes(installation: Installation, app: Path) -> bytes:
    """All of the image's own layers, and all files of the caches."""
    layout = installation.layout(app)
    caches = [p for p in installation.paths.cache_dir.rglob("*") if p.is_file()]
    return layer_bytes(layout.read(), layout) + b"".join(path.read_bytes() for path in caches)


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_volumes_are_read_only_or_the_users_to_write(
    installation: Installation, app: Path, folder: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    spy = BuildpackFolder.make(
        tmp_path / "spy",
        detect="grep -q content /mnt/ro/file && grep -q content /mnt/one && touch /mnt/rw/detected",
        build='echo "say $(cat /mnt/ro/file)"; touch /mnt/ro/no 2>/dev/null || echo "say refused"\n'
        f"mkdir /mnt/rw/made; echo x >/mnt/rw/made/x\n{BUILDS}",
    )
    own = tmp_path / "own"
    own.mkdir()
    flags = (
        *("--volume", f"{folder}:/mnt/ro", "--volume", f"{folder}/file:/mnt/one:ro"),
        *("--volume", f"{own}:/mnt/rw:rw", "--runtime", runtime),
    )
    result = installation.build(app, *flags, buildpack=spy)
    assert said(result.stderr) == [CONTENT, "refused"]
    assert not (folder / "no").exists()
    made = [own / "detected", own / "made", own / "made/x"]
    assert {(p.lstat().st_uid, p.lstat().st_gid) for p in made} == {(os.getuid(), os.getgid())}
    assert CONTENT.encode() not in kept_bytes(installation, app)


def test_a_volume_below_the_source_leaves_an_empty_folder(
    installation: Installation, app: Path, folder: Path, tmp_path: Path
) -> None:
    spy = BuildpackFolder.make(
        tmp_path / "spy", build=f"cat node_modules/file >/dev/null\n{BUILDS}"
    )
    flags = ("--volume", f"{folder}:/workspace/node_modules:rw")
    result = installation.build(app, *flags, buildpack=spy)
    assert "does not become a part of the image" in result.stderr
    kept = kept_bytes(installation, app)
    assert b"workspace/node_modules" in kept
    assert CONTENT.encode() not in kept
    assert not (app / "node_modules").exists()


def test_a_project_shows_the_build_what_is_in_it(
    installation: Installation, make: AppMaker, tmp_path: Path
) -> None:
    spy = BuildpackFolder.make(tmp_path / "spy", build=f'echo "say $(cat /mnt/x/f)"\n{BUILDS}')
    text = '[service.web.build]\nvolumes = ["fixtures:/mnt/x"]\nexclude = ["fixtures"]\n'
    app = make(files={"index.html": "x", "fixtures/f": CONTENT, "locald.toml": text})
    assert said(installation.build(app, buildpack=spy).stderr) == [CONTENT]
    (app / "locald.toml").write_text('[service.web.build]\nvolumes = ["../out:/mnt/x"]\n')
    (app.parent / "out").mkdir()
    refused(installation.try_build(app), 2, "locald.toml: service.web.build.volumes[0]", "outside")


def test_a_place_behind_a_link_of_the_builder_is_refused(
    installation: Installation, app: Path, folder: Path
) -> None:
    result = installation.try_build(app, "--volume", f"{folder}:/bin/tools")
    refused(result, 2, "--volume: /bin/tools: /bin is a link")
    (app / "data").symlink_to("/etc")
    result = installation.try_build(app, "--volume", f"{folder}:/workspace/data/x")
    refused(result, 2, "--volume: /workspace/data/x: /workspace/data is a link")
    result = installation.try_build(app, "--volume", f"{folder}:/etc/passwd")
    refused(result, 2, "--volume: /etc/passwd: it is a file there")


@pytest.mark.parametrize(
    "flags",
    [
        ("--volume", "/nowhere:/mnt/x"),
        ("--volume", "/etc:relative"),
        ("--volume", "/etc:/layers/x"),
        ("--volume", "/etc:/mnt/x:z"),
        ("--binding", "db"),
        ("--binding", "db=/nowhere"),
        ("--binding", "DB=/etc"),
    ],
    ids=" ".join,
)
def test_bad_flags_are_named(installation: Installation, app: Path, flags: tuple[str, ...]) -> None:
    refused(installation.try_build(app, *flags), 2, f"{flags[0]}: ")


@pytest.mark.parametrize("runtime", list(RuntimeName))
def test_bindings_are_seen_and_not_kept(
    installation: Installation, app: Path, binding: Path, tmp_path: Path, runtime: RuntimeName
) -> None:
    look = 'test "$(cat "$SERVICE_BINDING_ROOT/db/password")" = "$EXPECTED"'
    spy = BuildpackFolder.make(
        tmp_path / "spy",
        detect=look,
        build=f'{look}\necho "say $(cat "$CNB_PLATFORM_DIR/bindings/db/type")"\n'
        f'touch "$SERVICE_BINDING_ROOT/db/no" 2>/dev/null || echo "say refused"\n{BUILDS}',
    )
    flags = ("--binding", f"db={binding}", "--env", f"EXPECTED={PASSWORD}", "--runtime", runtime)
    result = installation.build(app, *flags, buildpack=spy)
    assert said(result.stderr) == ["postgresql", "refused"]
    assert PASSWORD.encode() not in kept_bytes(installation, app)


def test_a_binding_as_pack_takes_it(
    installation: Installation, app: Path, binding: Path, tmp_path: Path
) -> None:
    spy = BuildpackFolder.make(
        tmp_path / "spy", build=f'echo "say $(cat "$CNB_PLATFORM_DIR/bindings/db/type")"\n{BUILDS}'
    )
    flags = ("--volume", f"{binding}:/platform/bindings/db")
    assert said(installation.build(app, *flags, buildpack=spy).stderr) == ["postgresql"]


def test_certificates_are_a_binding_too(
    installation: Installation, app: Path, tmp_path: Path
) -> None:
    ca = tmp_path / "ca.pem"
    argv = ("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    rest = ("-nodes", "-keyout", str(tmp_path / "key"), "-out", str(ca), "-subj", "/CN=test")
    subprocess.run((*argv, *rest), check=True, capture_output=True)
    spy = BuildpackFolder.make(
        tmp_path / "spy",
        build=f'cd "$SERVICE_BINDING_ROOT"; for f in */*; do echo "say $f"; done; '
        f'echo "say $(cat ca-certificates/type)"\n{BUILDS}',
    )
    result = installation.build(app, "--ca-cert", ca, buildpack=spy)
    assert said(result.stderr) == [
        "ca-certificates/ca-001.pem",
        "ca-certificates/type",
        "ca-certificates",
    ]
