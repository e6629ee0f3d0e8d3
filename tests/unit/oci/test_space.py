"""A full disk is told where a tool does not."""

from pathlib import Path

import pytest

from oci.errors import StorageError
from oci.space import check_space


def test_a_disk_with_space_is_fine(tmp_path: Path) -> None:
    check_space(tmp_path, "shop cannot be unpacked")


def test_a_file_system_without_space_is_told_with_a_remedy() -> None:
    # /proc has neither blocks nor inodes.
    with pytest.raises(StorageError, match="shop cannot be unpacked: no space left") as caught:
        check_space(Path("/proc"), "shop cannot be unpacked")
    assert "locald cache clear" in caught.value.hint
