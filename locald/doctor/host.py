"""What the checks look at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lifecycle.runtime.select import refuse_real_root
from lifecycle.runtime.spec import Network, RuntimeName
from locald.doctor.distribution import Distribution
from locald.doctor.finding import Finding, Level, Remedy
from locald.doctor.trial import Outcome, Step, Trial
from locald.paths import Paths
from oci.errors import Error, HostError
from oci.host_tools import missing_tool
from oci.idmap import SubordinateIds
from oci.process import CommandRunner
from oci.reference import Reference
from oci.registries import Registries

# The programs that a build may start.
TOOLS = (
    "skopeo", "umoci", "runc", "podman", "bwrap", "newuidmap", "newgidmap", "slirp4netns",
    "unshare", "nsenter", "mount",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Host:
    """This host, this user, and how a trial build went.

    runtime: the one that was asked for; None leaves the choice to locald.
    network: the one that builds will have.
    outcome: of the trial with the runtime that a build would take.
    trial: None where none could be made; then no container can be tried.
    namespace_error: why this user may not make a user namespace; None when it may.
    reach: images whose registries are to be asked.
    root: where /proc, /sys and /etc are; tests have their own.
    """

    runner: CommandRunner
    paths: Paths
    distribution: Distribution
    environ: Mapping[str, str]
    registries: Registries
    uid: int
    network: Network = Network.PRIVATE
    runtime: RuntimeName | None = None
    outcome: Outcome = field(default_factory=Outcome)
    trial: Trial | None = None
    namespace_error: Error | None = None
    reach: tuple[Reference, ...] = ()
    root: Path = Path("/")

    def text(self, path: str) -> str:
        """The content of a file of /proc, /sys or /etc, without white space around it; empty when
        it cannot be read."""
        try:
            return (self.root / path.lstrip("/")).read_text(errors="replace").strip()
        except OSError:
            return ""

    def status(self, field_name: str) -> str:
        """A field of this process's /proc/self/status."""
        for line in self.text("/proc/self/status").splitlines():
            name, _, value = line.partition(":")
            if name == field_name:
                return value.strip()
        return ""

    @property
    def subordinate_ids(self) -> SubordinateIds:
        """Those of this user, whoever runs the check."""
        etc = self.root / "etc"
        return SubordinateIds.of_user(
            self.uid,
            subuid=etc / "subuid",
            subgid=etc / "subgid",
            own_maps=self.root / "proc/self",
        )

    @property
    def root_refused(self) -> HostError | None:
        """What a build says to the host's root, if this user is that."""
        try:
            refuse_real_root(self.uid, self.text("/proc/self/uid_map"))
        except HostError as error:
            return error
        return None

    def unless(self, *steps: Step) -> Level:
        """FAIL when the trial was stopped at one of these steps, which explains it; else WARN: it
        went another way."""
        return Level.FAIL if any(step in self.outcome.errors for step in steps) else Level.WARN

    def told(self, level: Level, error: Error, remedy: Remedy | None = None) -> Finding:
        """An error as a finding. The remedy is the error's own hint where there is no better one;
        that hint speaks of Debian's packages, ours of this distribution's."""
        absent = tuple(tool for tool in TOOLS if missing_tool(tool).message == error.message)
        return Finding(
            level=level,
            symptom=error.message,
            details=error.details[-5:],
            remedy=remedy or (Remedy(tools=absent) if absent else Remedy(text=error.hint)),
        )
