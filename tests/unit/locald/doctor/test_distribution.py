from pathlib import Path

import pytest

from locald.doctor.distribution import Distribution, PackageManager


def of(tmp_path: Path, text: str) -> Distribution:
    path = tmp_path / "os-release"
    path.write_text(text)
    return Distribution.of_host(path)


@pytest.mark.parametrize(
    ("text", "manager", "install"),
    [
        ("ID=debian\n", PackageManager.APT, "apt install uidmap bubblewrap"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', PackageManager.APT, "apt install uidmap"),
        ("ID=fedora\n", PackageManager.DNF, "dnf install shadow-utils bubblewrap"),
        (
            'ID="rocky"\nID_LIKE="rhel centos fedora"\n',
            PackageManager.DNF,
            "dnf install shadow-utils",
        ),
        ("ID=arch\n", PackageManager.PACMAN, "pacman -S shadow bubblewrap"),
        (
            'ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n',
            PackageManager.ZYPPER,
            "zypper install shadow",
        ),
        ("ID=alpine\n", PackageManager.APK, "apk add shadow-uidmap bubblewrap"),
    ],
)
def test_packages_are_called_as_the_distribution_does(
    tmp_path: Path, text: str, manager: PackageManager, install: str
) -> None:
    found = of(tmp_path, text)
    assert found.manager is manager
    assert install in found.install(("newuidmap", "newgidmap", "bwrap"))


def test_a_package_is_named_once(tmp_path: Path) -> None:
    command = of(tmp_path, "ID=debian\n").install(("newuidmap", "newgidmap", "unshare", "nsenter"))
    assert command.endswith("apt install uidmap util-linux")


@pytest.mark.parametrize("text", ["", "ID=plan9\n", "ID='\n", "no line of that form\n", "=\n"])
def test_an_unknown_distribution_gets_no_command(tmp_path: Path, text: str) -> None:
    found = of(tmp_path, text)
    assert found.manager is PackageManager.UNKNOWN
    assert found.install(("skopeo",)) == ""
    assert found.package("bwrap") == "bubblewrap"


def test_a_missing_os_release_is_an_unknown_distribution(tmp_path: Path) -> None:
    assert Distribution.of_host(tmp_path / "none").manager is PackageManager.UNKNOWN


def test_a_line_for_a_file_of_roots_is_one_shell_word() -> None:
    found = Distribution(name="", manager=PackageManager.APT, as_root="sudo ")
    assert found.written("a=1; rm", "/etc/x") == "echo 'a=1; rm' | sudo tee -a /etc/x"
