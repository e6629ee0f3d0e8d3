"""The tools of this host: where they are, what they may see, where a missing one comes from."""

import errno
import os
import shutil

from oci.errors import HostError

PROXY_VARIABLES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy",
)  # fmt: skip

# What host tools may see of the environment: where they find programs, their own files, the
# network's proxies and certificates. Nothing that carries a secret of another program.
_PASSED_VARIABLES = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR",
        "XDG_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME",
        *PROXY_VARIABLES,
        "SSL_CERT_FILE", "SSL_CERT_DIR", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG",
        "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "CONTAINERS_STORAGE_CONF",
        "STORAGE_DRIVER", "STORAGE_OPTS", "DBUS_SESSION_BUS_ADDRESS",
    }
)  # fmt: skip

# Where some distributions keep runc and others, though ordinary users have no use of the rest.
_SYSTEM_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")

# Where a tool comes from, told when it is missing.
_PACKAGES = {
    "skopeo": "skopeo",
    "umoci": "umoci",
    "runc": "runc",
    "podman": "podman",
    "buildah": "buildah",
    "bwrap": "bubblewrap",
    "newuidmap": "uidmap",
    "newgidmap": "uidmap",
    "slirp4netns": "slirp4netns",
    "mmdebstrap": "mmdebstrap",
    "git": "git",
    "go": "golang-go",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}

# Of what there is not enough, where a program cannot be started.
_LIMIT_HINTS = {
    errno.EAGAIN: "this user may have no further process (ulimit -u): end some, or raise nproc in "
    "/etc/security/limits.conf",
    errno.EMFILE: "this process may open no further file: raise `ulimit -n`",
    errno.ENFILE: "this host may open no further file: raise the sysctl fs.file-max",
    errno.ENOMEM: "this host has no memory left",
}


def base_environment() -> dict[str, str]:
    """The allow-listed part of this process's environment, with a PATH that has every tool."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if name in _PASSED_VARIABLES or name.startswith("LC_")
    }
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    missing = (folder for folder in _SYSTEM_FOLDERS if folder not in folders)
    return {**passed, "PATH": os.pathsep.join((*folders, *missing))}


def find_tool(tool: str) -> str | None:
    """Where an executable is, on the PATH that commands get."""
    return shutil.which(tool, path=base_environment()["PATH"])


def cannot_start(tool: str, error: OSError) -> HostError:
    """The error for an executable that is here, and that the kernel does not start."""
    return HostError(
        f"`{tool}` cannot be started: {error.strerror}", hint=_LIMIT_HINTS.get(error.errno or 0, "")
    )


def missing_tool(tool: str) -> HostError:
    """The error for an executable that PATH does not hold."""
    package = _PACKAGES.get(tool, tool)
    return HostError(
        f"`{tool}` is not installed, or not on PATH",
        hint=f"install it, on Debian and Ubuntu with: sudo apt install {package}",
    )
