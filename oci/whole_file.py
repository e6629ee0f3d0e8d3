"""Files that appear whole or not at all."""

import tempfile
from pathlib import Path


def write_whole(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write beside the final name, then rename over it. Raises OSError, and leaves nothing then.

    mode: its permissions; a file that is replaced passes on none of its own.
    """
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".partial", delete=False
    ) as staged:
        try:
            staged.write(data)
            staged.flush()
            Path(staged.name).chmod(mode)
            Path(staged.name).replace(path)
        except BaseException:
            Path(staged.name).unlink(missing_ok=True)
            raise
