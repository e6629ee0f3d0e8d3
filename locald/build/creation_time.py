"""What a build writes as the time of its image."""

import time
from typing import assert_never

from locald.build.git_commit import read_commit
from locald.config.creation_time import Moment
from locald.config.request import BuildRequest
from oci.errors import UsageError
from oci.process import CommandRunner


def created_seconds(request: BuildRequest, runner: CommandRunner) -> int | None:
    """Seconds since 1970; None: the lifecycle's constant. Raises UsageError without a commit."""
    wanted = request.creation_time
    if wanted is None or not isinstance(wanted, Moment):
        return wanted
    match wanted:
        case Moment.NOW:
            return int(time.time())
        case Moment.GIT:
            commit = None if request.archived else read_commit(request.app_dir, runner)
            if commit is None:
                raise UsageError(
                    f"{request.origins['creation_time']}: git knows no commit of {request.app_dir}",
                    hint="commit first, or give the seconds since 1970",
                )
            return commit.seconds
        case _:
            assert_never(wanted)
