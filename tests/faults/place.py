"""One machine: a store, caches, an application, what was built. And what must hold on it."""

import hashlib
import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from locald.paths import CACHE_VARIABLE, CONFIG_VARIABLE, DATA_VARIABLE
from tests.support.cli import Finished, Locald, Running
from tests.support.leftovers import processes_of
from tests.support.registry_faults import Front
from tests.support.waiting import wait_until

_INJECTED = Path(__file__).parent / "injected"
_ROOT = Path(__file__).parents[2]
GONE_SECONDS = 10.0
# What an expected failure ends with: lifecycle's own codes and signals besides.
_EXPECTED_CODES = frozenset({2, 3, 4, 5, 6, 7})
NAME = "localhost/faults/app:1"
_TEMPORARY = re.compile(r"\.(new|partial)$|^oci-put-blob|^tmp\w{8}$|^\.\w{8}$")


@dataclass(frozen=True, kw_only=True)
class Place:
    """app: the same folder for all copies, so that they share a cache's name.

    digest: of the image that every build must give; "" while nobody knows.
    inside: where locald has the machine's folder, when another mount namespace shows it there.
    ours: processes that belong to the harness, not to a build.
    """

    root: Path
    app: Path
    front: Front
    digest: str = ""
    extra: Mapping[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()
    inside: Path | None = None
    ours: tuple[int, ...] = ()

    def moved(self, root: Path) -> Self:
        """The same machine in another folder."""
        return replace(self, root=root)

    def with_environment(self, **variables: str) -> Self:
        """The same with some variables."""
        return replace(self, extra={**self.extra, **variables})

    @property
    def data(self) -> Path:
        """LOCALD_DATA_DIR."""
        return self.root / "data"

    @property
    def store(self) -> Path:
        """The image store."""
        return self.data / "store"

    @property
    def cache(self) -> Path:
        """LOCALD_CACHE_DIR."""
        return self.root / "cache"

    @property
    def outputs(self) -> Path:
        """A layout that images are delivered to."""
        return self.root / "outputs"

    def locald(self, fault: Mapping[str, Any] | None = None) -> Locald:
        """The command, with a fault in it: `injected/sitecustomize.py`."""
        root = self.inside or self.root
        folders = [str(_INJECTED)] if fault is not None else []
        environment = {
            **os.environ,
            DATA_VARIABLE: str(root / "data"),
            CACHE_VARIABLE: str(root / "cache"),
            CONFIG_VARIABLE: str(root / "config"),
            "TMPDIR": str(root / "tmp"),
            "PYTHONPATH": os.pathsep.join((*folders, str(_ROOT))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LOCALD_FAULT": json.dumps(fault or {}),
            **self.extra,
        }
        return Locald(environment=environment, prefix=self.prefix)

    def arguments(self, *flags: str | Path) -> tuple[str, ...]:
        """`build`'s arguments: a layout as the output, unless flags say otherwise."""
        words = tuple(map(str, flags))
        host = self.front.host
        argv = ["build", str(self.app), "--builder", f"{host}/team/builder:1"]
        argv += ["--insecure-registry", host]
        if "--tag" not in words:
            argv += ["--tag", NAME]
        if not {"-o", "--output", "--publish"} & set(words):
            argv += ["--output", f"oci:{(self.inside or self.root) / 'outputs'}:app"]
        return (*argv, *words)

    def build(self, *flags: str | Path, fault: Mapping[str, Any] | None = None) -> Finished:
        """A build to its end."""
        return self.locald(fault).run(*self.arguments(*flags))

    def operations(self, *flags: str | Path) -> tuple[str, ...]:
        """What a build changes on the disk, and what it starts, in order."""
        log = self.root / "operations"
        result = self.build(*flags, fault={"log": str(log)})
        check(result.code == 0, result.output)
        return tuple(log.read_text().splitlines())

    def start(self, *flags: str | Path, fault: Mapping[str, Any] | None = None) -> Running:
        """A build that has just begun; tells what it does as JSON."""
        return self.locald(fault).start(*self.arguments(*flags), "--progress", "json")

    # ---- what must hold -------------------------------------------------------------------

    def check_told(self, result: Finished) -> None:
        """A failure names its cause, in one message with a code of the table."""
        check("Traceback" not in result.output, f"a traceback: {result.output[-3000:]}")
        check("this is a bug" not in result.output.lower(), result.output[-3000:])
        if result.code == 0:
            return
        expected = result.code in _EXPECTED_CODES or 11 <= result.code <= 102
        check(expected or result.code > 128, f"exit code {result.code}: {result.output[-3000:]}")
        if result.code < 128:
            check("error" in result.stderr.lower(), f"no error is told: {result.output[-3000:]}")

    def check_visible(self) -> None:
        """What can be seen is whole: the last image, the output, every image a name means."""
        for ref in (self.store / "refs").rglob("*.json"):
            layout = self.store / "images" / json.loads(ref.read_bytes())["digest"][7:]
            check_layout(layout, str(ref))
        if self.digest and (self.outputs / "index.json").exists():
            check_layout(self.outputs, "the output")

    def check_nothing_runs(self) -> None:
        """No process and no mount of a build is left."""
        gone = wait_until(lambda: not self.running(), seconds=GONE_SECONDS)
        check(gone, f"left running: {self.running()}")

    def check_as_good_as_new(self, *flags: str | Path) -> None:
        """The next build gives the image that it always gives; nothing else is left after it."""
        result = self.build(*flags)
        check(result.code == 0, f"the next build fails: {result.output[-3000:]}")
        self.check_good(result)

    def check_good(self, result: Finished) -> None:
        """After a build that succeeded: it gave the image that it always gives, and left nothing
        else."""
        check(not self.digest or result.digest == self.digest, f"another image: {result.output}")
        self.check_visible()
        self.check_nothing_runs()
        left = sorted(map(str, self.leftovers()))
        check(not left, f"left after a good build: {left}")

    def leftovers(self) -> Iterator[Path]:
        """Temporary files, wherever locald and its tools make them."""
        for folder in (self.data / "work", self.store / "tmp", self.root / "tmp"):
            if folder.is_dir():
                yield from folder.iterdir()
        for folder in (self.store / "refs", self.store / "images", self.cache, self.outputs):
            for path in folder.rglob("*"):
                if _TEMPORARY.search(path.name):
                    yield path
        for path in (self.store / "blobs/sha256").glob("*"):
            if not re.fullmatch("[0-9a-f]{64}", path.name):
                yield path
        for path in self.cache.glob("builds/*/*"):
            if path.name in ("outgoing", "incoming", "incoming.partial"):
                yield path

    def running(self) -> dict[int, str]:
        """Living processes that this machine's folders tie to it."""
        found = processes_of(-1, self.inside or self.root)
        return {pid: command for pid, command in found.items() if pid not in self.ours}

    def end_what_runs(self) -> None:
        """So that one failed case does not spoil the next."""
        for pid in self.running():
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue


class Broken(AssertionError):
    """A promise that did not hold."""


def check(held: bool, what: str) -> None:
    """Raises Broken; unlike `assert`, also where Python is told to leave those out."""
    if not held:
        raise Broken(what)


def check_layout(layout: Path, what: str) -> None:
    """Every blob that the layout's index leads to has the content that its name says."""
    index = json.loads((layout / "index.json").read_bytes())
    check(bool(index["manifests"]), f"{what}: an index of nothing")
    for entry in index["manifests"]:
        manifest = json.loads(_blob(layout, entry["digest"], what, sparse=False))
        _blob(layout, manifest["config"]["digest"], what, sparse=False)
        for layer in manifest["layers"]:
            _blob(layout, layer["digest"], what, sparse=True)


def _blob(layout: Path, digest: str, what: str, *, sparse: bool) -> bytes:
    blobs = layout / "blobs"
    if blobs.is_symlink():  # to the store's, which another mount namespace may show elsewhere
        blobs = layout.parent.parent / "blobs"
    path = blobs / "sha256" / digest.removeprefix("sha256:")
    if sparse and not path.exists():
        return b""
    check(path.is_file(), f"{what}: {digest} is missing")
    data = path.read_bytes()
    found = hashlib.sha256(data).hexdigest()
    check(digest == f"sha256:{found}", f"{what}: {digest} is torn")
    return data
