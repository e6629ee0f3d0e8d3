"""Builds the lifecycle from a Go module that pins it, with flags that give the same bytes anywhere.

The module (`embedded/lifecycle`) holds go.mod and go.sum: the sources come through Go's own module
proxy, checked against go.sum. Beside them may lie lifecycle.toml, which tells the APIs, and a
program `sbom` that writes bills of materials beside the binaries that it is given.
"""

import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lifecycle.builder import ApiVersions, LifecycleApis
from lifecycle.lifecycle_source import (
    DESCRIPTOR,
    LAUNCHER,
    MULTI_CALL,
    Lifecycle,
    LifecycleToml,
    lifecycle_in_folder,
)
from lifecycle.toml_document import read_toml
from oci.digest import Digest
from oci.errors import CommandError, HostError, ImageError
from oci.locks import exclusive
from oci.platform import Platform
from oci.process import Command, CommandRunner, missing_tool
from oci.tree_digest import digest_tree

MODULE = "github.com/buildpacks/lifecycle"
_PROGRAMS = (MULTI_CALL, LAUNCHER)
_SBOM = "sbom"
_FIRST_GO_WITH_TOOLCHAINS = (1, 21)
_WELL_KNOWN = Path("/usr/local/go/bin/go")
# Where modules come from and are kept, as the user or the host set it; not what changes the build.
_PASSED = (
    "GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE", "GOVCS",
    "GOPATH", "GOCACHE", "GOMODCACHE",
)  # fmt: skip
_API_LISTS = re.compile(
    r"^\s*(?P<kind>Platform|Buildpack)\s*=\s*newApisMustParse\(\s*"
    r"\[\]string\{(?P<supported>[^}]*)\}\s*,\s*\[\]string\{(?P<deprecated>[^}]*)\}\s*\)",
    re.MULTILINE,
)


@dataclass(frozen=True, kw_only=True)
class GoToolchain:
    """The `go` of this host. version: of the program itself, such as (1, 26, 8)."""

    program: str
    version: tuple[int, ...]


def build_argv(program: str, *, version: str, output: Path) -> tuple[str, ...]:
    """The argv that builds both programs into the folder `output`."""
    return (
        program, "build",
        "-mod=readonly",
        "-trimpath",
        "-buildvcs=false",
        "-ldflags", f"-s -w -buildid= -X {MODULE}/cmd.Version={version}"
        f" -X {MODULE}/cmd.SCMRepository={MODULE}",
        "-o", f"{output}{os.sep}",
        *(f"{MODULE}/cmd/{name}" for name in _PROGRAMS),
    )  # fmt: skip


class GoLifecycle:
    """Builds from one module folder; what is built stays in `cache`."""

    def __init__(self, runner: CommandRunner, module: Path, *, cache: Path) -> None:
        self._runner = runner
        self._module = module
        self._cache = cache

    def build(
        self, platform: Platform, *, on_step: Callable[[str], None] = lambda _: None
    ) -> Lifecycle:
        """The lifecycle, built or from the cache. Raises HostError, ImageError or CommandError."""
        key = self.key(platform)
        folder = self._cache / key
        if not (folder / DESCRIPTOR).is_file():
            with exclusive(self._cache / f"{key}.lock", what="the lifecycle's build"):
                if not (folder / DESCRIPTOR).is_file():
                    on_step("Building the lifecycle from its Go module")
                    self._build(folder, platform)
        return lifecycle_in_folder(folder)

    def key(self, platform: Platform) -> str:
        """Names what the build depends on, known without running `go`."""
        for name in ("go.mod", "go.sum"):
            self._read(name)
        argv = build_argv("go", version="", output=Path())
        inputs = repr((str(digest_tree(self._module)), str(platform), argv))
        return Digest.of(inputs.encode()).hex[:32]

    def _build(self, folder: Path, platform: Platform) -> None:
        go = find_go(self._runner)
        env = self._environment(go, platform)
        version, source = self._locate(go, env)
        staging = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        try:
            argv = build_argv(go.program, version=version, output=staging)
            self._run(Command(argv=argv, cwd=self._module, env=env))
            for name in _PROGRAMS:
                (staging / name).chmod(0o755)
            if (self._module / _SBOM).is_dir():
                binaries = (str(staging / name) for name in _PROGRAMS)
                run = (go.program, "run", "-mod=readonly", f"./{_SBOM}", *binaries)
                # It runs here, whatever it is that it describes.
                host = {k: v for k, v in env.items() if k not in ("GOOS", "GOARCH")}
                self._run(Command(argv=run, cwd=self._module, env=host))
            (staging / DESCRIPTOR).write_text(self._descriptor(version, source))
            shutil.rmtree(folder, ignore_errors=True)
            staging.rename(folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _locate(self, go: GoToolchain, env: dict[str, str]) -> tuple[str, Path]:
        """The pinned version, and the folder with its sources."""
        self._run(Command(argv=(go.program, "mod", "download"), cwd=self._module, env=env))
        listed = self._run(
            Command(
                argv=(go.program, "list", "-mod=readonly", "-m", "-json", MODULE),
                cwd=self._module,
                env=env,
            )
        )
        module = msgspec.json.decode(listed, type=_Module)
        if not module.version or not module.dir:
            raise ImageError(f"{self._module / 'go.mod'} does not require {MODULE}")
        return module.version.removeprefix("v"), Path(module.dir)

    def _descriptor(self, version: str, source: Path) -> str:
        given = self._module / DESCRIPTOR
        if not given.is_file():
            return _descriptor(version, read_apis(source))
        told = read_toml(given, LifecycleToml).lifecycle.version
        if told != version:
            raise ImageError(f"{given}: the version is {told}, go.mod requires {version}")
        return given.read_text()

    def _environment(self, go: GoToolchain, platform: Platform) -> dict[str, str]:
        required = _go_directive(self._read("go.mod").decode(errors="replace"))
        too_old = go.version < required
        if too_old and go.version[:2] < _FIRST_GO_WITH_TOOLCHAINS:
            raise HostError(
                f"go {_dotted(go.version)} is too old to build the lifecycle, "
                f"which needs {_dotted(required)}",
                hint="install a current Go in /usr/local/go, or any from 1.21, "
                "which then fetches the one that is needed",
            )
        env = {
            "CGO_ENABLED": "0",
            "GOFLAGS": "",
            "GOWORK": "off",
            "GOTOOLCHAIN": "auto" if too_old else "local",
            "GOOS": platform.os,
            "GOARCH": platform.architecture,
        }
        env.update({name: os.environ[name] for name in _PASSED if os.environ.get(name)})
        if not os.environ.get("HOME"):
            env.setdefault("GOPATH", str(self._cache / "gopath"))
            env.setdefault("GOCACHE", str(self._cache / "gocache"))
        return env

    def _run(self, command: Command) -> bytes:
        try:
            return self._runner.run(command).stdout
        except CommandError as error:
            raise _explain(error) from error

    def _read(self, name: str) -> bytes:
        try:
            return (self._module / name).read_bytes()
        except OSError as error:
            raise ImageError(
                f"{self._module} is not a Go module with its checksums: {name}: {error.strerror}"
            ) from error


class _Module(msgspec.Struct, frozen=True, rename="pascal"):
    version: str = ""
    dir: str = ""


def find_go(runner: CommandRunner) -> GoToolchain:
    """The `go` on PATH, or the one in its usual place; raises HostError."""
    program = shutil.which("go") or (str(_WELL_KNOWN) if _WELL_KNOWN.is_file() else "")
    if not program:
        raise missing_tool("go")
    said = runner.run(
        Command(argv=(program, "env", "GOVERSION"), env={"GOTOOLCHAIN": "local"})
    ).text
    found = re.search(r"go(\d+(?:\.\d+)*)", said)
    if found is None:
        raise HostError(f"`{program}` does not say its version", details=said.splitlines()[:3])
    return GoToolchain(program=program, version=_numbers(found[1]))


def read_apis(source: Path) -> LifecycleApis:
    """The API lists, from the sources: the programs themselves do not tell them."""
    path = source / "api/apis.go"
    try:
        text = path.read_text()
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error.strerror}") from error
    lists = {
        found["kind"]: (_quoted(found["supported"]), _quoted(found["deprecated"]))
        for found in _API_LISTS.finditer(text)
    }
    if lists.keys() != {"Platform", "Buildpack"}:
        raise ImageError(f"{path} does not list the APIs in the form that is known here")
    return LifecycleApis(
        platform=_versions(*lists["Platform"]), buildpack=_versions(*lists["Buildpack"])
    )


def _versions(supported: tuple[str, ...], deprecated: tuple[str, ...]) -> ApiVersions:
    # In Go the first list holds all; in lifecycle.toml, too.
    return ApiVersions(deprecated=deprecated, supported=supported)


def _descriptor(version: str, apis: LifecycleApis) -> str:
    def text(versions: tuple[str, ...] | None) -> str:
        return "[" + ", ".join(f'"{v}"' for v in versions or ()) + "]"

    return (
        f'[lifecycle]\nversion = "{version}"\n\n'
        f"[apis.buildpack]\ndeprecated = {text(apis.buildpack.deprecated)}\n"
        f"supported = {text(apis.buildpack.supported)}\n\n"
        f"[apis.platform]\ndeprecated = {text(apis.platform.deprecated)}\n"
        f"supported = {text(apis.platform.supported)}\n"
    )


def _quoted(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r'"([^"]*)"', text))


def _go_directive(text: str) -> tuple[int, ...]:
    found = re.search(r"^go\s+(\d+(?:\.\d+)*)", text, re.MULTILINE)
    return _numbers(found[1]) if found else (1,)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(number) for number in version)


def _explain(error: CommandError) -> HostError:
    said = "\n".join(error.details)
    hint = error.hint
    if "x509" in said or "certificate" in said:
        hint = "add your network's CA to this host, or name its file in SSL_CERT_FILE"
    elif "dial tcp" in said or "no such host" in said or "i/o timeout" in said:
        hint = "Go needs its module proxy once: see that this host has a way to it (GOPROXY, proxy)"
    elif "no space left" in said:
        hint = "free some space"
    return HostError("go could not build the lifecycle", details=error.details[-15:], hint=hint)
