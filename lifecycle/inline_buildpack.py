"""Buildpacks that project.toml holds as a script.

Source: CNB project descriptor specification, `[[io.buildpacks.group]] script`.
"""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import tomli_w

from oci.digest import Digest

DEFAULT_VERSION = "0.0.0"
DEFAULT_SHELL = "/bin/sh"
# What the kernel reads of an interpreter's line, its end included.
MAX_SHELL_BYTES = 250


@dataclass(frozen=True, kw_only=True)
class InlineBuildpack:
    """A buildpack whose detection always passes, and whose build is `script`.

    shell: the interpreter's absolute path, arguments after it.
    """

    id: str
    version: str = DEFAULT_VERSION
    api: str
    shell: str = DEFAULT_SHELL
    script: str

    @property
    def digest(self) -> Digest:
        """Of all that it is made of."""
        parts = (self.id, self.version, self.api, self.shell, self.script)
        return Digest.of(msgspec.json.encode(parts))

    def write(self, folder: Path) -> None:
        """Make its files in an existing, empty folder: the same from the same script."""
        document = {
            "api": self.api,
            "buildpack": {"id": self.id, "version": self.version, "name": self.id},
            "targets": [{"os": "linux"}],
            # What Buildpack APIs before 0.10 look for.
            "stacks": [{"id": "*"}],
        }
        (folder / "buildpack.toml").write_bytes(tomli_w.dumps(document).encode())
        (folder / "bin").mkdir()
        for name, text in (
            # Not with `shell`, as pack has it: that may be an interpreter of another language.
            ("detect", f"#!{DEFAULT_SHELL}\nexit 0\n"),
            ("build", f"#!{self.shell}\n\n{self.script}\n"),
        ):
            program = folder / "bin" / name
            program.write_bytes(text.encode())
            program.chmod(0o755)

    def __str__(self) -> str:
        return f"{self.id}@{self.version}"
