"""A program of its own that runs one container, so that a test can kill it.

    python -m tests.support.run_container RUNTIME ROOTFS SCRATCH NETWORK ARGV…

Prints the container's lines, and exits as it did. MEMORY_WORD is what /run/secrets/word holds.
"""

import os
import sys
from pathlib import Path, PurePosixPath

from lifecycle.runtime.select import select_runtime
from lifecycle.runtime.spec import ContainerSpec, MemoryFolder, Network, OverlayMount, RuntimeName
from oci.process import CommandRunner, Stream


def main() -> int:
    runtime, rootfs, scratch, network, *argv = sys.argv[1:]
    selected = select_runtime(RuntimeName(runtime), CommandRunner()).runtime
    folder = Path(scratch)
    word = os.environ.get("MEMORY_WORD", "").encode()
    for name in ("source", "changes", "sandbox"):
        (folder / name).mkdir(parents=True)
    spec = ContainerSpec(
        name=f"{folder.name}-{runtime}",
        rootfs=Path(rootfs),
        argv=tuple(argv),
        env={"PATH": "/bin", "HOME": "/home/cnb"},
        cwd=PurePosixPath("/"),
        user=1000,
        group=1000,
        network=Network(network),
        memory=(MemoryFolder(target=PurePosixPath("/run/secrets"), files={"word": word}),)
        if word
        else (),
        overlays=(
            OverlayMount(
                lower=folder / "source",
                scratch=folder / "changes",
                target=PurePosixPath("/workspace"),
            ),
        ),
    )
    with selected.open(folder / "sandbox") as sandbox:
        return sandbox.run(spec, on_line=_print)


def _print(_: Stream, line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
