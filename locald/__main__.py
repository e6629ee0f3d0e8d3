"""`python -m locald`, and the console script."""

import sys

from locald import __version__


def main() -> None:
    """Run the command line and exit with its code."""
    if sys.argv[1:] in (["--version"], ["-V"]):
        # Scripts ask for it often; it must not cost the import of every command.
        sys.stdout.write(f"locald {__version__}\n")
        raise SystemExit(0)
    # The commands import what they need; only here, so that --version stays quick.
    from locald.cli.app import main as run

    raise SystemExit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
