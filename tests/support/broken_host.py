"""What can be taken from a host by one who is not root, for one process only: programs, by a PATH
without them; in a namespace with one id, also mounts and what lies below them.
"""

import os
import secrets
from pathlib import Path

from tests.support.e2e import Installation
from tests.support.plain_image import make_image

SINGLE_ID = ("unshare", "--user", "--map-root-user", "--mount")


def tools_without(folder: Path, *missing: str) -> str:
    """A PATH with every tool of this one, but for some."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for tool in Path(place).glob("*"):
            link = folder / tool.name
            if tool.name not in missing and not link.is_symlink():
                link.symlink_to(tool)
    return str(folder)


def prepared(installation: Installation, script: str) -> Installation:
    """Below a shell that first does something to the mounts that only locald sees."""
    return installation.within(*SINGLE_ID, "sh", "-euc", f'{script}\nexec "$@"', "sh")


def never_unpacked(installation: Installation, folder: Path) -> str:
    """A builder, as far as its labels tell, that no store has seen, not even in a test before."""
    builder = installation.builder_config()
    labels = {**builder.labels, "only-once": secrets.token_hex(8)}
    make_image(folder, labels=labels, env=builder.config.environment)
    return f"oci:{folder}"
