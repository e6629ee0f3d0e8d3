"""A build in a terminal: Ctrl-C as the keyboard sends it, and the terminal afterwards."""

import os
import signal
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

from tests.support.buildpack_folder import BuildpackFolder
from tests.support.e2e import Installation
from tests.support.leftovers import processes_of
from tests.support.waiting import wait_until

# It hears nothing of signals; what is asked to stop has ten seconds for it.
DEAF = "trap '' TERM INT HUP; echo deaf now; while true; do sleep 0.1; done"
LONGEST_SECONDS = 12.0
CTRL_C = b"\x03"


class Terminal:
    """A pseudo-terminal that a program has as its own; `text` is all that was shown."""

    def __init__(self, argv: tuple[str, ...], environment: dict[str, str]) -> None:
        self._ours, theirs = os.openpty()
        self.before = termios.tcgetattr(theirs)
        self.text = b""
        self.program = subprocess.Popen(
            argv,
            env=environment,
            preexec_fn=lambda: os.login_tty(theirs),
        )
        self._theirs = theirs
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    @property
    def after(self) -> list[object]:
        return termios.tcgetattr(self._theirs)

    def close(self) -> None:
        self.program.kill()
        self.program.wait()
        os.close(self._theirs)
        self._reader.join(10)
        os.close(self._ours)

    def _read(self) -> None:
        try:
            while data := os.read(self._ours, 65536):
                self.text += data
        except OSError:
            return  # closed


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_ends_a_deaf_build_soon_and_leaves_the_terminal_as_it_was(
    installation: Installation, app: Path, tmp_path: Path, times: int
) -> None:
    deaf = BuildpackFolder.make(tmp_path / "deaf", build=DEAF)
    argv = (*installation.locald.argv, *installation.build_arguments(app, buildpack=deaf))
    environment = {**installation.locald.environment, "TERM": "xterm"}
    terminal = Terminal(argv, environment)
    try:
        assert wait_until(lambda: b"deaf now" in terminal.text, seconds=60), terminal.text
        begin = time.monotonic()
        for _ in range(times):
            terminal.press(CTRL_C)
            time.sleep(0.3)
        code = terminal.program.wait(timeout=60)
        seconds = time.monotonic() - begin
        assert code in (128 + signal.SIGINT, -signal.SIGINT)  # the same to a shell
        assert seconds < (LONGEST_SECONDS if times == 1 else LONGEST_SECONDS / 2)
        assert wait_until(lambda: not processes_of(terminal.program.pid), seconds=5)
        assert terminal.after == terminal.before
        assert b"Traceback" not in terminal.text
        if times == 1:  # the second one ends it without a word
            assert wait_until(lambda: terminal.text.endswith(b"interrupted by SIGINT\r\n"))
    finally:
        terminal.close()
    installation.build(app)
