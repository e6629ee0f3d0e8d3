"""Buildpacks of a few lines of bash, for `--buildpack FOLDER`."""

from pathlib import Path

DETECTS = "exit 0"
# A launch layer and a process, always the same.
BUILDS = """\
mkdir -p "$CNB_LAYERS_DIR/made/bin"
printf '#!/bin/sh\\necho made by a test\\n' >"$CNB_LAYERS_DIR/made/bin/say"
chmod 0755 "$CNB_LAYERS_DIR/made/bin/say"
printf '[types]\\nlaunch = true\\n' >"$CNB_LAYERS_DIR/made.toml"
printf '[[processes]]\\ntype = "web"\\ncommand = ["say"]\\ndefault = true\\n' \\
    >"$CNB_LAYERS_DIR/launch.toml"
"""

_DESCRIPTOR = """\
api = "0.10"
[buildpack]
id = "{id}"
version = "1.0.0"
name = "{name}"
[[targets]]
os = "linux"
"""
_SCRIPT = "#!/usr/bin/env bash\nset -euo pipefail\n{hold}{body}\n"
_HOLD = """\
if [[ -e $CNB_BUILDPACK_DIR/hold-{phase} ]]; then
    echo "holding {phase}"
    while [[ -e $CNB_BUILDPACK_DIR/hold-{phase} ]]; do sleep 0.05; done
fi
"""


class BuildpackFolder:
    """A buildpack on disk. `hold` lets its next run wait in a phase until `release`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(
        cls,
        path: Path,
        *,
        id: str = "e2e/test",
        name: str = "Test",
        detect: str = DETECTS,
        build: str = BUILDS,
    ) -> "BuildpackFolder":
        """detect, build: bash, run with `set -euo pipefail`."""
        (path / "bin").mkdir(parents=True)
        (path / "buildpack.toml").write_text(_DESCRIPTOR.format(id=id, name=name))
        for phase, body in (("detect", detect), ("build", build)):
            script = path / "bin" / phase
            script.write_text(_SCRIPT.format(hold=_HOLD.format(phase=phase), body=body))
            script.chmod(0o755)
        return cls(path)

    def hold(self, phase: str) -> None:
        """The next run of `detect` or `build` says `holding PHASE` and waits."""
        (self.path / f"hold-{phase}").touch()

    def release(self) -> None:
        """Nobody waits any more."""
        for marker in self.path.glob("hold-*"):
            marker.unlink()
