"""The form for people."""

import msgspec
import pytest

from locald.cli.inspection_text import human_size, inspection_lines
from locald.inspect.inspection import Inspection, ProcessType, inspect_image
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.app_image import make_app_image


@pytest.fixture(scope="module")
def inspection(tmp_path_factory: pytest.TempPathFactory) -> Inspection:
    image = (layout := make_app_image(tmp_path_factory.mktemp("images") / "app")).read()
    name = Reference.parse("localhost/shop:latest")
    stored = StoredImage(
        reference=name, layout=layout, image=image, source=None, source_digest=image.digest
    )
    return inspect_image(stored, [name, Reference.parse("localhost/shop:1.0")])


def lines(inspection: Inspection, width: int | None = None) -> list[str]:
    return list(inspection_lines(inspection, width=width))


def test_sections_are_aligned(inspection: Inspection) -> None:
    text = lines(inspection)
    assert [line for line in text if line and not line.startswith(" ")] == [
        "Image", "Base image", "Source", "Buildpacks", "Processes", "Environment", "Layers",
    ]  # fmt: skip
    assert text[1] == "  name       localhost/shop:latest"
    assert text[2] == "  also       localhost/shop:1.0"
    assert "  test/shell  1.2.3  https://b.example" in text
    assert "  commit  c0ffee" in text
    assert text[-1].endswith("  lifecycle: launcher")


def test_wide_values_are_wrapped_below_themselves(inspection: Inspection) -> None:
    words = tuple(f"word{number}" for number in range(40))
    process = msgspec.structs.replace(inspection.processes[0], command=words)
    wide = msgspec.structs.replace(inspection, processes=(process,))
    text = lines(wide, 60)
    start = text.index("Processes") + 1
    end = text.index("", start)
    assert end - start > 3
    assert all(line.startswith("       word") for line in text[start + 1 : end - 1])
    assert max(map(len, text[start:end])) <= 60
    assert any(" ".join(words) in line for line in lines(wide))


def test_on_a_terminal_layers_show_short_digests(inspection: Inspection) -> None:
    digest = inspection.layers[0].digest
    assert any(digest in line for line in lines(inspection))
    layers = lines(inspection, 100)[-3:]
    assert digest[:19] in layers[0]
    assert digest not in layers[0]


def test_words_of_a_process_are_quoted_unless_a_shell_reads_them(inspection: Inspection) -> None:
    def shown(*, direct: bool) -> str:
        process = ProcessType(
            type="web", command=("serve $PORT",), args=("a b",), direct=direct,
            default=True, working_dir="/srv", buildpack="",
        )  # fmt: skip
        text = lines(msgspec.structs.replace(inspection, processes=(process,)))
        return text[text.index("Processes") + 1]

    assert shown(direct=True) == "  web  'serve $PORT' 'a b' (default, in /srv)"
    assert shown(direct=False) == "  web  serve $PORT 'a b' (default, by a shell, in /srv)"


def test_line_breaks_in_foreign_values_do_not_make_lines(inspection: Inspection) -> None:
    text = lines(msgspec.structs.replace(inspection, environment={"A": "x\nLayers\n  fake"}))
    assert "  A  x Layers fake" in text


@pytest.mark.parametrize(
    ("size", "shown"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_950, "1.0 MB"), (3 * 10**12, "3000.0 GB")],
)
def test_sizes(size: int, shown: str) -> None:
    assert human_size(size) == shown


def test_an_image_not_built_by_buildpacks_is_called_so(inspection: Inspection) -> None:
    other = msgspec.structs.replace(
        inspection, built_by_buildpacks=False, base=None, buildpacks=(), processes=(), source=None
    )
    text = lines(other)
    assert "  note      not built by buildpacks" in text
    assert "Base image" not in text
