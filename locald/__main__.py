"""`python -m locald`, and the console script."""

import gc
import sys

from locald import __version__

# Collections while modules load find nothing to free; this many objects come with a few builds.
_OBJECTS_BETWEEN_COLLECTIONS = 200_000


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Scripts ask for it often; it must not cost the import of every command.
        sys.stdout.write(f"locald {__version__}\n")
        raise SystemExit(0)
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    # The commands import what they need; only here, so that --version stays quick.
    from locald.cli.app import main as run

    code = run(sys.argv[1:])
    # The interpreter's last collection would look at everything once more (20 ms) to free
    # what the end of the process frees anyway.
    gc.freeze()
    raise SystemExit(code)


if __name__ == "__main__":
    main()
