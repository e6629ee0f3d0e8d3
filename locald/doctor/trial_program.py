"""A program of 266 bytes that needs no library: what runs in a trial's container.

It writes `ok` into /workspace/ok and /layers/ok, then to standard output, and ends with 0; or with
the number of the error (errno) that stopped it. Host programs could not serve: in the container is
nothing that they need.
"""

import struct

# openat(0, PATH, O_WRONLY|O_CREAT|O_TRUNC, 0644) and write(fd, "ok\n", 3) for each of two paths of
# 16 bytes behind the code; write(1, "ok\n", 3); exit(0). With the number of an error: exit(errno).
# Assembled by GNU as; the last three bytes are "ok\n".
_CODE = {
    "amd64": (
        62,  # EM_X86_64
        "4c8d256b00000041bd02000000b80101000031ff4c89e6ba4102000041baa40100000f0585c0783c89c7e81c"
        "0000004983c41041ffcd75d5bf01000000e80900000031ffb83c0000000f05b801000000488d3518000000ba"
        "030000000f0583f8037501c3f7d889c7b83c0000000f056f6b0a",
    ),
    "arm64": (
        183,  # EM_AARCH64
        "93030070540080d2080780d2000080d2e10313aa224880d2833480d2010000d42002f8b70900009473420091"
        "940600f1c1feff54200080d204000094000080d2a80b80d2010000d4080880d221010010620080d2010000d4"
        "1f0c00f141000054c0035fd6e00300cba80b80d2010000d46f6b0a",
    ),
}
_PATHS = (b"/workspace/ok", b"/layers/ok")
_ADDRESS = 0x400000
_HEADERS_BYTES = 64 + 56

OUTPUT = "ok"


def trial_program(architecture: str) -> bytes | None:
    """The executable for an architecture (in image-spec's words), or None where there is none."""
    if architecture not in _CODE:
        return None
    machine, code = _CODE[architecture]
    body = bytes.fromhex(code) + b"".join(path.ljust(16, b"\0") for path in _PATHS)
    size = _HEADERS_BYTES + len(body)
    entry = _ADDRESS + _HEADERS_BYTES
    # 64 bits, little-endian, System V; ET_EXEC; the program header follows at once.
    head = b"\x7fELF\2\1\1".ljust(16, b"\0")
    head += struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    # PT_LOAD, readable and executable, the whole file; aligned to the largest page there is.
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _ADDRESS, _ADDRESS, size, size, 0x10000)
    return head + segment + body
