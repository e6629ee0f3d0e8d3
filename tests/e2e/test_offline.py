"""What is in the store is enough: no registry is asked, and none has to be there."""

import os
import re
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from oci.layout import Layout
from oci.platform import Platform
from oci.reference import Reference
from tests.support.e2e import BUILDER, Installation
from tests.support.publishing import RUN
from tests.support.waiting import wait_until

# Where no registry can be: the name does not exist, by RFC 2606.
HOST = "registry.invalid"
_CONNECTS = re.compile(r"connect\(.*sa_family=AF_INET6?,")


@pytest.fixture
def stored(installation: Installation) -> Iterator[tuple[str, str]]:
    """The names of a builder and a run image of a registry, as after a fetch."""
    store = installation.store
    names = []
    for name, path in ((BUILDER, "builder"), (RUN, "run")):
        reference = Reference.parse(f"{HOST}/{installation.prefix}/{path}:1")
        layout = installation.layout_of(name)
        image = layout.read()
        with store.staging() as folder:
            mine = Layout.create(folder / "image")
            for digest in image.layer_digests:
                mine.blob_path(digest).hardlink_to(layout.blob_path(digest))
            mine.write(image.manifest_bytes, image.config_bytes, media_type=image.media_type)
            store.commit(mine, (reference,), Platform.of_host())
        names.append(str(reference))
    yield names[0], names[1]
    shutil.rmtree(installation.paths.store / "refs" / HOST / installation.prefix)
    with suppress(OSError):  # others may have names there
        (installation.paths.store / "refs" / HOST).rmdir()


@pytest.mark.parametrize("policy", ["if-not-present", "never"])
def test_a_build_of_what_is_stored_connects_to_nobody(
    installation: Installation, app: Path, tmp_path: Path, stored: tuple[str, str], policy: str
) -> None:
    builder, run = stored
    trace = tmp_path / "trace"
    # One id only, because a traced newuidmap has no power; and no interface that is up.
    alone = installation.within(
        *("unshare", "--user", "--map-root-user", "--net"),
        *("strace", "--follow-forks", "--quiet=all", "--seccomp-bpf"),
        *("--trace=connect", f"--output={trace}"),
    )
    flags = ("--builder", builder, "--run-image", run, "--pull-policy", policy)
    alone.build(app, *flags, "--network", "none")
    assert [line for line in trace.read_text().splitlines() if _CONNECTS.search(line)] == []


def test_the_count_of_connections_counts(
    installation: Installation, app: Path, tmp_path: Path, stored: tuple[str, str]
) -> None:
    """Else the test above would prove nothing."""
    trace = tmp_path / "trace"
    traced = installation.within(
        *("unshare", "--user", "--map-root-user"),
        *("strace", "--follow-forks", "--quiet=all", "--trace=connect", f"--output={trace}"),
    )
    builder, _ = stored
    nowhere = ("--run-image", "127.0.0.1:1/team/run:1", "--network", "none")
    with traced.start_build(app, "--builder", builder, *nowhere) as build:
        assert wait_until(lambda: trace.exists() and _CONNECTS.search(trace.read_text()))
        os.killpg(build.pid, signal.SIGKILL)
