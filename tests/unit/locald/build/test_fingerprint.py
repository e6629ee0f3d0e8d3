import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import locald
from lifecycle.documents import SourceMetadata
from lifecycle.runtime.limits import Limit, Limits
from lifecycle.runtime.spec import Mount, Network, RuntimeName
from locald.build import fingerprint as module
from locald.build.fingerprint import (
    Fingerprint,
    differences,
    fingerprint_key,
    plain,
    take_fingerprint,
)
from locald.config.artifacts import ArtifactRequest
from locald.config.ignore import SourceRules
from locald.config.mounts import MountRequest
from locald.config.pull_policy import PullPolicy
from locald.config.request import BuildRequest
from locald.config.secret import SecretSource
from oci.digest import Digest
from oci.file_digests import FileDigests
from oci.location import ImageLocation
from oci.platform import Platform
from oci.reference import Reference
from oci.store import StoredImage
from tests.support.images import make_image


@dataclass(frozen=True)
class World:
    """All that a fingerprint is taken of."""

    request: BuildRequest
    source: Digest
    revision: SourceMetadata
    builder: StoredImage
    run_image: tuple[str, StoredImage]
    modules: dict[PurePosixPath, Path]
    folder: Path
    environ: dict[str, str] = field(default_factory=lambda: {"TOKEN": "1", "HOME": "/"})
    key: bytes = b"key"

    def take(self) -> Fingerprint:
        return take_fingerprint(
            self.request,
            source=self.source,
            revision=self.revision,
            builder=self.builder,
            run_image=self.run_image,
            modules=self.modules,
            digests=FileDigests(),
            environ=self.environ,
            key=self.key,
        )

    def requesting(self, **changes: Any) -> "World":
        return replace(self, request=replace(self.request, **changes))


def stored(folder: Path, text: str) -> StoredImage:
    layout = make_image(folder, files={"a": text})
    image = layout.read()
    return StoredImage(
        reference=None, layout=layout, image=image, source=None, source_digest=image.digest
    )


@pytest.fixture
def world(tmp_path: Path) -> World:
    for name in ("buildpack", "mounted", "app"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("1")
    (tmp_path / "ca.pem").write_text("certificate")
    request = BuildRequest(
        app_dir=tmp_path / "app",
        project_dir=tmp_path / "app",
        project_name="shop",
        service="api",
        names=(Reference.parse("localhost/shop:latest"),),
        builder=Reference.parse("registry.example/builder:1"),
        platform=Platform("linux", "amd64"),
        env={"A": "1", "C": "3"},
        ca_cert=tmp_path / "ca.pem",
        mounts=MountRequest(
            volumes=(Mount(source=tmp_path / "mounted", target=PurePosixPath("/data")),),
            secrets=(SecretSource(id="token", origin="--secret", variable="TOKEN"),),
        ),
    )
    return World(
        request=request,
        source=Digest("0" * 64),
        revision=SourceMetadata(type="git", version={"commit": "c"}),
        builder=stored(tmp_path / "builder", "builder"),
        run_image=("registry.example/run:1", stored(tmp_path / "run", "run")),
        modules={PurePosixPath("/cnb/buildpacks/acme/1"): tmp_path / "buildpack"},
        folder=tmp_path,
    )


def writing(name: str, text: str = "2") -> Callable[[World], World]:
    def change(world: World) -> World:
        (world.folder / name).write_text(text)
        return world

    return change


def aged(world: World) -> World:
    os.utime(world.folder / "buildpack/file", (1, 1))
    return world


CHANGES: dict[str, tuple[str, Callable[[World], World]]] = {
    "source": ("the source", lambda w: replace(w, source=Digest("1" * 64))),
    "revision": ("its revision", lambda w: replace(w, revision=SourceMetadata())),
    "builder": ("the builder", lambda w: replace(w, builder=w.run_image[1])),
    "run image": (
        "the run image",
        lambda w: replace(w, run_image=(w.run_image[0], w.builder)),
    ),
    "name of the run image": (
        "the run image",
        lambda w: replace(w, run_image=("mirror.example/run:1", w.run_image[1])),
    ),
    "content of a buildpack": ("the buildpacks", writing("buildpack/file")),
    "a buildpack more": (
        "the buildpacks",
        lambda w: replace(
            w, modules={**w.modules, PurePosixPath("/cnb/lifecycle"): w.folder / "app"}
        ),
    ),
    "value of a variable": ("the environment", lambda w: w.requesting(env={"A": "2"})),
    "name of a variable": ("the environment", lambda w: w.requesting(env={"B": "1"})),
    "a variable that is no text": (
        "the environment",
        lambda w: w.requesting(env={"A": "\udcff"}),
    ),
    "content of what is mounted": ("what is mounted", writing("mounted/file")),
    "a new file in what is mounted": ("what is mounted", writing("mounted/new")),
    "place of what is mounted": (
        "the flags",
        lambda w: w.requesting(
            mounts=replace(
                w.request.mounts,
                volumes=(Mount(source=w.folder / "mounted", target=PurePosixPath("/else")),),
            )
        ),
    ),
    "a secret in a variable": (
        "what is mounted",
        lambda w: replace(w, environ={"TOKEN": "2"}),
    ),
    "certificates": ("the certificates", writing("ca.pem")),
    "no certificates": ("the certificates", lambda w: w.requesting(ca_cert=None)),
    "image's name": (
        "the flags",
        lambda w: w.requesting(names=(Reference.parse("localhost/other:latest"),)),
    ),
    "default process": ("the flags", lambda w: w.requesting(process_type="worker")),
    "execution environment": ("the flags", lambda w: w.requesting(exec_env="test")),
    "platform": ("the flags", lambda w: w.requesting(platform=Platform("linux", "arm64"))),
    "network": ("the flags", lambda w: w.requesting(network=Network.NONE)),
    "user": ("the flags", lambda w: w.requesting(uid=4711)),
    "time": ("the flags", lambda w: w.requesting(creation_time=0)),
    "workspace": ("the flags", lambda w: w.requesting(workspace="app")),
    "previous image": (
        "the flags",
        lambda w: w.requesting(previous_image=Reference.parse("localhost/before:1")),
    ),
}

NO_CHANGES: dict[str, Callable[[World], World]] = {
    "nothing": lambda w: w,
    "place of the source": lambda w: w.requesting(app_dir=w.folder / "moved"),
    "project": lambda w: w.requesting(project_name="other", service=None),
    "rules, when they show the same": lambda w: w.requesting(
        source_rules=SourceRules(exclude=("x",))
    ),
    "another variable here": lambda w: replace(w, environ={"TOKEN": "1"}),
    "outputs": lambda w: w.requesting(
        outputs=(ImageLocation.parse("oci:/out", relative_to=w.folder),)
    ),
    "report": lambda w: w.requesting(artifacts=ArtifactRequest(report=w.folder / "r")),
    "runtime": lambda w: w.requesting(runtime=RuntimeName.PODMAN),
    "pull policy": lambda w: w.requesting(pull_policy=PullPolicy.NEVER),
    "time limit": lambda w: w.requesting(timeout_seconds=1),
    "other limits": lambda w: w.requesting(limits=Limits(pids=Limit(amount=99))),
    "name of the builder, when its digest is the same": lambda w: w.requesting(
        builder=Reference.parse("mirror.example/builder:1")
    ),
    "asking for it": lambda w: w.requesting(if_changed=True),
    "notes": lambda w: w.requesting(notes=("note",), origins={"a": "b"}),
    "order of variables": lambda w: w.requesting(env=dict(reversed(list(w.request.env.items())))),
    "a time of a buildpack's file": aged,
    "the same written again": writing("mounted/file", "1"),
}


@pytest.mark.parametrize(("part", "change"), CHANGES.values(), ids=CHANGES)
def test_what_decides_about_the_image_counts(
    world: World, part: str, change: Callable[[World], World]
) -> None:
    before = world.take()
    changed = differences(before, change(world).take())
    assert changed[0] == part or part in changed
    assert set(changed) <= {part, "the flags"}


@pytest.mark.parametrize("change", NO_CHANGES.values(), ids=NO_CHANGES)
def test_what_does_not_decide_about_it_does_not_count(
    world: World, change: Callable[[World], World]
) -> None:
    assert not differences(world.take(), change(world).take())


def test_another_version_of_locald_counts(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = world.take()
    monkeypatch.setattr(locald, "__version__", "99.0")
    assert differences(before, world.take()) == ("the version of locald",)


def test_no_value_of_the_environment_stands_in_it(world: World) -> None:
    secret = world.requesting(env={"TOKEN": "correct horse battery staple"})
    text = msgspec.json.encode(dict(secret.take())).decode()
    assert "correct" not in text
    assert "TOKEN" not in text


def test_digests_of_secrets_need_the_key_to_be_compared(world: World) -> None:
    other = replace(world, key=b"other")
    for part in ("the environment", "what is mounted", "the flags"):
        assert world.take()[part] != other.take()[part]


def test_the_key_is_made_once_and_for_its_owner(tmp_path: Path) -> None:
    key = fingerprint_key(tmp_path)
    assert len(key) == 32
    assert fingerprint_key(tmp_path) == key
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    path.write_bytes(b"damaged")
    assert len(fingerprint_key(tmp_path)) == 32


def test_the_fields_that_do_not_count_exist() -> None:
    """What is renamed must not begin to count, or stop to, unnoticed."""
    assert {field.name for field in fields(BuildRequest)} >= module._OTHER_FIELDS


def test_what_cannot_be_read_is_an_error(world: World) -> None:
    (world.folder / "mounted/file").unlink()
    (world.folder / "mounted").rmdir()
    with pytest.raises(OSError, match="mounted"):
        world.take()


class Word(StrEnum):
    ONE = "one"


class Record(msgspec.Struct, frozen=True):
    name: str


@dataclass(frozen=True)
class Value:
    items: tuple[Any, ...] = ()
    by_name: dict[str, Any] = field(default_factory=dict)


def test_plain_forms_tell_types_apart_that_have_the_same_fields() -> None:
    assert plain(Value((Word.ONE, None, True, b"\x01", Path("/a"), Record("x")))) == {
        "": "Value",
        "items": ["one", None, True, "01", "/a", {"": "Record", "name": "x"}],
        "by_name": [],
    }
    assert plain(Record("x")) != plain(Value())
    assert plain({2, 1}) == [1, 2]
    with pytest.raises(TypeError, match="no plain form: object"):
        plain(object())


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: (
        st.lists(children, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=3), children, max_size=3)
    ),
    max_leaves=8,
)


@given(_PLAIN, _PLAIN)
def test_equal_values_have_equal_digests_and_others_others(one: Any, other: Any) -> None:
    same = repr(plain(one)) == repr(plain(other))
    assert (module._text((one,)) == module._text((other,))) == same


@given(st.dictionaries(st.text(max_size=3), st.text(max_size=3)))
def test_the_order_of_a_mapping_does_not_count(mapping: dict[str, str]) -> None:
    assert module._text((mapping,)) == module._text((dict(reversed(list(mapping.items()))),))
