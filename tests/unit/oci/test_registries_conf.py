"""registries.conf: which places are asked for an image, and what skopeo is told of it."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from oci.errors import RegistryError, UsageError
from oci.reference import Reference
from oci.registries_conf import VARIABLE, RegistriesConf, is_location, is_registry


def conf(folder: Path, text: str = "", **options: Any) -> RegistriesConf:
    """With this file as the only one."""
    path = folder / "registries.conf"
    path.write_text(text)
    return RegistriesConf.load(environ={"HOME": str(folder), VARIABLE: str(path)}, **options)


def places(made: RegistriesConf, name: str) -> list[str]:
    found = made.endpoints(Reference.parse(name))
    return [f"{place.reference}{' insecure' if place.insecure else ''}" for place in found]


def test_without_a_word_the_registry_itself_is_asked(tmp_path: Path) -> None:
    assert places(conf(tmp_path), "a.example/team/app:1") == ["a.example/team/app:1"]


def test_mirrors_come_first_and_keep_what_follows_the_prefix(tmp_path: Path) -> None:
    made = conf(
        tmp_path,
        """
        [[registry]]
        prefix = "a.example/team"
        location = "b.example:5000/other"
        [[registry.mirror]]
        location = "m.example/cache"
        insecure = true
        [[registry]]
        location = "a.example"
        """,
    )
    assert places(made, "a.example/team/app:1") == [
        "m.example/cache/app:1 insecure",
        "b.example:5000/other/app:1",
    ]
    assert places(made, "a.example/teams/app:1") == ["a.example/teams/app:1"]
    own = made.own(Reference.parse("a.example/team/app:1"))
    assert str(own.reference) == "b.example:5000/other/app:1"


def test_a_wildcard_stands_for_hosts(tmp_path: Path) -> None:
    made = conf(
        tmp_path,
        """
        [[registry]]
        prefix = "*.example"
        [[registry.mirror]]
        location = "m.test/x"
        """,
    )
    assert places(made, "a.example/app:1") == ["m.test/x/app:1", "a.example/app:1"]
    assert places(made, "a.example.test/app:1") == ["a.example.test/app:1"]


def test_mirrors_for_digests_are_not_asked_for_tags(tmp_path: Path) -> None:
    made = conf(
        tmp_path,
        """
        [[registry]]
        location = "a.example"
        [[registry.mirror]]
        location = "d.example"
        pull-from-mirror = "digest-only"
        [[registry.mirror]]
        location = "t.example"
        pull-from-mirror = "tag-only"
        """,
    )
    digest = "sha256:" + "0" * 64
    assert places(made, "a.example/app:1") == ["t.example/app:1", "a.example/app:1"]
    assert places(made, f"a.example/app@{digest}")[0] == f"d.example/app@{digest}"


def test_the_user_s_own_mirrors_replace_those_of_the_files(tmp_path: Path) -> None:
    text = '[[registry]]\nlocation = "a.example"\n[[registry.mirror]]\nlocation = "m.example"\n'
    made = conf(tmp_path, text, mirrors={"a.example": ("mine.example/a",), "*": ("all.example",)})
    assert places(made, "a.example/app:1") == ["mine.example/a/app:1", "a.example/app:1"]
    assert places(made, "b.example/app:1") == ["all.example/app:1", "b.example/app:1"]
    assert places(made, "all.example/app:1") == ["all.example/app:1"]


def test_insecure_is_exactly_what_was_named(tmp_path: Path) -> None:
    made = conf(tmp_path, insecure=frozenset({"a.example:5000"}), mirrors={"*": ("m.example",)})
    assert places(made, "a.example:5000/app:1") == [
        "m.example/app:1",
        "a.example:5000/app:1 insecure",
    ]
    assert places(made, "a.example/app:1") == ["m.example/app:1", "a.example/app:1"]


def test_a_blocked_registry_is_not_asked(tmp_path: Path) -> None:
    made = conf(tmp_path, '[[registry]]\nlocation = "a.example"\nblocked = true\n')
    with pytest.raises(RegistryError, match="its registry is blocked on this host"):
        made.endpoints(Reference.parse("a.example/app"))


def test_later_files_replace_what_earlier_ones_say_of_a_prefix(tmp_path: Path) -> None:
    own = tmp_path / ".config/containers"
    (own / "registries.conf.d").mkdir(parents=True)
    (own / "registries.conf").write_text(
        '[[registry]]\nlocation = "a.example"\ninsecure = true\n'
        '[[registry]]\nlocation = "b.example"\ninsecure = true\n'
    )
    (own / "registries.conf.d/50.conf").write_text('[[registry]]\nlocation = "a.example"\n')
    made = RegistriesConf.load(environ={"HOME": str(tmp_path)})
    assert places(made, "a.example/app:1") == ["a.example/app:1"]
    assert places(made, "b.example/app:1") == ["b.example/app:1 insecure"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("registry = [", r"registries\.conf: "),
        ("[[registry]]\nlocation = 1\n", "Expected `str`, got `int`"),
        ('[[registry]]\nlocation = "https://a.example"\n', "not a registry or a part of one"),
        ("[[registry]]\ninsecure = true\n", "neither prefix nor location"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        conf(tmp_path, text)
    assert str(tmp_path / "registries.conf") in caught.value.message


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=rf"{VARIABLE} .*gone: no such file"):
        RegistriesConf.load(environ={"HOME": "/", VARIABLE: str(tmp_path / "gone")})


def test_skopeo_is_told_only_what_it_would_not_find_itself(tmp_path: Path) -> None:
    name = Reference.parse("a.example/team/app:1")
    silent = RegistriesConf.load(environ={"HOME": str(tmp_path)})
    assert silent.for_skopeo(name) is None
    mirrored = RegistriesConf.load(
        environ={"HOME": str(tmp_path)},
        mirrors={"a.example": ("m.example/x",)},
        insecure=frozenset({"m.example"}),
    )
    told = mirrored.for_skopeo(name)
    assert told is not None
    assert tomllib.loads(told.decode()) == {
        "unqualified-search-registries": [],
        "registry": [
            {
                "prefix": "a.example",
                "location": "a.example",
                "mirror": [{"location": "m.example/x", "insecure": True}],
            }
        ],
    }
    assert mirrored.for_skopeo(Reference.parse("b.example/app:1")) is None
    assert conf(tmp_path).for_skopeo(name) is not None, "skopeo 1.9 does not know the variable"


@pytest.mark.parametrize(
    ("text", "registry", "location"),
    [
        ("a.example", True, True),
        ("a.example:5000", True, True),
        ("127.0.0.1:5000", True, True),
        ("[::1]:5000", True, True),
        ("localhost", True, True),
        ("a.example/team", False, True),
        ("https://a.example", False, False),
        ("a.example:port", False, False),
        ("a.example/Team", False, False),
        ("-a.example", False, False),
        ("a b", False, False),
        ("", False, False),
    ],
)
def test_what_a_registry_is(text: str, registry: bool, location: bool) -> None:
    assert is_registry(text) is registry
    assert is_location(text) is location
