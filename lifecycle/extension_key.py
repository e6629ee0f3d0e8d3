"""Names the result of applying Dockerfiles, so that it is made once."""

from lifecycle.extension import Generated
from oci.digest import Digest
from oci.tree_digest import digest_tree

# Changes when the same Dockerfiles shall give another image.
_FORM = "1"


def reusable_result(generated: tuple[Generated, ...]) -> bool:
    """May an earlier result stand for a new one?

    Not when a Dockerfile uses `build_id`, which is how it asks for a new result in every build,
    and not when it copies from the application's source, which changes all the time.
    """
    return not any(
        one.dockerfile.uses_build_id or (one.dockerfile.copies_from_context and one.context is None)
        for one in generated
    )


def extension_key(base: Digest, generated: tuple[Generated, ...]) -> Digest:
    """Changes with all that the result depends on: the image, the Dockerfiles, what they get."""
    parts = [_FORM, str(base)]
    for one in generated:
        parts += [one.extension, one.dockerfile.text("base")]
        parts += [f"{name}={value}" for name, value in sorted(one.arguments.items())]
        parts.append("" if one.context is None else str(digest_tree(one.context)))
    return Digest.of(repr(parts).encode())
