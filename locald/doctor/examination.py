"""All checks of a host, and what follows from them."""

import resource
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial

from lifecycle.runtime.own_limits import ADDRESSES, refused_limit
from lifecycle.runtime.select import select_runtime
from lifecycle.runtime.spec import Network
from locald.doctor.check import Check, Checked, make
from locald.doctor.checks.builds import build, runtime_checks, working_alternatives
from locald.doctor.checks.files import FILE_CHECKS
from locald.doctor.checks.ids import ID_CHECKS
from locald.doctor.checks.namespaces import NAMESPACE_CHECKS, namespace_error
from locald.doctor.checks.network import NETWORK_CHECKS, reachable
from locald.doctor.checks.surroundings import SURROUNDING_CHECKS
from locald.doctor.checks.tools import tool_checks
from locald.doctor.distribution import Distribution
from locald.doctor.finding import EXHAUSTED, Finding, Level, Remedy
from locald.doctor.host import Host
from locald.doctor.place import trial_place
from locald.doctor.tidy_runner import TidyRunner
from locald.doctor.trial import Outcome, Step, Trial
from oci.cancellation import time_limit
from oci.errors import BusyError, Error, StorageError
from oci.side_by_side import side_by_side

_TRIAL_SECONDS = 30.0
# Most checks wait for a program; more at a time would be no quicker on two cores.
_WORKERS = 4
# Enough for those at a time.
_MANY_FILES = 256

BUILD = Check(name="build", title="A build in miniature", probe=build)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What was found. `checked` is in the order in which people read it."""

    distribution: Distribution
    runtime: str
    reason: str
    checked: tuple[Checked, ...]

    @property
    def can_build(self) -> bool:
        """Does a build work here?"""
        return all(one.finding.level is not Level.FAIL for one in self.checked)

    @property
    def commands(self) -> tuple[str, ...]:
        """The commands of all remedies, those that install programs as one, first."""
        serious = [
            one.finding.remedy
            for one in self.checked
            if one.finding.level in (Level.WARN, Level.FAIL)
        ]
        install = self.distribution.install(
            dict.fromkeys(tool for remedy in serious for tool in remedy.tools)
        )
        others = dict.fromkeys(command for remedy in serious for command in remedy.commands)
        return (*((install,) if install else ()), *others)


def all_checks() -> Iterator[Check]:
    """Every check but those of registries, which are made on request; the trial comes first."""
    yield BUILD
    yield from runtime_checks()
    yield from tool_checks()
    yield from NAMESPACE_CHECKS
    yield from ID_CHECKS
    yield from FILE_CHECKS
    yield from NETWORK_CHECKS
    yield from SURROUNDING_CHECKS


def examine(host: Host) -> Examination:
    """Make all checks; nothing of them stays behind.

    host: without what the trial tells; that is tried here.
    """
    with _closing_quietly() as stack:
        host = _with_trial(host, stack)
        checks = [
            *all_checks(),
            *(
                Check(
                    name=f"registry:{image}",
                    title=f"Registry {image.registry}",
                    probe=partial(reachable, image),
                    limit_seconds=_TRIAL_SECONDS,
                )
                for image in host.reach
            ),
        ]
        checked = _made(checks, host)
    levels = {one.check.name: one.finding.level for one in checked}
    return Examination(
        distribution=host.distribution,
        runtime=str(host.outcome.runtime or ""),
        reason=host.outcome.reason,
        checked=tuple(_with_alternative(one, host, levels) for one in checked),
    )


@contextmanager
def _closing_quietly() -> Iterator[ExitStack]:
    """A stack whose end changes nothing of what was found: where this user is out of processes,
    say, what it made cannot be removed either."""
    with ExitStack() as stack:
        yield stack
        with suppress(Error, *EXHAUSTED):
            stack.close()


def _made(checks: Sequence[Check], host: Host) -> list[Checked]:
    """At once where this user's limits allow it, else one after another."""
    if refused_limit((ADDRESSES,)) is not None:
        # Python waits for ever for a thread that ends because it finds no memory.
        return [make(check, host, timed=False) for check in checks]
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY or files >= _MANY_FILES:
        with suppress(RuntimeError):  # no further thread
            return side_by_side(lambda check: make(check, host), checks, workers=_WORKERS)
    return [make(check, host) for check in checks]


def _with_trial(host: Host, stack: ExitStack) -> Host:
    if host.root_refused is not None:
        # Nothing is started as root: not even to find out what would happen.
        return replace(host, outcome=Outcome(errors={Step.RUNTIME: host.root_refused}))
    low = refused_limit()
    if low is not None:
        # Without memory nothing can be tried.
        refused = refused_limit((ADDRESSES,)) or namespace_error(host)
        return replace(host, namespace_error=refused, outcome=Outcome(errors={Step.RUNTIME: low}))
    host = replace(host, namespace_error=namespace_error(host))
    try:
        place = stack.enter_context(trial_place(host.paths, host.runner))
    except EXHAUSTED as error:
        failure = StorageError(f"no work folder can be made below {host.paths.data_dir}: {error}")
        return replace(host, outcome=_outcome(host, None, {Step.PLACE: failure}))
    except Error as error:
        return replace(host, outcome=_outcome(host, None, {Step.PLACE: error}))
    host = replace(host, runner=TidyRunner(place))
    trial = Trial(place, host.runner)
    return replace(host, trial=trial, outcome=_outcome(host, trial, {}))


def _outcome(host: Host, trial: Trial | None, errors: dict[Step, Error]) -> Outcome:
    """Of a build in miniature. A runtime is chosen also where nothing can be tried with it."""
    step = Step.IMAGE
    try:
        with time_limit(_TRIAL_SECONDS, _too_slow):
            if trial is not None:
                try:
                    trial.prepare()
                except BusyError:
                    raise
                except Error as error:
                    errors[Step.IMAGE] = error
            step = Step.RUNTIME
            selection = select_runtime(host.runtime, host.runner)
            name, reason = selection.runtime.name, selection.reason
            if trial is None or errors:
                return Outcome(runtime=name, reason=reason, errors=errors)
            networks = tuple(dict.fromkeys((Network.NONE, host.network)))
            return replace(trial.attempt(selection.runtime, networks), reason=reason)
    except Error as error:
        return Outcome(errors={**errors, step: error})
    except EXHAUSTED as error:
        return Outcome(errors={**errors, step: StorageError(f"the trial was stopped: {error}")})


def _too_slow() -> BusyError:
    return BusyError(f"no end of it within {_TRIAL_SECONDS:g} s")


def _with_alternative(one: Checked, host: Host, levels: dict[str, Level]) -> Checked:
    """Where the chosen runtime fails and another one works, that is the remedy."""
    failed = {Step.UNPACK, Step.CONTAINER} & set(host.outcome.errors)
    others = working_alternatives(levels)
    if one.check is not BUILD or not failed or not others:
        return one
    remedy = Remedy(
        text=f"builds with --runtime {others[0]} work",
        commands=(f"locald config set runtime {others[0]}",),
    )
    finding: Finding = replace(one.finding, remedy=remedy)
    return replace(one, finding=finding)
