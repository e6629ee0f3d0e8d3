"""Image extensions, from the detection by the real lifecycle to the running application."""

import json
import re
import secrets
import shutil
import signal
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from lifecycle.labels import LIFECYCLE_METADATA, REBASABLE
from oci.image import ImageConfig
from oci.layout import TAG
from oci.location import ImageLocation
from oci.platform import Platform
from oci.process import CommandRunner
from oci.skopeo import Skopeo
from tests.support.broken_host import tools_without
from tests.support.e2e import Installation, make_app
from tests.support.leftovers import processes_of
from tests.support.registry import Registry, registry
from tests.support.tiny_builder import (
    RUN_IMAGE,
    USER_ID,
    TinyBuilder,
    make_extension,
    make_tiny_builder,
)
from tests.support.tls import make_tls
from tests.support.waiting import wait_until

__all__ = ["registry"]

BASE = "ARG base_image\nFROM ${base_image}\n"
RESET = "ARG user_id\nARG group_id\nUSER ${user_id}:${group_id}\n"
ADDS_FILE = f"{BASE}USER root\nRUN echo from the extension > /etc/made\n{RESET}"
APPLIED = "Extending the"
UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@pytest.fixture(scope="session")
def tiny(
    installation: Installation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TinyBuilder]:
    before = extended_images(installation)
    yield make_tiny_builder(installation, tmp_path_factory.mktemp("tiny"))
    for path in extended_images(installation) - before:
        shutil.rmtree(path)


def extended_images(installation: Installation) -> set[Path]:
    """The names under which results are kept for later builds."""
    return set((installation.paths.store / "refs/localhost/locald").glob("extended-*/_tags/*"))


class Extensible:
    """An application whose files say what the builder's extension generates."""

    def __init__(self, installation: Installation, tiny: TinyBuilder, folder: Path) -> None:
        self.installation = installation
        self.tiny = tiny
        # In a Dockerfile it makes one that no earlier build has applied.
        self.word = secrets.token_hex(4)
        self.app = make_app(folder / f"app-{self.word}")
        self._work_before = self._work

    @property
    def _work(self) -> frozenset[Path]:
        return frozenset(self.installation.paths.work.glob("*"))

    def left_nothing(self) -> bool:
        """Is every folder of its builds gone? (Other builds may come and go beside it.)"""
        return wait_until(lambda: not self._work - self._work_before, seconds=30)

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in files.items():
            path = self.app / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--builder", self.tiny.name)

    def build(self, *flags: str | Path) -> str:
        """What was told while it was built."""
        return self.installation.build(self.app, *self.flags, *flags).stderr

    @property
    def config(self) -> ImageConfig:
        image = self.installation.image(self.app)
        assert image is not None
        return image.config

    @property
    def run_image(self) -> Mapping[str, Any]:
        """What the application's image says of its run image."""
        metadata = json.loads(self.config.labels[LIFECYCLE_METADATA])
        assert metadata["stack"]["runImage"]["image"] == metadata["runImage"]["image"]
        described: Mapping[str, Any] = metadata["runImage"]
        return described

    def output(self, *arguments: str) -> str:
        """What the application prints."""
        name = self.installation.name(self.app)
        ran = self.installation.locald.run("run", name, "--port", "0", *arguments)
        assert ran.code == 0, ran.output
        return ran.stdout


@pytest.fixture
def extensible(installation: Installation, tiny: TinyBuilder, tmp_path: Path) -> Extensible:
    return Extensible(installation, tiny, tmp_path)


def base_diff_ids(installation: Installation, name: str) -> tuple[str, ...]:
    return installation.layout_of(name).read().config.rootfs.diff_ids


# ---- the run image is switched ----------------------------------------------------------------


def test_an_extension_switches_the_run_image(extensible: Extensible) -> None:
    other = extensible.tiny.other_run
    extensible.write({"ext/run.Dockerfile": f"FROM {other}\n"})
    assert APPLIED not in extensible.build()
    assert extensible.run_image["image"] == other
    digest = extensible.installation.layout_of(other).read().digest
    assert extensible.run_image["reference"] == f"{other.rpartition(':')[0]}@{digest}"
    assert extensible.run_image["topLayer"] == extensible.config.rootfs.diff_ids[0]
    assert extensible.config.labels["other"] == "yes"


def test_a_switch_obeys_the_pull_policy(extensible: Extensible) -> None:
    extensible.write({"ext/run.Dockerfile": "FROM registry.example/other:1\n"})
    result = extensible.installation.try_build(
        extensible.app, *extensible.flags, "--pull-policy", "never"
    )
    assert result.code == 4
    assert "registry.example/other:1 is not in the store, and --pull-policy is never" in (
        result.stderr
    )


def test_a_switch_to_what_is_no_image(extensible: Extensible) -> None:
    extensible.write({"ext/run.Dockerfile": "FROM ${somewhere}\n"})
    result = extensible.installation.try_build(extensible.app, *extensible.flags)
    assert result.code == 4
    assert "extension e2e/app@1.0.0: FROM names no image: '${somewhere}'" in result.stderr


def test_a_switch_to_an_image_of_a_registry(extensible: Extensible, registry: Registry) -> None:
    stored = extensible.installation.layout_of(extensible.tiny.other_run)
    name = registry.reference("team/other:1")
    Skopeo(CommandRunner(), registry.registries).copy(
        ImageLocation.layout(stored.path, TAG),
        ImageLocation.registry(name),
        platform=Platform.of_host(),
    )
    extensible.write({"ext/run.Dockerfile": f"FROM {name}\n"})
    before = len(registry.asked())
    extensible.build(*registry.flags)
    digest = stored.read().digest
    assert extensible.run_image["image"] == str(name)
    assert extensible.run_image["reference"] == str(name.with_digest(digest))
    assert extensible.config.labels["other"] == "yes"
    # Its manifest and its configuration are all that is read: the layers are here.
    assert {asked.method for asked in registry.asked()[before:]} <= {"GET", "HEAD"}
    layers = [str(layer) for layer in stored.read().layer_digests]
    assert not [a for a in registry.asked()[before:] if any(layer in a.path for layer in layers)]


# ---- Dockerfiles ------------------------------------------------------------------------------


def test_both_images_are_extended_once(extensible: Extensible) -> None:
    word = extensible.word
    extensible.write(
        {
            "ext/build.Dockerfile": f"{BASE}ARG word\nUSER root\nENV PATH=/opt/said:$PATH\n"
            "COPY tool /opt/said/\nRUN chmod 755 /opt/said/tool\n"
            f"RUN echo echo the tool says $word >>/opt/said/tool\n{RESET}",
            "ext/context.build/tool": "#!/bin/sh\n",
            "ext/run.Dockerfile": f"{BASE}ARG word\nUSER root\nLABEL {REBASABLE}=true\n"
            f"RUN echo the image says $word > /etc/made\n{RESET}",
            "ext/extend-config.toml": f'[[build.args]]\nname = "word"\nvalue = "b {word}"\n'
            f'[[run.args]]\nname = "word"\nvalue = "r {word}"\n',
            "build.sh": "tool; id -u\n",
        }
    )
    told = extensible.build()
    assert "Extending the build image: e2e/app@1.0.0" in told
    assert "Extending the run image: e2e/app@1.0.0" in told
    assert f"[build] the tool says b {word}" in told
    assert f"[build] {USER_ID}" in told
    assert extensible.output() == f"the image says r {word}\n"
    # The run image keeps its name, and its layers; the extension's follow.
    base = base_diff_ids(extensible.installation, str(RUN_IMAGE))
    assert extensible.config.rootfs.diff_ids[: len(base)] == base
    assert extensible.run_image["image"] == str(RUN_IMAGE)
    assert extensible.run_image["topLayer"] == base[-1]
    assert extensible.config.labels[REBASABLE] == "true"
    run_image = extensible.installation.layout_of(str(RUN_IMAGE)).read()
    assert extensible.config.config.user == run_image.config.config.user
    inspected = extensible.installation.locald.run(
        "inspect", extensible.installation.name(extensible.app)
    )
    assert "e2e/app@1.0.0: run.Dockerfile" in inspected.stdout
    first = extensible.config.rootfs.diff_ids

    # Another application with the same Dockerfiles: nothing is applied, the result is the same.
    (extensible.app / "index.html").write_text("changed")
    without = extensible.installation.with_environment(
        PATH=tools_without(extensible.app.parent / "tools", "buildah")
    )
    again = without.build(extensible.app, *extensible.flags)
    assert APPLIED not in again.stderr
    assert f"[build] the tool says b {word}" in again.stderr
    assert extensible.output() == f"the image says r {word}\n"
    assert extensible.config.rootfs.diff_ids[: len(base) + 1] == first[: len(base) + 1]
    assert extensible.config.rootfs.diff_ids != first
    assert extensible.left_nothing()


def test_a_switched_run_image_is_extended(extensible: Extensible) -> None:
    other = extensible.tiny.other_run
    run = f"RUN echo {extensible.word} $(cut -d: -f1 /proc/net/dev | tail -n +3) > /etc/made"
    resolver = "RUN grep -v ^search /etc/resolv.conf >> /etc/made"
    extensible.write({"ext/run.Dockerfile": f"FROM {other}\nUSER root\n{run}\n{resolver}\n{RESET}"})
    extensible.build()
    # The private network is a build's default.
    words = extensible.output().split()
    assert set(words) - {"options"} >= {extensible.word, "lo", "tap0", "nameserver", "10.0.2.3"}
    assert extensible.run_image["image"] == other
    assert extensible.config.labels["other"] == "yes"
    assert extensible.config.labels[REBASABLE] == "false"


def test_several_extensions_are_applied_in_order(extensible: Extensible, tmp_path: Path) -> None:
    def writes(word: str, *more: str) -> str:
        lines = ["ARG base_image", "FROM ${base_image}", "USER root", *more]
        lines += [f"RUN echo {word} >> /etc/made", "ARG user_id", "USER ${user_id}"]
        text = "\\n".join(line.replace("$", "\\$") for line in lines)
        return f'printf "{text}\\n" >"$CNB_OUTPUT_DIR/run.Dockerfile"'

    label, word = f"LABEL {REBASABLE}=true", extensible.word
    extensions = [
        make_extension(tmp_path / "one", id="e2e/one", generate=writes(word, label)),
        make_extension(tmp_path / "two", id="e2e/two", generate=writes("two")),
    ]
    told = extensible.build(*(word for path in extensions for word in ("--extension", path)))
    assert "Extending the run image: e2e/one@1.0.0, e2e/two@1.0.0" in told
    assert extensible.output() == f"{word}\ntwo\n"
    assert extensible.config.labels[REBASABLE] == "false", "the second one did not say it"


def test_files_that_an_extension_brings_along(extensible: Extensible, tmp_path: Path) -> None:
    """Without bin/generate, the folder `generate` of an extension is what it generated."""
    extension = make_extension(tmp_path / "static", id="e2e/static")
    (extension / "bin/generate").unlink()
    (extension / "generate").mkdir()
    (extension / "generate/run.Dockerfile").write_text(ADDS_FILE)
    extensible.build("--extension", extension)
    assert extensible.output() == "from the extension\n"


def test_the_source_is_the_context_where_there_is_none(extensible: Extensible) -> None:
    extensible.write(
        {
            "ext/run.Dockerfile": f"{BASE}USER root\nCOPY . /etc/source/\n"
            f"RUN ls -A /etc/source > /etc/made\n{RESET}",
            "project.toml": '[_]\nschema-version = "0.2"\n[io.buildpacks]\nexclude = ["secret*"]\n',
            "secret.txt": "not for the build",
        }
    )
    extensible.build()
    assert extensible.output().split() == ["ext", "index.html", "project.toml"]


def test_build_id_asks_for_a_new_result_each_time(extensible: Extensible) -> None:
    dockerfile = f"{BASE}ARG build_id=0\nUSER root\nRUN echo $build_id > /etc/made\n{RESET}"
    extensible.write(
        {
            "ext/run.Dockerfile": dockerfile,
            "ext/build.Dockerfile": dockerfile,
            "build.sh": "cat /etc/made\n",
        }
    )
    assert re.search(rf"^\[build\] {UUID}$", extensible.build(), re.MULTILINE)
    first = extensible.output()
    assert re.fullmatch(f"{UUID}\n", first)
    (extensible.app / "ext/build.Dockerfile").unlink()
    (extensible.app / "build.sh").unlink()
    assert APPLIED in extensible.build()
    assert extensible.output() != first
    assert extensible.left_nothing()


def test_run_has_no_network_where_the_build_has_none(extensible: Extensible) -> None:
    run = f"RUN echo {extensible.word} $(cut -d: -f1 /proc/net/dev | tail -n +3) > /etc/made"
    extensible.write({"ext/run.Dockerfile": f"{BASE}USER root\n{run}\n{RESET}"})
    extensible.build("--network", "none")
    assert extensible.output().split() == [extensible.word, "lo"]


def test_run_gets_proxy_and_authorities_and_the_image_does_not(
    extensible: Extensible, tmp_path: Path
) -> None:
    certificate = make_tls(tmp_path / "keys").cert_dir / "ca.crt"
    line = certificate.read_text().splitlines()[2]
    bundle = "/etc/ssl/certs/ca-certificates.crt"
    extensible.write(
        {
            "ext/run.Dockerfile": f"{BASE}USER root\n"
            f"RUN echo {extensible.word} $https_proxy $(grep -cxF {line} {bundle}) > /etc/made\n"
            f"{RESET}"
        }
    )
    proxied = extensible.installation.with_environment(https_proxy="http://proxy.example:3128")
    proxied.build(extensible.app, *extensible.flags, "--ca-cert", certificate)
    assert extensible.output() == f"{extensible.word} http://proxy.example:3128 1\n"
    layout = extensible.installation.layout(extensible.app)
    made = layout.read().layer_digests[1]
    with tarfile.open(layout.blob_path(made)) as archive:
        assert not [name for name in archive.getnames() if "ssl" in name]
    assert "proxy.example" not in layout.read().config_bytes.decode()


# ---- what fails -------------------------------------------------------------------------------


def test_without_buildah_the_extension_is_named(extensible: Extensible, tmp_path: Path) -> None:
    extensible.write({"ext/run.Dockerfile": ADDS_FILE.replace("from", f"from {tmp_path}")})
    without = extensible.installation.with_environment(
        PATH=tools_without(tmp_path / "tools", "buildah")
    )
    result = without.try_build(extensible.app, *extensible.flags)
    assert result.code == 3
    assert "the run.Dockerfile of the extension e2e/app@1.0.0" in result.stderr
    assert "apt install buildah" in result.stderr


def test_a_failing_instruction(extensible: Extensible) -> None:
    extensible.write({"ext/build.Dockerfile": f"{BASE}RUN echo going to fail; exit 7\n"})
    result = extensible.installation.try_build(extensible.app, *extensible.flags)
    assert result.code == 102
    assert "[extend] going to fail" in result.stderr
    assert "error: the build.Dockerfile of the extension e2e/app@1.0.0 failed" in result.stderr
    assert extensible.installation.image(extensible.app) is None
    assert extensible.left_nothing()


@pytest.mark.parametrize(
    ("instructions", "words"),
    [
        ("RUN --mount=type=bind,from=x,target=/x true", "line 3: RUN --mount=type=bind,from=x"),
        ("COPY --from=docker.io/library/busybox /bin /x", "COPY --from: files come from"),
        ("USER root", "leaves root as the run image's user"),
    ],
)
def test_what_an_extension_may_not_do(
    extensible: Extensible, instructions: str, words: str
) -> None:
    extensible.write({"ext/run.Dockerfile": f"{BASE}{instructions}\n"})
    result = extensible.installation.try_build(extensible.app, *extensible.flags)
    assert result.code == 4
    assert words in result.stderr
    assert "e2e/app@1.0.0" in result.stderr


def test_a_killed_build_leaves_no_process(extensible: Extensible) -> None:
    extensible.write({"ext/run.Dockerfile": f"{BASE}RUN echo it runs; sleep 600\n"})
    work = extensible.installation.paths.ensure(extensible.installation.paths.work)
    before = set(work.iterdir())
    with extensible.installation.start_build(extensible.app, *extensible.flags) as build:
        build.wait_for_event("line", phase="extend", text="it runs")
        folders = set(work.iterdir()) - before
        build.send(signal.SIGKILL)
        session = build.pid
        build.finish(seconds=60)
    assert wait_until(lambda: not processes_of(session, *folders), seconds=5), processes_of(
        session, *folders
    )
    # The next build removes what was left, though subordinate ids own it.
    extensible.write({"ext/run.Dockerfile": ADDS_FILE})
    extensible.build()
    assert not folders & set(work.iterdir())
