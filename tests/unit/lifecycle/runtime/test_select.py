import pytest

from lifecycle.runtime.select import refuse_real_root
from oci.errors import HostError


def test_the_hosts_root_is_refused() -> None:
    with pytest.raises(HostError, match="does not run as root") as caught:
        refuse_real_root(0, "         0          0 4294967295\n")
    assert "ordinary user" in caught.value.hint


@pytest.mark.parametrize(
    ("uid", "uid_map"),
    [
        (1000, "0 0 4294967295\n"),
        (0, "0 1000 1\n1 100000 65536\n"),
        (0, "0 1000 1\n"),
    ],
)
def test_ordinary_users_and_the_root_of_a_user_namespace_pass(uid: int, uid_map: str) -> None:
    refuse_real_root(uid, uid_map)
