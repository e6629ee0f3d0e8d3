"""Which run image a build stands on."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from lifecycle.builder import BuilderImage
from oci.errors import ImageError, UsageError
from oci.reference import Reference


def with_mirrors(
    builder: BuilderImage, mirrors: Mapping[Reference, tuple[Reference, ...]]
) -> BuilderImage:
    """The builder, its run images with mirrors of the user's own before those that it names."""
    if not mirrors:
        return builder
    return replace(
        builder,
        run_images=tuple(
            replace(
                image, mirrors=(*map(str, mirrors.get(_named(image.image), ())), *image.mirrors)
            )
            for image in builder.run_images
        ),
    )


def candidates(
    builder: BuilderImage,
    *,
    chosen: Reference | None,
    registries: Sequence[str],
    preferred: Sequence[Reference] = (),
) -> tuple[Reference, ...]:
    """The run images to try, best first.

    chosen: what the user asked for; then it is the only one.
    registries: where the image will be published: a mirror there comes first, so that
        publishing moves no byte of it.
    preferred: the user's own mirrors, which come next.
    """
    if chosen is not None:
        return (chosen,)
    offered: list[Reference] = []
    for image in builder.run_images:
        offered += [_named(name) for name in (image.image, *image.mirrors)]
    if not offered:
        raise ImageError(
            "the builder names no run image", hint="name one with --run-image REFERENCE"
        )
    near = [name for name in offered if name.registry in registries]
    liked = [name for name in offered if name in preferred]
    return tuple(dict.fromkeys([*near, *liked, *offered]))


def run_toml_images(
    builder: BuilderImage, chosen: Reference
) -> tuple[tuple[Reference, tuple[str, ...]], ...]:
    """The entries of run.toml, the chosen image first: the exporter falls back to the first."""
    mirrors: tuple[str, ...] = ()
    others = []
    for image in builder.run_images:
        name = _named(image.image)
        mirror_names = tuple(str(_named(mirror)) for mirror in image.mirrors)
        if chosen == name:
            mirrors = mirror_names
        elif str(chosen) in mirror_names:
            mirrors = (str(name), *(m for m in mirror_names if m != str(chosen)))
        else:
            others.append((name, mirror_names))
    return ((chosen, mirrors), *others)


def _named(text: str) -> Reference:
    """A name from the builder's labels; a bad one is the builder's fault, not the user's."""
    try:
        return Reference.parse(text).with_default_tag()
    except UsageError as error:
        raise ImageError(
            f"the builder names a run image that is no reference: {text[:200]!r}",
            hint="name one with --run-image REFERENCE",
        ) from error
