"""What of a store can go: values that come from values."""

from dataclasses import replace
from pathlib import Path

import pytest

from oci.layout import Layout, LayoutImage
from oci.reference import LOCALHOST, Reference
from oci.store_contents import KeptImage, KeptRoot, StoreContents
from oci.store_names import NamedImage, RefRecord
from oci.store_prune_plan import PruneRules, plan_prune
from oci.unpacked_root import UnpackedRecord
from tests.support.images import make_image

NOW = 1_000 * 86400.0
DAY = 86400.0
OURS = Reference(LOCALHOST, "locald/extended-run", "abc")
CHOSEN = Reference(LOCALHOST, "shop", "latest")


def remakeable(name: Reference) -> bool:
    return name.repository.startswith("locald/")


RULES = PruneRules(now=NOW, remakeable=remakeable)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Layout, ...]:
    """Two images that share a layer, and a third."""
    base = tmp_path_factory.mktemp("images")
    return tuple(
        make_image(base / str(number), files={"file": text}, labels={"number": str(number)})
        for number, text in enumerate(("same", "same", "other"))
    )


def kept(layout: Layout, *names: Reference, used_days_ago: float = 0) -> KeptImage:
    image: LayoutImage = layout.read()
    record = RefRecord(digest=str(image.digest), source="", source_digest="", fetched=0.0)
    return KeptImage(
        hex=image.digest.hex,
        layout=layout,
        image=image,
        names=tuple(
            NamedImage(path=Path(str(n)), reference=n, platform="linux/amd64", record=record)
            for n in names
        ),
        used=NOW - used_days_ago * DAY,
        own_bytes=10,
    )


def root_of(image: KeptImage, *, used_days_ago: float = 0, size: int = 1000) -> KeptRoot:
    return KeptRoot(
        path=Path(f"/store/rootfs/{image.hex}-1000-1000"),
        image=image.hex,
        ids="1000-1000",
        record=UnpackedRecord(size_bytes=size),
        used=NOW - used_days_ago * DAY,
    )


def contents(*images: KeptImage, roots: tuple[KeptRoot, ...] = ()) -> StoreContents:
    return StoreContents(
        images=images,
        names=tuple(name for image in images for name in image.names),
        roots=roots,
        blobs={name: 100 for image in images for name in image.blobs},
        strays=(),
    )


def test_an_image_with_a_name_stays_however_old(layouts: tuple[Layout, ...]) -> None:
    old = kept(layouts[0], CHOSEN, used_days_ago=900)
    rules = replace(RULES, unused_seconds=DAY, max_bytes=0)
    assert plan_prune(contents(old), rules).images == ()


def test_an_image_without_a_name_goes_with_its_root(layouts: tuple[Layout, ...]) -> None:
    named, nameless = kept(layouts[0], CHOSEN), kept(layouts[2])
    root = root_of(nameless)
    plan = plan_prune(contents(named, nameless, roots=(root, root_of(named))), RULES)
    assert plan.images == (nameless,)
    assert plan.roots == (root,)
    assert plan.names == ()


def test_what_two_images_share_counts_once(layouts: tuple[Layout, ...]) -> None:
    first, second = kept(layouts[0], CHOSEN), kept(layouts[1])
    store = contents(first, second)
    assert first.image is not None
    assert second.image is not None
    assert first.image.layer_digests == second.image.layer_digests
    assert store.blob_bytes((first, second)) == 500
    assert store.alone_bytes(first) == 200


def test_a_name_that_locald_gave_is_forgotten_after_30_days(layouts: tuple[Layout, ...]) -> None:
    for days, gone in ((29, False), (31, True)):
        ours = kept(layouts[0], OURS, used_days_ago=days)
        plan = plan_prune(contents(ours), RULES)
        assert bool(plan.images) is gone
        assert bool(plan.names) is gone


def test_an_image_that_has_a_chosen_name_too_stays(layouts: tuple[Layout, ...]) -> None:
    both = kept(layouts[0], OURS, CHOSEN, used_days_ago=900)
    assert plan_prune(contents(both), replace(RULES, max_bytes=0)).images == ()


def test_age_takes_unpacked_roots_of_named_images(layouts: tuple[Layout, ...]) -> None:
    image = kept(layouts[0], CHOSEN)
    old, new = root_of(image, used_days_ago=31), root_of(image, used_days_ago=1)
    new = replace(new, path=Path("/store/rootfs/new"))
    store = contents(image, roots=(old, new))
    assert plan_prune(store, RULES).roots == ()
    assert plan_prune(store, replace(RULES, unused_seconds=30 * DAY)).roots == (old,)


def test_a_budget_takes_what_was_not_used_for_longest(layouts: tuple[Layout, ...]) -> None:
    chosen = kept(layouts[0], CHOSEN)
    ours = kept(layouts[2], OURS, used_days_ago=5)
    roots = (root_of(chosen, used_days_ago=9), root_of(ours, used_days_ago=2))
    store = contents(chosen, ours, roots=roots)
    size = store.size_bytes
    assert plan_prune(store, replace(RULES, max_bytes=size)).roots == ()
    first = plan_prune(store, replace(RULES, max_bytes=size - 1))
    assert (first.roots, first.images) == (roots[:1], ())
    everything = plan_prune(store, replace(RULES, max_bytes=0))
    assert set(everything.roots) == set(roots)
    assert everything.images == (ours,)
    assert everything.kept_bytes(store) == 310


def test_a_root_that_is_not_whole_goes(layouts: tuple[Layout, ...]) -> None:
    image = kept(layouts[0], CHOSEN)
    torn = replace(root_of(image), record=None)
    assert plan_prune(contents(image, roots=(torn,)), RULES).roots == (torn,)


def test_names_of_nothing_and_damaged_names_go(layouts: tuple[Layout, ...]) -> None:
    image = kept(layouts[0], CHOSEN)
    damaged = replace(image.names[0], path=Path("damaged"), record=None)
    nothing = replace(kept(layouts[2], CHOSEN).names[0], path=Path("nothing"))
    store = replace(contents(image), names=(*image.names, damaged, nothing))
    assert plan_prune(store, RULES).names == (damaged, nothing)
