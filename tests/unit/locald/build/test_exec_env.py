"""Execution environments: told when a lifecycle does not know them, and not mixed."""

from typing import cast

import pytest

from lifecycle.platform_api import PlatformApi
from locald.build.exec_env import tell_exec_env
from locald.build.observer import BuildObserver
from locald.config.request import BuildRequest


class Notes:
    """What a build would tell."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Request:
    """Of a request only this is looked at."""

    def __init__(self, exec_env: str) -> None:
        self.exec_env = exec_env


@pytest.mark.parametrize(
    ("exec_env", "minor", "told"),
    [("test", 14, True), ("test", 15, False), ("production", 12, False)],
)
def test_an_older_lifecycle_does_not_hear_of_it(exec_env: str, minor: int, told: bool) -> None:
    observer = Notes()
    tell_exec_env(
        cast(BuildRequest, Request(exec_env)),
        PlatformApi(0, minor),
        cast(BuildObserver, observer),
    )
    assert observer.notes == (
        [
            "the builder's lifecycle does not know the execution environment test: it speaks "
            "Platform API 0.14, and 0.15 is the first with them"
        ]
        if told
        else []
    )
