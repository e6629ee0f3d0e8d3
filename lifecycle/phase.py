"""The five phases that turn source into an image."""

from enum import StrEnum


class Phase(StrEnum):
    """A phase, named as the specification names the step. Order of definition = order of run."""

    ANALYZE = "analyze"
    DETECT = "detect"
    RESTORE = "restore"
    BUILD = "build"
    EXPORT = "export"

    @property
    def binary(self) -> str:
        """The executable in /cnb/lifecycle."""
        return _BINARIES[self]

    @property
    def runs_buildpacks(self) -> bool:
        """Does foreign code run in it? Then it gets a network if any, and never the caches."""
        return self in (Phase.DETECT, Phase.BUILD)


_BINARIES = {
    Phase.ANALYZE: "analyzer",
    Phase.DETECT: "detector",
    Phase.RESTORE: "restorer",
    Phase.BUILD: "builder",
    Phase.EXPORT: "exporter",
}
