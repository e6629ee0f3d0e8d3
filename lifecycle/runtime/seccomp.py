"""The system calls that no build needs and that reach far into the kernel.

A list of what is refused, not of what is allowed: a program of tomorrow keeps working, and the
user namespace without capabilities is the wall; this filter makes the kernel behind it smaller.

    why refused                      calls
    namespaces: the way to regain    unshare and clone with CLONE_NEW*, setns, mount and its
      capabilities and to reach        newer forms, umount2, pivot_root; clone3 hides its flags in
      kernel code meant for root       memory, so it "does not exist" and libc falls back to clone
    not divided by namespaces        keyctl, add_key, request_key, bpf, perf_event_open, syslog,
                                       fanotify_init, lookup_dcookie, quotactl, acct
    where the kernel's faults were   userfaultfd, io_uring_*, sockets of AF_ALG and AF_VSOCK
    goes around path checks          open_by_handle_at (CVE-2014-9357 and others)
    other processes' inside          kcmp, pidfd_getfd, move_pages, migrate_pages
    the machine itself               reboot, kexec_*, *_module, swapon, swapoff, clock_settime,
                                       settimeofday, stime, iopl, ioperm, nfsservctl, vhangup
    a terminal's input queue         ioctl TIOCSTI, TIOCLINUX (CVE-2017-5226)

Debuggers stay possible: ptrace reaches only the container's own processes.

The data is `seccomp.json`, in the OCI runtime specification's form, which podman reads too;
`lifecycle.runtime.bpf` makes of it what bubblewrap reads.
"""

import json
from functools import cache
from importlib import resources
from typing import Any


@cache
def profile() -> dict[str, Any]:
    """`linux.seccomp` of an OCI runtime configuration."""
    text = resources.files("lifecycle.runtime").joinpath("seccomp.json").read_text()
    loaded: dict[str, Any] = json.loads(text)
    return loaded
