"""Every builder of the corpus, read as a build reads it: refused in one line, or fine."""

import re

import pytest

from lifecycle.builder import BuilderImage
from lifecycle.platform_api import negotiate
from lifecycle.run_image import candidates, run_toml_images
from oci.errors import ImageError
from oci.image import decode_config
from tests.corpus.builder_cases import CASES, BuilderCase

pytestmark = pytest.mark.corpus

NAME = "registry.example/builder:1"


def read(case: BuilderCase) -> BuilderImage:
    """All that a build takes from a builder's labels before anything of it runs."""
    builder = BuilderImage.from_config(decode_config(case.config, origin=NAME), origin=NAME)
    negotiate(builder.platform_apis, origin=NAME)
    for name in candidates(builder, chosen=None, registries=()):
        run_toml_images(builder, name)
    return builder


def test_no_case_is_in_it_twice() -> None:
    names = [case.name for case in CASES]
    assert sorted(set(names)) == sorted(names)
    assert len(names) >= 90


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_builder_of_the_corpus(case: BuilderCase) -> None:
    if not case.refused:
        assert read(case).uid == 1001
        return
    with pytest.raises(ImageError) as caught:
        read(case)
    message = caught.value.message
    assert re.search(case.refused, message), message
    assert NAME in message or "the builder" in message, message
    assert message.isprintable()
    assert len(message) < 1000
