"""Which run image a build stands on."""

from collections.abc import Mapping
from types import MappingProxyType

import pytest

from lifecycle.builder import BuilderImage, RunImageChoice
from lifecycle.run_image import candidates, run_toml_images, with_mirrors
from oci.errors import ImageError
from oci.reference import Reference

NO_ENV: Mapping[str, str] = MappingProxyType({})
RUN = RunImageChoice("a.example/run", ("b.example/run:1", "c.example/run:1"))
TINY = RunImageChoice("a.example/tiny:1")


def builder(*run_images: RunImageChoice) -> BuilderImage:
    return BuilderImage(
        uid=1000,
        gid=1000,
        env=NO_ENV,
        platform_apis=("0.12",),
        lifecycle_version="0.21.0",
        run_images=run_images,
        buildpacks=(),
        order=(),
        stack_id="",
        distro="",
        description="",
    )


def names(*registries: str, images: tuple[RunImageChoice, ...] = (RUN, TINY)) -> list[str]:
    found = candidates(builder(*images), chosen=None, registries=registries)
    return [str(reference) for reference in found]


def test_the_builder_s_images_are_tried_in_its_order() -> None:
    assert names() == [
        "a.example/run:latest",
        "b.example/run:1",
        "c.example/run:1",
        "a.example/tiny:1",
    ]


def test_a_mirror_where_the_image_will_be_published_comes_first() -> None:
    assert names("c.example")[:2] == ["c.example/run:1", "a.example/run:latest"]
    assert len(names("c.example")) == 4


def test_what_the_user_chose_is_the_only_candidate() -> None:
    chosen = Reference.parse("mine.example/run:1")
    assert candidates(builder(RUN), chosen=chosen, registries=["b.example"]) == (chosen,)


def test_a_builder_without_run_images_needs_a_choice() -> None:
    with pytest.raises(ImageError, match="names no run image") as caught:
        names(images=())
    assert "--run-image" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Not A Reference", "../../etc", "docker://a.example/run"])
def test_a_bad_name_is_the_builder_s_fault(name: str) -> None:
    for choice in (RunImageChoice(name), RunImageChoice("a.example/run", (name,))):
        with pytest.raises(ImageError, match="a run image that is no reference"):
            names(images=(choice,))
        with pytest.raises(ImageError, match="a run image that is no reference"):
            run_toml_images(builder(choice), Reference.parse("a.example/run"))


def entries(chosen: str) -> list[tuple[str, tuple[str, ...]]]:
    reference = Reference.parse(chosen).with_default_tag()
    found = run_toml_images(builder(RUN, TINY), reference)
    return [(str(image), mirrors) for image, mirrors in found]


TINY_ENTRY: tuple[str, tuple[str, ...]] = ("a.example/tiny:1", ())
RUN_ENTRY = ("a.example/run:latest", ("b.example/run:1", "c.example/run:1"))


def test_run_toml_starts_with_the_chosen_image() -> None:
    assert entries("a.example/run") == [RUN_ENTRY, TINY_ENTRY]
    assert entries("a.example/tiny:1") == [TINY_ENTRY, RUN_ENTRY]


def test_a_chosen_mirror_changes_places_with_its_image() -> None:
    mirrors = ("a.example/run:latest", "c.example/run:1")
    assert entries("b.example/run:1") == [("b.example/run:1", mirrors), TINY_ENTRY]


def test_a_foreign_choice_stands_before_what_the_builder_offers() -> None:
    assert entries("mine.example/run:1") == [("mine.example/run:1", ()), RUN_ENTRY, TINY_ENTRY]


def test_the_user_s_mirrors_come_before_what_the_builder_names() -> None:
    mine = Reference.parse("mine.example/run:1")
    made = with_mirrors(builder(RUN, TINY), {Reference.parse("a.example/run:latest"): (mine,)})
    found = candidates(made, chosen=None, registries=["c.example"], preferred=[mine])
    assert [str(name) for name in found][:3] == [
        "c.example/run:1",
        "mine.example/run:1",
        "a.example/run:latest",
    ]
    (first, mirrors), *_ = run_toml_images(made, mine)
    assert first == mine
    assert mirrors[0] == "a.example/run:latest"
    assert with_mirrors(builder(RUN), {}).run_images == (RUN,)
