"""Fake executables first on PATH, with a log of how they were called.

The boundary between us and the tools is their command line, so that is where tests put their
fakes: the code under test runs unchanged, and really starts a process.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Only shell builtins and absolute paths before `script`, so that a fake works with any PATH.
# A call is one append to the log, so that calls at the same time do not mix.
_FAKE = """\
#!/bin/sh
call='{calls}'/{name}.$$
/usr/bin/env -0 >"$call.env"
printf '%s\\0' "$#" "$@" "$PWD" "$call.env" >>'{calls}'/{name}.log
{script}
printf '%s' {stdout}
printf '%s' {stderr} >&2
exit {exit_code}
"""


@dataclass(frozen=True)
class Call:
    """One start of a fake: its arguments without its own name, its folder, its environment."""

    arguments: tuple[str, ...]
    cwd: Path
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True)
class FakeTool:
    """An installed fake."""

    path: Path
    _log: Path

    @property
    def calls(self) -> tuple[Call, ...]:
        """How it was called, in the order of the starts."""
        if not self._log.exists():
            return ()
        return tuple(_read_calls(self._log.read_bytes()))

    @property
    def call(self) -> Call:
        """The only call there was."""
        (only,) = self.calls
        return only


class FakeTools:
    """A folder of fakes. The fixture `fake_tools` puts it first on PATH."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._calls = folder / "calls"
        self.bin.mkdir(parents=True)
        self._calls.mkdir()

    def install(
        self,
        name: str,
        *,
        exit_code: int = 0,
        stdout: str = "",
        stderr: str = "",
        script: str = "",
    ) -> FakeTool:
        """Put an executable `name` first on PATH; it replaces an earlier fake of that name.

        script: lines of POSIX shell that run once the call is in the log, with the call's
            arguments as "$@". When it ends without `exit`, stdout, stderr and exit_code follow.
        """
        path = self.bin / name
        path.write_text(
            _FAKE.format(
                calls=self._calls,
                name=name,
                script=script,
                stdout=_quoted(stdout),
                stderr=_quoted(stderr),
                exit_code=exit_code,
            )
        )
        path.chmod(0o755)
        return FakeTool(path, self._calls / f"{name}.log")


def _read_calls(log: bytes) -> Sequence[Call]:
    fields = iter(os.fsdecode(item) for item in log.split(b"\0")[:-1])
    calls = []
    for count in fields:
        arguments = tuple(next(fields) for _ in range(int(count)))
        cwd = Path(next(fields))
        calls.append(Call(arguments, cwd, _read_environment(Path(next(fields)))))
    return calls


def _read_environment(file: Path) -> dict[str, str]:
    pairs = (os.fsdecode(item).partition("=") for item in file.read_bytes().split(b"\0")[:-1])
    return {name: value for name, _, value in pairs}


def _quoted(text: str) -> str:
    """`text` as one word of a POSIX shell."""
    return "'" + text.replace("'", "'\\''") + "'"
