"""What a container sees and may write, the same for every runtime."""

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from lifecycle.runtime.spec import (
    ContainerRuntime,
    ContainerSpec,
    Mount,
    Network,
    Sandbox,
)
from oci.errors import ImageError
from tests.support.containers import REPOSITORY, exit_code, output, shell, tree_state
from tests.support.rootfs import make_rootfs


def test_no_file_of_the_hosts_is_there(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.write_text("secret")
    script = f"test ! -e {canary} && test ! -e {Path.home()} && test ! -e {REPOSITORY}; ls -A /"
    names = output(sandbox, shell(spec, script))
    assert {"bin", "etc", "home", "proc", "workspace"} <= set(names)
    assert not {"root", "mnt", "media", "boot", "oldroot", "newroot"} & set(names)


def test_masked_paths_tell_nothing(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "cat /proc/keys /proc/timer_list /proc/kcore 2>/dev/null; ls /sys/firmware; true"
    assert output(sandbox, shell(spec, script)) == []


def test_kernel_settings_are_read_only(sandbox: Sandbox, spec: ContainerSpec) -> None:
    assert exit_code(sandbox, shell(spec, "echo x 2>/dev/null >/proc/sys/kernel/hostname")) != 0


def test_devices_are_the_harmless_ones(sandbox: Sandbox, spec: ContainerSpec) -> None:
    script = "echo x >/dev/null; head -c 1 /dev/zero >/dev/null; test -w /dev/shm; ls /dev"
    names = set(output(sandbox, shell(spec, script)))
    assert {"null", "zero", "full", "random", "urandom", "tty", "shm", "pts", "fd"} <= names
    assert not {"kmsg", "mem", "net", "fuse", "kvm"} & names


def test_the_root_is_writable_and_never_changed(sandbox: Sandbox, spec: ContainerSpec) -> None:
    before = tree_state(spec.rootfs)
    script = "echo x > /tmp/new; echo y > /home/cnb/new; rm -rf /home/cnb/.x; ls /tmp /home/cnb"
    assert "new" in output(sandbox, shell(spec, script))
    assert "new" not in output(sandbox, shell(spec, "ls /tmp /home/cnb"))
    assert tree_state(spec.rootfs) == before


def test_a_read_only_root_still_has_room_for_temporary_files(
    sandbox: Sandbox, spec: ContainerSpec
) -> None:
    script = "touch /tmp/x /var/tmp/x && ! touch /home/cnb/x 2>/dev/null && ! touch /x 2>/dev/null"
    output(sandbox, shell(replace(spec, read_only_root=True), script))


def test_mounts_are_writable_or_not_as_asked(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    folder, file = tmp_path / "with: colon, comma", tmp_path / "order.toml"
    folder.mkdir()
    file.write_text("order\n")
    mounts = (
        Mount(source=file, target=PurePosixPath("/layers/order.toml"), read_only=True),
        Mount(source=folder, target=PurePosixPath("/layers")),
        Mount(source=folder, target=PurePosixPath("/platform"), read_only=True),
        Mount(source=folder, target=PurePosixPath("/made/on/the/way")),
    )
    (folder / "order.toml").touch()
    script = (
        "cat /layers/order.toml; echo x > /layers/x; ! touch /platform/y 2>/dev/null; "
        "! touch /layers/order.toml 2>/dev/null; ls /made/on/the/way"
    )
    lines = output(sandbox, shell(replace(spec, mounts=mounts), script))
    assert lines == ["order", "order.toml", "x"]


def test_an_image_that_links_a_mount_target_is_refused(
    runtime: ContainerRuntime, sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    canary = tmp_path / "canary"
    canary.mkdir()
    image = make_rootfs(tmp_path / "image")
    (image / "layers").rmdir()
    (image / "layers").symlink_to(canary)
    with pytest.raises(ImageError, match="its /layers is a link"):
        exit_code(sandbox, replace(spec, rootfs=image))
    assert list(canary.iterdir()) == []


def test_a_linked_resolv_conf_is_replaced(
    sandbox: Sandbox, spec: ContainerSpec, tmp_path: Path
) -> None:
    image = make_rootfs(tmp_path / "image")
    (image / "etc/resolv.conf").symlink_to("../run/systemd/resolve/stub-resolv.conf")
    private = shell(replace(spec, rootfs=image, network=Network.PRIVATE), "cat /etc/resolv.conf")
    assert "nameserver 10.0.2.3" in output(sandbox, private)
