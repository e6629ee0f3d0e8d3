"""pack, built from the Go module proxy as tests/bench/pack/go.mod pins it; for comparison only."""

import os
import shutil
from pathlib import Path

from oci.errors import HostError
from oci.process import Command, CommandRunner
from tests.bench.place import Place

VERSION = "0.40.6"
_MODULE = Path(__file__).parent / "pack"
_PACKAGE = "github.com/buildpacks/pack"
_GO_VARIABLES = ("GOFLAGS", "GOPROXY", "GOSUMDB", "GONOSUMDB", "GOPRIVATE", "GOTOOLCHAIN")


def pack_program(place: Place, runner: CommandRunner) -> Path:
    """The executable; built once and kept."""
    program = place.kept / f"pack-{VERSION}"
    if program.is_file():
        return program
    if shutil.which("go") is None:
        raise HostError("`go` is not installed", hint="pack is built with it, for comparison only")
    # Not in the repository: go writes beside go.mod.
    module = place.work / "pack"
    shutil.copytree(_MODULE, module)
    built = place.work / "pack-program"
    environment = {name: os.environ[name] for name in _GO_VARIABLES if name in os.environ}
    runner.run(
        Command(
            argv=(
                "go", "build",
                "-trimpath",
                "-ldflags", f"-s -w -X {_PACKAGE}/pkg/client.Version={VERSION}",
                "-o", str(built),
                _PACKAGE,
            ),
            cwd=module,
            env={**environment, "CGO_ENABLED": "0"},
        )
    )  # fmt: skip
    built.replace(program)
    return program
