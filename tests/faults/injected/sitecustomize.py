"""Faults inside a locald process, without a line for them in the product.

Python imports this module at its start when its folder is on PYTHONPATH; children of locald do not
inherit that. It sees, by audit events, each change of the file system and each start of a child
before it happens, counts those that match, and at one of them does what the plan says. It can also
let the host look as if it had just been started.

LOCALD_FAULT is the plan, as JSON:
    log    a file that gets a line for every operation
    match  a regular expression of operations that count; "" is every one
    nth    which of them it happens at; 0 is none
    act    kill | a number: that errno, raised | stop: SIGSTOP
    times  how many operations from there on get the errno
    delay  seconds between the operation and a kill
    booted true: this host has started just now
"""

import json
import os
import re
import signal
import sys
import threading
import time
from typing import Any

_PLAN = json.loads(os.environ.get("LOCALD_FAULT") or "{}")
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_PATHS = {"os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
_PAIRS = {"os.rename", "os.link", "os.symlink"}
_lock = threading.Lock()
_busy = threading.local()
_state = {"count": 0}


def _operation(event: str, arguments: tuple[Any, ...]) -> str:
    """What is about to happen, as one line; "" when it changes nothing."""
    if event == "open":
        path, _, flags = arguments
        if isinstance(path, int) or not isinstance(flags, int) or not flags & _WRITES:
            return ""
        text = os.fsdecode(path)
        # Locks are taken on files that are there or not: nothing hangs on it.
        return "" if text.endswith("lock") or text.startswith("/dev/") else f"open {text}"
    if event in _PATHS:
        return f"{event[3:]} {os.fsdecode(arguments[0])}"
    if event in _PAIRS:
        return f"{event[3:]} {os.fsdecode(arguments[0])} -> {os.fsdecode(arguments[1])}"
    if event == "subprocess.Popen":
        return "start " + " ".join(map(str, arguments[1]))
    return ""


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "open" and event not in _PATHS | _PAIRS and event != "subprocess.Popen":
        return
    if getattr(_busy, "now", False):
        return
    _busy.now = True
    try:
        operation = _operation(event, arguments)
        if operation:
            _happens(operation)
    finally:
        _busy.now = False


def _happens(operation: str) -> None:
    matches = re.search(_PLAN.get("match", ""), operation) is not None
    with _lock:
        _state["count"] += matches
        count = _state["count"]
        if _PLAN.get("log"):
            with open(_PLAN["log"], "a", errors="backslashreplace") as log:  # noqa: PTH123
                log.write(operation.replace("\n", "\\n") + "\n")
    nth, act = _PLAN.get("nth", 0), _PLAN.get("act", "kill")
    if not matches or not nth or count < nth:
        return
    if act == "kill" and count == nth:
        if _PLAN.get("delay"):
            threading.Timer(_PLAN["delay"], os.kill, (os.getpid(), signal.SIGKILL)).start()
        else:
            os.kill(os.getpid(), signal.SIGKILL)
    elif act == "stop" and count == nth:
        os.kill(os.getpid(), signal.SIGSTOP)
    elif isinstance(act, int) and _takes_space(operation) and count < nth + _PLAN.get("times", 1):
        raise OSError(act, os.strerror(act))


def _takes_space(operation: str) -> bool:
    return not operation.startswith(("start ", "remove ", "rmdir "))


def _pretend_restart() -> None:
    started, real = time.monotonic(), time.clock_gettime

    def clock_gettime(clock: int) -> float:
        if clock == time.CLOCK_BOOTTIME:
            return time.monotonic() - started - 60.0  # after every file that is there
        return real(clock)

    time.clock_gettime = clock_gettime


if _PLAN:
    if _PLAN.get("booted"):
        _pretend_restart()
    sys.addaudithook(_hook)
