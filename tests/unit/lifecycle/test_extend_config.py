"""extend-config.toml."""

import pytest

from lifecycle.dockerfile import DockerfileKind
from lifecycle.extend_config import ExtendConfig
from oci.errors import ImageError


def test_arguments_of_each_kind() -> None:
    data = b'[[build.args]]\nname="a"\nvalue="1"\n[[run.args]]\nname="b"\nvalue="x=y z"\n[other]\n'
    config = ExtendConfig.parse(data, origin="o")
    assert config.for_kind(DockerfileKind.BUILD) == {"a": "1"}
    assert config.for_kind(DockerfileKind.RUN) == {"b": "x=y z"}
    assert not ExtendConfig.parse(b"", origin="o").for_kind(DockerfileKind.RUN)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ('[[build.args]]\nname="build_id"\nvalue=""', "build.args[0].name: build_id is given"),
        ('[[run.args]]\nname="base_image"\nvalue=""', "run.args[0].name: base_image is given"),
        ('[[run.args]]\nname="--privileged"\nvalue=""', "not the name of a variable"),
        ('[[run.args]]\nname="a"\nvalue="\\u0000"', "run.args[0].value: holds a NUL"),
        ('[[run.args]]\nname="a"', "`value`"),
        ('[[run.args]]\nname="a"\nvalue=1', "run.args"),
        ("[[run", "cannot be read"),
    ],
)
def test_what_is_wrong_with_it(data: str, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        ExtendConfig.parse(data.encode(), origin="the extension x: extend-config.toml")
    assert "the extension x: extend-config.toml" in caught.value.message
    assert words in caught.value.message
