"""The folders of one build: what each phase sees of them, and nothing more."""

import os
import stat
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.inputs import MountPaths
from lifecycle.phase import Phase
from lifecycle.runtime.spec import Mount, OverlayMount
from lifecycle.workspace import Workspace

Row = tuple[str, str, bool]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(
        root=tmp_path / "build",
        paths=MountPaths(),
        app=tmp_path / "app",
        hidden=(PurePosixPath("node_modules"),),
        cache=tmp_path / "cache",
        build_cache=tmp_path / "build-cache",
        modules=(
            Mount(
                source=tmp_path / "mine",
                target=PurePosixPath("/cnb/buildpacks/acme_mine/1.0"),
                read_only=True,
            ),
        ),
        extra=(
            Mount(
                source=tmp_path / "ca.crt",
                target=PurePosixPath("/etc/ssl/certs/ca-certificates.crt"),
                read_only=True,
            ),
        ),
    )


def rows(workspace: Workspace, phase: Phase) -> list[Row]:
    """Source below the test's folder, target, and whether it may only be read."""
    base = workspace.root.parent
    return [
        (str(m.source.relative_to(base)), str(m.target), m.read_only)
        for m in workspace.mounts(phase)
    ]


LAYERS: Row = ("build/layers", "/layers", False)
LAYOUT: Row = ("build/layout-repo", "/layout-repo", True)
CACHE: Row = ("cache", "/cache", False)
FOR_BUILDPACKS: list[Row] = [
    ("build/platform", "/platform", True),
    ("mine", "/cnb/buildpacks/acme_mine/1.0", True),
    ("ca.crt", "/etc/ssl/certs/ca-certificates.crt", True),
]
EXPECTED: dict[Phase, list[Row]] = {
    Phase.ANALYZE: [LAYERS, LAYOUT, ("build/tmp-analyze", "/tmp", False)],
    Phase.DETECT: [LAYERS, ("build/tmp-detect", "/tmp", False), *FOR_BUILDPACKS],
    Phase.RESTORE: [LAYERS, LAYOUT, CACHE, ("build/tmp-restore", "/tmp", False)],
    Phase.BUILD: [
        LAYERS,
        ("build/tmp-build", "/tmp", False),
        ("build-cache", "/build-cache", False),
        *FOR_BUILDPACKS,
    ],
    Phase.EXPORT: [
        LAYERS,
        ("build/layout-repo", "/layout-repo", False),
        CACHE,
        ("build/tmp-export", "/tmp", False),
    ],
}


@pytest.mark.parametrize("phase", Phase)
def test_each_phase_sees_exactly_its_mounts(workspace: Workspace, phase: Phase) -> None:
    assert rows(workspace, phase) == EXPECTED[phase]


@pytest.mark.parametrize("phase", Phase)
def test_the_source_is_an_overlay_where_it_is_seen(workspace: Workspace, phase: Phase) -> None:
    overlay = OverlayMount(
        lower=workspace.app,
        scratch=workspace.root / "app-overlay",
        target=PurePosixPath("/workspace"),
        hidden=(PurePosixPath("node_modules"),),
    )
    seen = phase in (Phase.DETECT, Phase.BUILD, Phase.EXPORT)
    assert workspace.overlays(phase) == ((overlay,) if seen else ())
    assert workspace.app not in [m.source for m in workspace.mounts(phase)]


@pytest.mark.parametrize("phase", [Phase.DETECT, Phase.BUILD])
def test_foreign_code_never_sees_the_lifecycle_s_cache_or_the_images(
    workspace: Workspace, phase: Phase
) -> None:
    sources = {m.source for m in workspace.mounts(phase)}
    assert not sources & {workspace.cache, workspace.layout}


def test_every_source_of_ours_exists_after_creation(workspace: Workspace) -> None:
    workspace.create()
    ours = {
        m.source
        for phase in Phase
        for m in workspace.mounts(phase)
        if m.source.is_relative_to(workspace.root)
    } | {overlay.scratch for phase in Phase for overlay in workspace.overlays(phase)}
    assert all(path.is_dir() for path in ours)
    assert workspace.sandbox.is_dir()
    temporary = workspace.root / "tmp-build"
    assert stat.S_IMODE(temporary.stat().st_mode) == 0o1777


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_what_the_image_has_does_not_depend_on_the_umask(workspace: Workspace, umask: int) -> None:
    old = os.umask(umask)
    try:
        workspace.create()
    finally:
        os.umask(old)
    assert stat.S_IMODE(workspace.layers.stat().st_mode) == 0o755


def test_a_folder_that_is_not_new_is_refused(workspace: Workspace) -> None:
    workspace.create()
    with pytest.raises(FileExistsError):
        workspace.create()


def test_variables_are_files_that_hold_exactly_their_values(workspace: Workspace) -> None:
    workspace.create()
    workspace.write_environment({"A": "1\n", "EMPTY": "", "BYTES": "\udcff", "ä": "ö"})
    env = workspace.platform / "env"
    assert {p.name: p.read_bytes() for p in env.iterdir()} == {
        "A": b"1\n",
        "EMPTY": b"",
        "BYTES": b"\xff",
        "ä": "ö".encode(),
    }


def test_volumes_and_bindings_are_for_the_phases_that_run_buildpacks(workspace: Workspace) -> None:
    base = workspace.root.parent
    (base / "folder").mkdir()
    (base / "file").touch()
    volumes = (
        Mount(source=base / "folder", target=PurePosixPath("/mnt/x")),
        Mount(
            source=base / "file",
            target=PurePosixPath("/platform/bindings/two/key"),
            read_only=True,
        ),
    )
    with_both = replace(workspace, bindings={"db": base / "folder"}, volumes=volumes)
    mine: list[Row] = [
        ("folder", "/mnt/x", False),
        ("file", "/platform/bindings/two/key", True),
        ("folder", "/platform/bindings/db", True),
    ]
    for phase in Phase:
        found = [row for row in mine if row in rows(with_both, phase)]
        assert found == (mine if phase in (Phase.DETECT, Phase.BUILD) else [])
    with_both.create()
    with_both.write_binding("ca", {"type": b"ca-certificates"})
    bindings = with_both.platform / "bindings"
    assert sorted(p.relative_to(bindings).as_posix() for p in bindings.rglob("*")) == [
        "ca", "ca/type", "db", "two", "two/key",
    ]  # fmt: skip
