"""What is read of a Dockerfile, what is refused, and what is written anew."""

import pytest

from lifecycle.dockerfile import Dockerfile, DockerfileKind
from oci.errors import ImageError

BASE = "ARG base_image\nFROM ${base_image}\n"


def parse(text: str, kind: DockerfileKind = DockerfileKind.RUN) -> Dockerfile:
    return Dockerfile.parse(text.encode(), kind=kind, origin="x.Dockerfile")


def test_continued_lines_become_one_and_comments_go() -> None:
    text = (
        "# syntax=docker/dockerfile:1\n"
        "ARG base_image\n"
        "# first\n"
        "from ${base_image}\r\n"
        "RUN a && \\\n"
        "# in between\n"
        "\n"
        "    b \\  \n"
        "  c\n"
        "\tuser\troot\n"
        "LABEL a=b \\"
    )
    assert parse(text).text("oci:/x:latest", first=("LABEL z=",)) == (
        "ARG base_image\nFROM oci:/x:latest\nLABEL z=\nRUN a &&     b   c\nUSER root\nLABEL a=b\n"
    )


def test_an_unusual_line_break_makes_no_instruction() -> None:
    # Python's splitlines() would see one; buildah does not.
    text = parse(f"{BASE}RUN echo \u2028RUN --mount=type=bind,target=/x true\n").text("b")
    assert text.count("\n") == 3


@pytest.mark.parametrize(
    ("text", "base", "extends"),
    [
        (BASE, "", False),
        (f"{BASE}RUN true", "", True),
        ("FROM other:1", "other:1", False),
        ("FROM --platform=linux/amd64 other:1 AS x\nUSER 5", "other:1", True),
        ("ARG base_image\nFROM $base_image", "$base_image", False),
    ],
)
def test_what_from_says(text: str, base: str, extends: bool) -> None:
    dockerfile = parse(text)
    assert dockerfile.base == base
    assert dockerfile.extends == extends


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "x.Dockerfile has no FROM"),
        ("RUN true\n", "line 1: an instruction before FROM"),
        ("FROM\n", "line 1: FROM names no image"),
        (f"{BASE}FROM other\n", "line 3: a second FROM"),
        (f"{BASE}run --mount=type=cache,target=/x true", "line 3: RUN --mount=type=cache,target"),
        (f"{BASE}RUN \\\n --security=insecure true", "line 3: RUN --security=insecure"),
        (f"{BASE}RUN --network=host true", "line 3: RUN --network=host"),
        (f"{BASE}COPY --chown=1 --from=busybox /a /b", "line 3: COPY --from"),
        (f"{BASE}ONBUILD RUN --mount=type=bind true", "line 3: ONBUILD"),
        (f"{BASE}RUN cat <<EOF >/x\nRUN --mount=type=bind true\nEOF\n", "a here-document"),
        (f"{BASE}COPY <<-'END' /x\nEND\n", "a here-document"),
        (f"# escape=`\n{BASE}", "line 1: another escape character"),
        ("x\n" * 10_001, "more than 10000 lines"),
    ],
)
def test_what_is_refused(text: str, words: str) -> None:
    with pytest.raises(ImageError) as caught:
        parse(text)
    assert words in caught.value.message


def test_the_build_image_cannot_be_switched() -> None:
    with pytest.raises(ImageError, match="the build image cannot be switched"):
        parse("FROM other\n", DockerfileKind.BUILD)


def test_bytes_that_are_no_text() -> None:
    with pytest.raises(ImageError, match=r"x\.Dockerfile is not text"):
        Dockerfile.parse(b"FROM \xff", kind=DockerfileKind.RUN, origin="x.Dockerfile")


def test_shifts_and_here_strings_are_no_here_documents() -> None:
    assert parse(f'{BASE}RUN bash -c "cat <<< word"; echo $((1 << 3))').extends


@pytest.mark.parametrize(
    ("instruction", "build_id", "copies"),
    [
        ("RUN echo $build_id", True, False),
        ("ARG build_id=0", True, False),
        ("RUN echo rebuild_ids", False, False),
        ("COPY a /b", False, True),
        ('COPY ["a b", "/b"]', False, True),
        ("ADD --chmod=644 https://x.example/a /b", False, False),
        ("ADD https://x.example/a b /c/", False, True),
    ],
)
def test_what_decides_about_reuse(
    instruction: str,
    build_id: bool,
    copies: bool,
) -> None:
    dockerfile = parse(f"{BASE}{instruction}")
    assert dockerfile.uses_build_id == build_id
    assert dockerfile.copies_from_context == copies
