"""Reading small text files that people wrote, and that a hostile repository may have planted."""

import errno
from pathlib import Path

from locald.config.errors import ConfigError, reason, shown
from oci.plain_file import read_regular_file

SIZE_LIMIT_BYTES = 1024 * 1024


def read_text(path: Path, *, any_bytes: bool = False) -> str:
    """The file's text, without a byte order mark, line ends as they are.

    any_bytes: what is not UTF-8 is surrogate-escaped, as in the names of files.
    Raises ConfigError when it is missing, unreadable, not a regular file (a FIFO would block
    for ever), larger than SIZE_LIMIT_BYTES, or not UTF-8.
    """
    try:
        content = read_regular_file(path, max_bytes=SIZE_LIMIT_BYTES)
    except IsADirectoryError as error:
        raise ConfigError(f"{shown(path)}: is a folder, expected a file") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise ConfigError(f"{shown(path)}: is too large; the limit is 1 MiB") from error
        raise ConfigError(f"{shown(path)}: cannot be read: {reason(error)}") from error
    try:
        return content.decode("utf-8-sig", "surrogateescape" if any_bytes else "strict")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{shown(path)}:{line}: not UTF-8 text (byte 0x{content[error.start]:02x})",
            hint="save the file with UTF-8 encoding",
        ) from error
