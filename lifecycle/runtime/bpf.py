"""The seccomp profile as a classic BPF program, made without libseccomp.

Only what our profile uses is understood: everything is allowed but the listed calls, which fail
with an errno, some of them only for certain arguments. See seccomp(2) and linux/bpf_common.h.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from errno import ENOSYS
from importlib import resources
from typing import Any

from oci.errors import HostError

# struct seccomp_data: int nr; u32 arch; u64 instruction_pointer; u64 args[6]
_NUMBER_OFFSET = 0
_ARCHITECTURE_OFFSET = 4
_ARGUMENTS_OFFSET = 16

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_EQUAL = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_GREATER_EQUAL = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN = 0x06  # BPF_RET | BPF_K

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_WHOLE_ARGUMENT = 0xFFFFFFFF

_AUDIT_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers from here on are x32's, another way into the same kernel.
_X32_BIT = 0x40000000


def bpf_program(profile: Mapping[str, Any], machine: str) -> bytes:
    """The profile as an array of `struct sock_filter`, for one kind of machine.

    machine: as `os.uname().machine` names it.
    Calls in another architecture's numbering, such as a 32-bit program's, "do not exist".
    Raises HostError for a machine whose call numbers are not known here.
    """
    text = resources.files("lifecycle.runtime").joinpath("syscalls.json").read_text()
    numbers: dict[str, int] | None = json.loads(text).get(machine)
    if numbers is None:
        raise HostError(f"no system call filter for bubblewrap is known on {machine}")
    return b"".join(_program(profile, numbers, machine))


def _program(
    profile: Mapping[str, Any], numbers: Mapping[str, int], machine: str
) -> Iterator[bytes]:
    yield _instruction(_LOAD, _ARCHITECTURE_OFFSET)
    yield _instruction(_JUMP_EQUAL, _AUDIT_ARCHITECTURES[machine], skip_if_true=1)
    yield _fail(ENOSYS)
    yield _instruction(_LOAD, _NUMBER_OFFSET)
    if machine == "x86_64":
        yield _instruction(_JUMP_GREATER_EQUAL, _X32_BIT, skip_if_false=1)
        yield _fail(ENOSYS)
    for rule in profile["syscalls"]:
        for name in rule["names"]:
            if name in numbers:
                yield from _rule(numbers[name], rule)
    yield _instruction(_RETURN, _ALLOW)


def _rule(number: int, rule: Mapping[str, Any]) -> Iterator[bytes]:
    """Starts and ends with the call's number loaded."""
    arguments = rule.get("args", ())
    if not arguments:
        yield _instruction(_JUMP_EQUAL, number, skip_if_false=1)
        yield _fail(rule["errnoRet"])
        return
    (argument,) = arguments
    masked = argument["op"] == "SCMP_CMP_MASKED_EQ"
    yield _instruction(_JUMP_EQUAL, number, skip_if_false=5)
    # The lower half; flags, families and requests are ints. Both machines are little-endian.
    yield _instruction(_LOAD, _ARGUMENTS_OFFSET + 8 * argument["index"])
    yield _instruction(_AND, argument["value"] if masked else _WHOLE_ARGUMENT)
    yield _instruction(
        _JUMP_EQUAL, argument["valueTwo"] if masked else argument["value"], skip_if_false=1
    )
    yield _fail(rule["errnoRet"])
    yield _instruction(_LOAD, _NUMBER_OFFSET)


def _fail(errno: int) -> bytes:
    return _instruction(_RETURN, _ERRNO | errno)


def _instruction(code: int, k: int, *, skip_if_true: int = 0, skip_if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, skip_if_true, skip_if_false, k)
