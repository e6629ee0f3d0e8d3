"""The sample applications: working copies of them, and the one line that changes."""

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

SAMPLES = Path(__file__).parents[1] / "samples"

# The greeting is a quoted constant, in HTML what follows a comment.
_GREETING = re.compile(r'(GREETING\b(?:[^"\n]*"| -->))([^"<\n]*)')
_SOURCES = (".py", ".js", ".rs", ".go", ".html")


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A working copy; the repository's own is never touched."""

    name: str
    folder: Path
    greeting_file: Path

    @classmethod
    def copy(cls, name: str, folder: Path) -> "Sample":
        """Copy the sample `name` into a new folder."""
        shutil.copytree(SAMPLES / name, folder)
        candidates = sorted(p for p in folder.rglob("*") if p.suffix in _SOURCES)
        for path in candidates:
            if _GREETING.search(path.read_text()):
                return cls(name=name, folder=folder, greeting_file=path)
        raise ValueError(f"the sample {name} has no GREETING")

    def change_line(self, text: str) -> None:
        """Give the application another greeting: one line of one file changes."""
        old = self.greeting_file.read_text()
        new, count = _GREETING.subn(lambda match: match.group(1) + text, old, count=1)
        if count != 1 or new == old:
            raise ValueError(f"{self.greeting_file} did not change")
        self.greeting_file.write_text(new)


def sample_names() -> tuple[str, ...]:
    """Every sample in the repository."""
    return tuple(sorted(path.name for path in SAMPLES.iterdir() if path.is_dir()))
