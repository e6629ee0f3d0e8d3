from pathlib import Path, PurePosixPath

import pytest

from lifecycle.detection import DetectionLog
from lifecycle.detection_order import DetectionOrder, read_detection_order
from lifecycle.module import ModuleRef, OrderEntry
from lifecycle.runtime.spec import ContainerSpec, Mount

LOGS = Path(__file__).with_name("detection_logs")


def entry(*names: str) -> OrderEntry:
    """`a?` is optional; every version is 1.0.0."""
    return OrderEntry(
        tuple(ModuleRef(n.removesuffix("?"), "1.0.0", optional=n.endswith("?")) for n in names)
    )


COMPOSITES = {
    "acme/java": (entry("acme/needs"), entry("acme/jre", "acme/needs", "acme/inner?")),
    "acme/inner": (entry("acme/node"), entry("acme/testonly", "acme/broken")),
    "acme/endless": (entry("acme/endless"), entry("acme/endless")),
}
ORDER = (
    entry("acme/node", "acme/static?"),
    entry("acme/windows"),
    entry("acme/toml", "acme/unused?"),
    entry("acme/testonly", "acme/unused?"),
    entry("acme/unused"),
    entry("acme/node?"),
    entry("acme/unused?", "acme/java", "acme/static"),
    entry("acme/static"),
)


def order_of(ref: ModuleRef) -> tuple[OrderEntry, ...]:
    return COMPOSITES.get(ref.id, ())


def names(refs: tuple[ModuleRef, ...]) -> list[str]:
    return [ref.id.removeprefix("acme/") for ref in refs]


def test_it_is_what_the_real_detector_tried() -> None:
    log = DetectionLog()
    for line in (LOGS / "none-fits.txt").read_text().splitlines():
        log.add(line)
    detection = log.read()
    order = DetectionOrder(order=ORDER, find_order=order_of)
    assert [
        [str(ref) for ref in combination.members]
        for combination in order.combinations(detection.skipped)
    ] == [[member.name for member in attempt.members] for attempt in detection.attempts]


def test_the_way_to_a_combination_is_told() -> None:
    order = DetectionOrder(order=ORDER[6:], find_order=order_of)
    found = order.combinations({"acme/testonly@1.0.0"})
    assert [(c.group, c.via) for c in found] == [
        (1, (("acme/java@1.0.0", 1),)),
        (1, (("acme/java@1.0.0", 2), ("acme/inner@1.0.0", 1))),
        (1, (("acme/java@1.0.0", 2), ("acme/inner@1.0.0", 2))),
        (1, (("acme/java@1.0.0", 2), ("acme/inner@1.0.0", 0))),
        (2, ()),
    ]
    assert names(found[2].skipped) == ["testonly"]
    assert names(found[2].members) == ["unused", "jre", "needs", "broken", "static"]


def test_extensions_come_first_and_then_none_of_them() -> None:
    order = DetectionOrder(order=(entry("a", "b"),), extensions=(entry("a?"), entry("x?")))
    found = order.combinations(())
    assert [(names(c.members), c.via) for c in found] == [
        (["a", "a", "b"], (("extensions", 1),)),  # an extension and a buildpack of one id
        (["x", "a", "b"], (("extensions", 2),)),
        (["a", "b"], (("extensions", 0),)),
    ]


def test_a_buildpack_is_asked_once_in_a_combination() -> None:
    found = DetectionOrder(order=(entry("a", "b", "a"),)).combinations(())
    assert [names(c.members) for c in found] == [["a", "b"]]


def test_composites_that_name_themselves_end() -> None:
    order = DetectionOrder(order=(entry("acme/endless"),), find_order=order_of)
    assert 0 < len(order.combinations(())) <= 10_000


@pytest.fixture
def spec(tmp_path: Path) -> ContainerSpec:
    rootfs, layers, added = tmp_path / "rootfs", tmp_path / "layers", tmp_path / "added"
    for folder in (rootfs / "cnb/buildpacks/acme_java/1.0.0", layers, added):
        folder.mkdir(parents=True)
    (rootfs / "cnb/order.toml").write_text('[[order]]\n[[order.group]]\nid = "acme/java"\n')
    (layers / "order.toml").write_text(
        '[[order]]\n[[order.group]]\nid = "acme/own"\nversion = "2.0.0"\n'
        '[[order-extensions]]\n[[order-extensions.group]]\nid = "acme/ext"\nversion = "1.0.0"\n'
    )
    (rootfs / "cnb/system.toml").write_text(
        '[[pre.buildpacks]]\nid = "acme/first"\nversion = "1.0.0"\n'
        '[[post.buildpacks]]\nid = "acme/own"\nversion = "1.0.0"\n'
    )
    (added / "buildpack.toml").write_text('[[order]]\n[[order.group]]\nid = "leaf"\n')
    return ContainerSpec(
        name="detect",
        rootfs=rootfs,
        argv=("detector", "-layers", "/layers", "-order", "/layers/order.toml"),
        env={},
        cwd=PurePosixPath("/"),
        user=1000,
        group=1000,
        mounts=(
            Mount(source=layers, target=PurePosixPath("/layers")),
            Mount(source=added, target=PurePosixPath("/cnb/buildpacks/acme_own/2.0.0")),
        ),
    )


def test_the_files_are_those_that_the_container_sees(spec: ContainerSpec) -> None:
    order = read_detection_order(spec, system=True)
    assert order is not None
    assert [names(group.group) for group in order.order] == [["first", "own"]]
    assert order.extensions == (entry("acme/ext?"),)
    assert order.find_order(ModuleRef("acme/own", "2.0.0")) == (OrderEntry((ModuleRef("leaf"),)),)
    assert order.find_order(ModuleRef("acme/java", "1.0.0")) == ()


def test_an_older_platform_api_has_no_system_buildpacks(spec: ContainerSpec) -> None:
    order = read_detection_order(spec, system=False)
    assert order is not None
    assert [names(group.group) for group in order.order] == [["own"]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_text("[["),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.write_text("order = 3"),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    ],
)
def test_an_order_that_cannot_be_read_is_none(spec: ContainerSpec, damage: object) -> None:
    assert callable(damage)
    damage(spec.mounts[0].source / "order.toml")
    assert read_detection_order(spec, system=True) is None
