"""Every name of the corpus: refused in one line, or a path that stays where it belongs."""

from pathlib import Path, PurePosixPath

import pytest

from oci.errors import Error, UsageError
from oci.location import ImageLocation, is_location
from oci.platform import Platform
from oci.process import CommandRunner
from oci.reference import Reference, layout_subpath
from oci.skopeo import Skopeo, copy_argv
from oci.store import ImageStore
from tests.corpus.reference_cases import LOCATIONS, ODD_REFERENCES, REFERENCES

pytestmark = pytest.mark.corpus


@pytest.mark.parametrize("text", REFERENCES, ids=ascii)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an image reference") as caught:
        Reference.parse(text)
    assert repr(text[:200]) in caught.value.message
    _check_told(caught.value)


@pytest.mark.parametrize("text", LOCATIONS, ids=ascii)
def test_what_is_no_location_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ImageLocation.parse(text, relative_to=Path("/somewhere"))
    _check_told(caught.value)


@pytest.mark.parametrize("text", ODD_REFERENCES)
def test_an_odd_reference_stays_inside_of_every_folder(text: str, tmp_path: Path) -> None:
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    path = layout_subpath(reference)
    assert not path.is_absolute()
    assert ".." not in path.parts
    assert path != PurePosixPath()
    store = ImageStore(tmp_path / "store", Skopeo(CommandRunner()))
    assert store.find(reference, Platform.of_host()) is None
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


@pytest.mark.parametrize("text", ODD_REFERENCES)
def test_no_reference_is_an_option_of_skopeo(text: str) -> None:
    source = ImageLocation.registry(Reference.parse(text))
    argv = copy_argv(source, ImageLocation.layout(Path("/x")), platform=Platform.of_host())
    operands = argv[argv.index("--") + 1 :]
    assert operands == (str(source), "oci:/x")


@pytest.mark.parametrize("text", LOCATIONS, ids=ascii)
def test_telling_locations_from_references_never_fails(text: str) -> None:
    is_location(text)


def _check_told(error: Error) -> None:
    assert error.exit_code == 2
    assert error.message.isprintable()
    assert error.hint.isprintable()
    assert len(error.message) < 400
