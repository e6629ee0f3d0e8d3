"""The filter, run by a small interpreter of classic BPF."""

import struct
from errno import EAFNOSUPPORT, ENOSYS, EPERM

import pytest

from lifecycle.runtime.bpf import bpf_program
from lifecycle.runtime.seccomp import profile
from oci.errors import HostError

X86_64, AARCH64, I386 = 0xC000003E, 0xC00000B7, 0x40000003
ALLOWED = 0


def errno_of(program: bytes, architecture: int, number: int, *arguments: int) -> int:
    """The errno that a call ends with, 0 when it is allowed."""
    values = (*arguments, 0, 0, 0, 0, 0, 0)[:6]
    data = struct.pack("=iIQ6Q", number, architecture, 0, *values)
    instructions = list(struct.iter_unpack("=HBBI", program))
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, k = instructions[at]
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, k)
            case 0x54:
                accumulator &= k
            case 0x15:
                at += if_true if accumulator == k else if_false
            case 0x35:
                at += if_true if accumulator >= k else if_false
            case 0x06:
                return ALLOWED if k == 0x7FFF0000 else k & 0xFFFF
            case _:
                raise AssertionError(hex(code))


@pytest.mark.parametrize(
    ("number", "arguments", "errno"),
    [
        (0, (), ALLOWED),  # read
        (250, (), EPERM),  # keyctl
        (165, (), EPERM),  # mount
        (435, (), ENOSYS),  # clone3
        (56, (0x1200011,), ALLOWED),  # clone, as fork does it
        (56, (0x10000011,), EPERM),  # clone with a user namespace
        (56, (0x7C020000 | 17,), EPERM),
        (272, (0x400,), ALLOWED),  # unshare of the file table
        (272, (0x20000,), EPERM),  # unshare of the mounts
        (16, (0, 0x5401), ALLOWED),  # ioctl TCGETS
        (16, (0, 0x5412), EPERM),  # ioctl TIOCSTI
        (16, (0, 0xFFFFFFFF_00005412), EPERM),  # the kernel looks at the lower half only
        (41, (2,), ALLOWED),  # socket, IPv4
        (41, (40,), EAFNOSUPPORT),  # socket, AF_VSOCK
        (0x40000000, (), ENOSYS),  # x32
    ],
)
def test_calls_end_as_the_profile_says(number: int, arguments: tuple[int, ...], errno: int) -> None:
    assert errno_of(bpf_program(profile(), "x86_64"), X86_64, number, *arguments) == errno


def test_each_machine_has_its_own_numbers() -> None:
    program = bpf_program(profile(), "aarch64")
    assert errno_of(program, AARCH64, 40) == EPERM  # mount
    assert errno_of(program, AARCH64, 165) == ALLOWED  # getrusage there, mount on x86-64


def test_calls_of_another_architecture_do_not_exist() -> None:
    assert errno_of(bpf_program(profile(), "x86_64"), I386, 0) == ENOSYS


def test_an_unknown_machine_is_told() -> None:
    with pytest.raises(HostError, match="riscv128"):
        bpf_program(profile(), "riscv128")
