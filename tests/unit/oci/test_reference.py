"""Image references: what is one, what it means, and where the lifecycle looks for it."""

import re
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oci.digest import Digest
from oci.errors import UsageError
from oci.reference import DOCKER_HUB, LOCALHOST, Reference, layout_subpath

HEX = "ab" * 32
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("app", Reference(DOCKER_HUB, "library/app")),
        ("app:1.2", Reference(DOCKER_HUB, "library/app", "1.2")),
        ("team/app", Reference(DOCKER_HUB, "team/app")),
        ("docker.io/app", Reference(DOCKER_HUB, "library/app")),
        ("index.docker.io/library/app", Reference(DOCKER_HUB, "library/app")),
        ("ghcr.io/acme/app:x", Reference("ghcr.io", "acme/app", "x")),
        ("registry.example:5000/app", Reference("registry.example:5000", "app")),
        ("app:5000/x", Reference("app:5000", "x")),
        ("localhost/app", Reference(LOCALHOST, "app")),
        ("localhost:5000/a/b/c:t", Reference("localhost:5000", "a/b/c", "t")),
        ("127.0.0.1:5000/app", Reference("127.0.0.1:5000", "app")),
        ("[::1]:5000/app:1", Reference("[::1]:5000", "app", "1")),
        (f"app@{DIGEST}", Reference(DOCKER_HUB, "library/app", "", Digest(HEX))),
        (f"ghcr.io/a/b:1@{DIGEST}", Reference("ghcr.io", "a/b", "1", Digest(HEX))),
        ("a__b/c-_d".replace("-_", "--"), Reference(DOCKER_HUB, "a__b/c--d")),
    ],
)
def test_references_mean_what_skopeo_and_podman_read(text: str, meaning: Reference) -> None:
    assert Reference.parse(text) == meaning


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "@",
        "/",
        "app:",
        "app@",
        "app:1:2",
        "app@sha256:abc",
        f"app@sha512:{HEX}{HEX}",
        f"app@{DIGEST}\n",
        "app\n",
        "app:tag\n",
        "-x",
        "--option",
        "../app",
        "a/../b",
        "a//b",
        "a/",
        "/a",
        "a/.b",
        "a..b",
        "a.-b",
        "App",
        "docker://app",
        "app:a/b",
        "app:-tag",
        "app:.tag",
        f"app:{'t' * 129}",
        "a b",
        "äpp",
        "app:٣",
        "registry.example:٣/app",
        "registry.example:/app",
        "-registry.example/app",
        "registry..example/app",
        "[::1/app",
        f"{'a' * 260}/b",
        "user@host.example/app",
        "user:password@host.example/app",
        "a\x00b",
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not an image reference"):
        Reference.parse(text)


def test_upper_case_gets_its_own_hint() -> None:
    with pytest.raises(UsageError) as caught:
        Reference.parse("registry.example/Team/App:1")
    assert caught.value.hint == "image names are lower case: registry.example/team/app:1"


def test_names_without_a_registry_may_belong_to_localhost() -> None:
    assert str(Reference.parse("shop:1", default_registry=LOCALHOST)) == "localhost/shop:1"
    assert str(Reference.parse("a.example/shop", default_registry=LOCALHOST)) == "a.example/shop"


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("docker.io/library/app:1", "app:1"),
        ("docker.io/team/app", "team/app"),
        ("localhost/app", "app"),
        ("ghcr.io/library/app", "ghcr.io/library/app"),
        ("localhost:5000/app", "localhost:5000/app"),
    ],
)
def test_the_familiar_form_is_what_people_write(text: str, familiar: str) -> None:
    assert Reference.parse(text).familiar == familiar


def test_latest_is_added_only_where_nothing_was_said() -> None:
    assert Reference.parse("app").with_default_tag().tag == "latest"
    assert Reference.parse("app:1").with_default_tag().tag == "1"
    assert Reference.parse(f"app@{DIGEST}").with_default_tag().tag == ""


def test_a_digest_takes_the_tag_s_place() -> None:
    pinned = Reference.parse("ghcr.io/a/b:1").with_digest(Digest(HEX))
    assert str(pinned) == f"ghcr.io/a/b@{DIGEST}"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("app", "index.docker.io/library/app/latest"),
        ("docker.io/team/app:1.2", "index.docker.io/team/app/1.2"),
        ("ghcr.io/acme/app:1", "ghcr.io/acme/app/1"),
        ("registry.example:5000/app", "registry.example:5000/app/latest"),
        (f"ghcr.io/acme/app@{DIGEST}", f"ghcr.io/acme/app/sha256/{HEX}"),
        (f"ghcr.io/acme/app:1@{DIGEST}", f"ghcr.io/acme/app/sha256/{HEX}"),
        ("localhost/app:1", "index.docker.io/localhost/app/1"),
        ("localhost:5000/app:1", "localhost:5000/app/1"),
    ],
)
def test_layout_paths_follow_the_specification(text: str, path: str) -> None:
    assert layout_subpath(Reference.parse(text)) == PurePosixPath(path)


_COMPONENT = st.from_regex(r"[a-z0-9]+(?:(?:\.|_|__|-{1,3})[a-z0-9]+){0,2}", fullmatch=True)
_REPOSITORY = st.lists(_COMPONENT, min_size=1, max_size=4).map("/".join)
_REGISTRY = st.one_of(
    st.just("localhost"),
    st.from_regex(r"[a-zA-Z0-9]{1,8}(?:\.[a-zA-Z0-9]{1,8}){1,2}(?::[0-9]{1,5})?", fullmatch=True),
)
_TAG = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
_DIGEST = st.from_regex(r"sha256:[0-9a-f]{64}", fullmatch=True)


@given(_REGISTRY, _REPOSITORY, st.none() | _TAG, st.none() | _DIGEST)
def test_every_valid_reference_is_read_and_written_alike(
    registry: str, repository: str, tag: str | None, digest: str | None
) -> None:
    text = f"{registry}/{repository}"
    text += f":{tag}" if tag else ""
    text += f"@{digest}" if digest else ""
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    if registry not in ("index.docker.io", "docker.io"):
        assert str(reference) == text


@given(st.text(max_size=40) | st.text(alphabet="aA0.:/@-_[] \n\0", max_size=40))
def test_whatever_is_accepted_is_safe_in_paths_and_on_command_lines(text: str) -> None:
    try:
        reference = Reference.parse(text)
    except UsageError:
        return
    written = str(reference)
    assert re.fullmatch(r"[A-Za-z0-9\[][A-Za-z0-9._:/@\[\]-]*", written)
    assert not {"", ".", ".."}.intersection(written.split("/"))
    assert Reference.parse(written) == reference
    path = layout_subpath(reference.with_default_tag())
    assert not path.is_absolute()
    assert ".." not in path.parts
