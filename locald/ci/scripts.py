"""The shell scripts of a pipeline (POSIX sh), the same for every system.

What differs between systems comes as variables: IMAGE, REVISION (the commit), REGISTRY_USER and
REGISTRY_PASSWORD. No secret is ever an argument of a program. There is no `${…}`, which GitHub and
Woodpecker would take for theirs.
"""

import shlex
from collections.abc import Iterable
from typing import assert_never

from locald.ci.pipeline import CACHE_FOLDER, REPORT, CacheKind, Pipeline

# Program → Debian's package.
TOOLS = {
    "bwrap": "bubblewrap",
    "git": "git",
    "mount": "mount",
    "newuidmap": "uidmap",
    "python3": "python3",
    "runc": "runc",
    "skopeo": "skopeo",
    "slirp4netns": "slirp4netns",
    "umoci": "umoci",
    "unshare": "util-linux",
}
PACKAGES = tuple(sorted({*TOOLS.values(), "ca-certificates", "python3-venv"}))

# Where a job's container of its own keeps the credentials, as a shell expands it between quotes.
AUTH_FILE = "$HOME/locald-auth.json"

_INSTALL = """\
set -eu
export PATH="$PATH:/usr/sbin:/sbin"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
missing=
python3 -c 'import ensurepip, venv' || missing=yes
for tool in @TOOLS@; do
  command -v "$tool" >/dev/null || missing=yes
done
if [ -n "$missing" ]; then
  as_root apt-get update
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \\
    @PACKAGES@
fi
if ! command -v locald >/dev/null; then
  python3 -m venv "$HOME/.locald-venv"
  "$HOME/.locald-venv/bin/pip" install --quiet @REQUIREMENT@
  as_root ln -sf "$HOME/.locald-venv/bin/locald" /usr/local/bin/locald
fi
locald --version
"""

# Ubuntu forbids user namespaces to all programs without a profile of AppArmor's.
_ALLOW_NAMESPACES = """\
set -eu
switch=/proc/sys/kernel/apparmor_restrict_unprivileged_userns
if [ -e "$switch" ] && [ "$(cat "$switch")" != 0 ]; then
  echo 0 | sudo tee "$switch"
fi
"""

# +x: Jenkins has -x, and would show the password in a form that it does not know to hide.
_LOGIN = """\
set -eu +x
umask 077
mkdir -p "$(dirname "@FILE@")"
printf '{"auths": {"%s": {"auth": "%s"}}}\\n' @REGISTRY@ \\
  "$(printf '%s:%s' "$REGISTRY_USER" "$REGISTRY_PASSWORD" | base64 | tr -d '\\n')" \\
  >"@FILE@"
"""


def install_script(pipeline: Pipeline) -> str:
    """Bring Debian's packages and locald, unless the machine or the job's image has them."""
    return (
        _INSTALL.replace("@TOOLS@", " ".join(TOOLS))
        .replace("@PACKAGES@", " ".join(PACKAGES))
        .replace("@REQUIREMENT@", shlex.quote(pipeline.requirement))
    )


def namespaces_script() -> str:
    """On a machine of its own: let ordinary programs make user namespaces."""
    return _ALLOW_NAMESPACES


def login_script(pipeline: Pipeline, *, auth_file: str = AUTH_FILE) -> str:
    """Write the credentials into a file that only this job knows of.

    auth_file: as a shell expands it between double quotes.
    """
    return _LOGIN.replace("@REGISTRY@", shlex.quote(pipeline.registry)).replace("@FILE@", auth_file)


def build_script(
    pipeline: Pipeline, *, auth_file: str = AUTH_FILE, cache_folder: str = CACHE_FOLDER
) -> str:
    """Build and push.

    auth_file: the one of `login_script`.
    cache_folder: where the system keeps the cache, if in a folder.
    """
    words = (
        *(pipeline.path, "--publish", *_cache_words(pipeline, cache_folder)),
        *("--report", REPORT, "--progress", "plain"),
        *pipeline.flags,
    )
    path, *options = map(shlex.quote, words)
    tags = ('--tag "$IMAGE:$REVISION"', '--tag "$IMAGE:latest"')
    lines = " \\\n  ".join((f"locald build {path}", *tags, *_pairs(options)))
    return f'set -eu\nexport REGISTRY_AUTH_FILE="{auth_file}"\n{lines}\n'


def _cache_words(pipeline: Pipeline, folder: str) -> tuple[str, str]:
    match pipeline.cache:
        case CacheKind.IMAGE:
            return ("--cache-image", pipeline.cache_image)
        case CacheKind.FOLDER:
            return ("--cache", folder)
        case _:
            assert_never(pipeline.cache)


def _pairs(words: Iterable[str]) -> list[str]:
    """An option and its value on one line."""
    lines: list[str] = []
    for word in words:
        if lines and not word.startswith("-") and " " not in lines[-1]:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines
