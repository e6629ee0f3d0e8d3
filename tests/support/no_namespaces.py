"""Runs its arguments under a system call filter that refuses user namespaces, as Docker's does.

python -m tests.support.no_namespaces COMMAND [ARGUMENT]…
"""

import ctypes
import errno
import os
import platform
import struct
import sys

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _MODE_FILTER = 38, 22, 2
_LOAD, _EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x45, 0x06
_NUMBER, _FIRST_ARGUMENT = 0, 16  # offsets in struct seccomp_data
_CLONE_NEWUSER = 0x10000000
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
# The numbers of unshare and clone.
_CALLS = {"x86_64": (272, 56), "aarch64": (97, 220)}


def _instruction(code: int, if_true: int, if_false: int, value: int) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)


def refuse_user_namespaces() -> None:
    """From now on, for this process and all that it becomes."""
    unshare, clone = _CALLS[platform.machine()]
    program = b"".join(
        (
            _instruction(_LOAD, 0, 0, _NUMBER),
            _instruction(_EQUAL, 1, 0, unshare),
            _instruction(_EQUAL, 0, 3, clone),
            _instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
            _instruction(_ANY_BIT, 0, 1, _CLONE_NEWUSER),
            _instruction(_RETURN, 0, 0, _ERRNO | errno.EPERM),
            _instruction(_RETURN, 0, 0, _ALLOW),
        )
    )
    instructions = ctypes.create_string_buffer(program, len(program))
    described = struct.pack("HxxxxxxQ", len(program) // 8, ctypes.addressof(instructions))
    pointer = ctypes.create_string_buffer(described, len(described))
    libc = ctypes.CDLL(None, use_errno=True)
    number = ctypes.c_ulong
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, number(1), number(0), number(0), number(0)) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")
    address = ctypes.c_void_p(ctypes.addressof(pointer))
    if libc.prctl(_PR_SET_SECCOMP, number(_MODE_FILTER), address, number(0), number(0)) != 0:
        raise OSError(ctypes.get_errno(), "PR_SET_SECCOMP")


if __name__ == "__main__":
    refuse_user_namespaces()
    os.execvp(sys.argv[1], sys.argv[1:])
